# pyright: reportCallIssue=false, reportArgumentType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportAttributeAccessIssue=false
"""Data that are read during training, compared bit by bit with the same data in memory."""

import itertools
import pickle
import random
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numerical import assert_close
from numpy.testing import assert_array_equal
from PIL import Image
from runs.run_driver import Halt
from selection import draws
from training.drawn_fits import FORMS, KINDS, OPTIONS, Items, N, fitted, outputs, rows
from training.made import classifier, dense, stripes

import chainrule as cr
from chainrule.data import order
from chainrule.data.sources import MappedArray, SampleSource
from chainrule.data.splits import split_validation
from chainrule.errors import DataError, OptionError
from chainrule.training.samples import Samples
from chainrule.training.streams import ItemSource
from chainrule.training.targets import Targets

X, Y = stripes(90)
BATCH = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the samples as PNG files, which lose nothing, in one folder per class."""
    top = tmp_path_factory.mktemp("images")
    for number, (pixels, label) in enumerate(zip(X, Y, strict=True)):
        (top / f"class{label}").mkdir(exist_ok=True)
        Image.fromarray(pixels[0]).save(top / f"class{label}" / f"{number:03}.png")
    return top


class Pairs:
    """A data set with random transformations, as those of PyTorch."""

    def __init__(self, *, noisy: bool = False) -> None:
        self.noisy = noisy

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        x = X[index].astype(np.float32) + (random.random() + np.random.random() if self.noisy else 0)  # noqa: NPY002
        return x, int(Y[index])


class Loader(list[Any]):
    """Batches with the data set that they are from, like a DataLoader of PyTorch."""

    dataset = Items(Y)


def trained(*data: Any, **options: Any) -> np.ndarray:
    model = classifier()
    model.fit(*data, **{"epochs": 3, "progress": False, "batch_size": BATCH, "seed": 0, **options})
    return model.parameters


@pytest.mark.parametrize(("options", "readers"), [
    ({}, 0), ({"validation_split": 0.3, "patience": 2}, 2), ({"augmentation": "shift=1,flip"}, 2),
    ({"normalization": "standardize", "class_weight": {"class1": 3.0}}, 0),
])  # fmt: skip
def test_a_folder_trains_as_in_memory(folder: Path, options: dict[str, Any], readers: int, tmp_path: Path) -> None:
    """The run on files that are read when they are needed is resumed."""
    loaded, test = cr.data.load(folder, test_share=0.1)
    lazy, lazy_test = cr.data.load(folder, test_share=0.1, lazy=True)
    assert isinstance(lazy.x, SampleSource)
    assert_array_equal(np.asarray(lazy.x), loaded.x)
    for halt in ([Halt(4)], []):
        run = cr.Run(tmp_path / "run", resume=True, plots=False)
        parameters = trained(lazy, readers=readers, run=run, callbacks=halt, **options)
    assert_array_equal(parameters, trained(loaded, **options))
    with pytest.raises(DataError):
        trained(loaded.take(60), **options, run=run)
    model = classifier()
    assert_array_equal(model.predict(lazy_test), model.predict(test))
    assert model.evaluate(lazy_test).loss == model.evaluate(test).loss


def test_the_path_of_a_folder_is_data(folder: Path) -> None:
    ordered = np.concatenate([np.flatnonzero(label == Y) for label in range(3)])  # the order of the folder
    assert_array_equal(trained(folder), trained(X[ordered], Y[ordered]))
    with pytest.raises(DataError):
        trained(folder / "class0" / "000.png")
    with pytest.raises(OptionError):
        dense(3, cr.Softmax()).fit(folder)


def test_the_validation_part_of_a_data_set_is_used_unless_another_is_an_argument() -> None:
    parts = [cr.Dataset(X[rows], Y[rows], tuple("abc")) for rows in (slice(50), slice(50, 80), slice(80, 90))]
    whole = replace(parts[0], validation=parts[1])
    for arguments, held_out in (({}, parts[1]), ({"validation_data": parts[2]}, parts[2])):
        model, twin = classifier(), classifier()
        history = model.fit(whole, patience=2, progress=False, **arguments)
        expected = twin.fit(parts[0], patience=2, validation_data=held_out, progress=False)
        assert history["validation_loss"] == expected["validation_loss"]
        assert_array_equal(model.parameters, twin.parameters)


UNSTRATIFIED = ("regression", "bounded", "images", "inputs", "outputs", "inputs and outputs")


def compared(result: Any, expected: Any, form: str) -> None:
    """Check that a training is refused, or gives the same numbers: the same bits if the inputs have the same dtype."""
    if expected is None or result is None:
        assert expected is result or form == "items"
        return
    (model, history), (twin, twin_history) = result, expected
    pairs = (history.loss, twin_history.loss), (history.measured, twin_history.measured)
    for actual, wanted in (*pairs, (model.parameters, twin.parameters)):
        if form in ("tables", "lists"):
            assert_close(actual, wanted, dtype=np.float32)
        else:
            assert_array_equal(actual, wanted)


@settings(max_examples=draws(40))
@given(
    *map(st.sampled_from, ([*KINDS], ("items", "mapped", "tables", "lists"))),
    st.sets(st.sampled_from(sorted(OPTIONS.keys() - {"readers"})), max_size=3),
)
def test_data_in_every_form_train_and_are_evaluated_as_arrays(kind: str, form: str, names: set[str]) -> None:
    """The bytes of a validation part of lists and tables affect how others scale."""
    assume("validation_split" not in names or kind in UNSTRATIFIED or form in ("mapped", "items"))
    _, x, y = KINDS[kind]
    data, options = FORMS[form](x, y), {name: OPTIONS[name] for name in names}
    result, expected = (fitted(kind, each, "numpy", options) for each in (data, (x, y)))
    compared(result, expected, form)
    if result and expected:
        model, twin = result[0], expected[0]
        assert model.classes == twin.classes
        figures = model.evaluate(*data).figures
        assert_close([*figures.values()], [*twin.evaluate(x, y).figures.values()], dtype=np.float32)
        for predictions in zip(outputs(model, data[0]), outputs(twin, x), strict=True):
            assert_close(*predictions)


@pytest.mark.parametrize("kind", UNSTRATIFIED)
@pytest.mark.parametrize("form", ["arrays", "mapped"])
@pytest.mark.parametrize("normalization", [None, "standardize"])
def test_a_validation_split_is_validation_data(kind: str, form: str, normalization: str | None) -> None:
    """Samples that are held back affect neither the normalization nor the scaling of the targets."""
    _, x, y = KINDS[kind]
    kept, held = split_validation(N, 0.4, 0)
    known = {"normalization": normalization}
    result = fitted(kind, FORMS[form](x, y), "numpy", known | {"validation_split": 0.4})
    parts = [(rows(x, part), rows(y, part)) for part in (kept, held)]
    expected = fitted(kind, parts[0], "numpy", known | {"validation_data": parts[1]})
    compared(result, expected, form)
    if result and expected:
        assert result[1]["validation_loss"] == expected[1]["validation_loss"]
        assert result[0].normalization == expected[0].normalization


OF_STEPS = ("optimizer", "learning_rate", "loss", "clip_norm", "lr_multipliers", "lookahead", "ema_decay")


@settings(max_examples=draws(15))
@given(st.sampled_from(sorted(KINDS)), st.integers(1, 7), st.sets(st.sampled_from(OF_STEPS), max_size=3), st.booleans())
def test_batches_and_weighted_items_train_as_arrays(kind: str, size: int, names: set[str], weigh: bool) -> None:
    """A whole batch may have no weight. The first batch determines the task; it would whiten and normalize, too."""
    _, x, y = KINDS[kind]
    assume(kind != "whitened")
    weights = [np.random.default_rng(size).uniform(-1, 2, N).clip(0)] if weigh else []
    options = {name: OPTIONS[name] for name in names} | {"normalization": "none", "seed": 3}
    options |= {"standardize_targets": False} if fitted(kind, (x, y), "numpy", {"standardize_targets": True}) else {}
    expected = fitted(kind, (x, y), "numpy", options | {"batch_size": size, "sample_weight": (weights or [None])[0]})
    columns = (x, y, *weights)
    if "input" not in kind and "output" not in kind:  # items have one input and one target
        compared(fitted(kind, (Items(*columns),), "numpy", options | {"batch_size": size}), expected, "weighted items")
    orders = [order(N, 3, epoch)[first : first + size] for epoch in range(2) for first in range(0, N, size)]
    batches = [tuple(rows(column, part) for column in columns) for part in orders]
    steps: dict[str, Any] = {"steps_per_epoch": len(batches) // 2}
    streams = (batches, {"epochs": 1}), (iter(batches), steps), (batches * 2, steps), (Loader(batches), steps)
    for stream, steps in streams:
        compared(fitted(kind, (stream,), "numpy", options | {"batch_size": 32} | steps), expected, "batches")


@pytest.mark.parametrize("mode", ["r", "c"])
def test_a_memory_map_keeps_private_changes(mode: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.data.sources.MAX_RESIDENT_BYTES", 1)
    np.save(tmp_path / "x.npy", X)
    mapped, expected = np.load(tmp_path / "x.npy", mmap_mode=mode), X.copy()
    if mode == "c":
        mapped[5], expected[5] = 7, 7
    source = MappedArray(mapped, mapped)
    for _ in range(2):  # the pages are released after the first
        assert_array_equal(source[:], expected)
    assert_array_equal(source.subset(np.array([5, 2]))[[1, -2]], expected[[2, 5]])


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_few_pages_of_a_mapped_file_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, sample, page = 1 << 20, 1 << 16, 1 << 21  # bytes; the kernel may map the cached file in large pages
    monkeypatch.setattr("chainrule.data.sources.MAX_RESIDENT_BYTES", limit)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((300, sample // 8)))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    source, resident = MappedArray(mapped, mapped), list[int]()
    for first in range(0, 300, 4):
        assert source[first : first + 4].sum() > 0
        places = Path("/proc/self/smaps").read_text().partition(f"{tmp_path}/x.npy")[2]
        resident.append(1024 * int(re.findall(r"^Rss: +(\d+)", places, re.M)[0]))
    assert limit / 2 < max(resident) <= limit + 2 * page < mapped.nbytes / 3


def test_random_numbers_of_a_data_set_do_not_depend_on_the_processes() -> None:
    assert_array_equal(trained(Pairs(noisy=True), readers=2), trained(Pairs(noisy=True), readers=0))


@pytest.mark.parametrize("sizes", [(50, 39, 1), (7, 80, 3), (1, 1, 88)])
def test_unequal_batches_have_the_mean_of_their_samples(sizes: tuple[int, ...], tmp_path: Path) -> None:
    """Without a step that changes anything, the mean of an epoch is the loss of the samples, also in a resumed run."""
    edges = np.cumsum((0, *sizes))
    data = [(X[first:last], Y[first:last]) for first, last in itertools.pairwise(edges)]
    options: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 1e-30, "normalization": "scale", "progress": False}
    run = cr.Run(tmp_path / "run", resume=True, plots=False)
    classifier().fit(data, run=run, callbacks=Halt(4), epochs=2, **options)
    model = classifier()
    history = model.fit(data, run=run, epochs=2, **options)
    expected = model.evaluate(X, Y)
    assert [*history.sizes] == [*sizes, *sizes]
    assert history["loss"] == pytest.approx([expected.loss] * 2, rel=1e-5)
    assert history["accuracy"] == pytest.approx([expected.accuracy] * 2, rel=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_source_reads_the_same_in_another_process(seed: int) -> None:
    """What is sent to a process that reads ahead is all that reading needs."""
    chosen = np.random.default_rng(seed).permutation(N)[:7]

    def convert(x: Any, y: Any, weights: Any) -> Samples:
        return Samples(x, Targets.of(y, (3,)))

    whole = ItemSource(Items(*KINDS["names"][1:2], np.arange(N) % 3), convert, (6,))
    source, _ = whole.part(chosen, whole.probe.targets)
    numbers = np.arange(7)[::-1]
    for own, sent in zip(source.read(numbers), pickle.loads(pickle.dumps(source)).read(numbers), strict=True):
        assert_array_equal(own, sent)
