# pyright: reportCallIssue=false, reportArgumentType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false, reportAttributeAccessIssue=false
"""Data that are read during training, compared bit by bit with the same data in memory."""

import itertools
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from PIL import Image
from runs.run_driver import Halt
from tests.training.made import classifier, dense, stripes

import chainrule as cr
from chainrule.data import order
from chainrule.data.coloring import Draw
from chainrule.data.sources import MappedArray, SampleSource
from chainrule.errors import ChainruleError, DataError, OptionError
from chainrule.models.reading import Reading, training_data

X, Y = stripes(90)
BATCH = 16
STEPS = 6  # per epoch


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


def batches(epochs: int = 1) -> Iterator[tuple[Any, Any]]:
    for epoch in range(epochs):
        shuffled = order(len(X), 0, epoch)
        for start in range(0, len(X), BATCH):
            yield X[shuffled[start : start + BATCH]], Y[shuffled[start : start + BATCH]]


class Loader(list[Any]):
    """Batches with the data set that they are from, like a DataLoader of PyTorch."""

    dataset = Pairs()


def trained(*data: Any, **options: Any) -> np.ndarray:
    model = classifier()
    model.fit(*data, **{"epochs": 3, "progress": False, "batch_size": BATCH, "seed": 0, **options})
    return model.parameters


@pytest.mark.parametrize(("options", "readers"), [
    ({}, 0), ({"validation_split": 0.3, "patience": 2}, 2), ({"augmentation": "shift=1,flip"}, 2),
    ({"normalization": "standardize"}, 0), ({"class_weight": {"class1": 3.0}}, 2),
])  # fmt: skip
def test_a_folder_trains_as_in_memory(folder: Path, options: dict[str, Any], readers: int) -> None:
    loaded, test = cr.data.load(folder, test_share=0.1)
    lazy, lazy_test = cr.data.load(folder, test_share=0.1, lazy=True)
    assert isinstance(lazy.x, SampleSource)
    assert_array_equal(np.asarray(lazy.x), loaded.x)
    assert_array_equal(trained(lazy, readers=readers, **options), trained(loaded, **options))
    model = classifier()
    assert_array_equal(model.predict(lazy_test), model.predict(test))
    assert model.evaluate(lazy_test).loss == model.evaluate(test).loss


def test_fit_takes_the_path_of_a_folder(folder: Path) -> None:
    ordered = np.concatenate([np.flatnonzero(label == Y) for label in range(3)])  # the order of the folder
    assert_array_equal(trained(folder), trained(X[ordered], Y[ordered]))
    with pytest.raises(DataError):
        trained(folder / "class0" / "000.png")
    with pytest.raises(OptionError):
        dense(3, cr.Softmax()).fit(folder)


SHAPES = ((5,), (2, 9), (1, 6, 5), (3, 4, 7))
LOSSES = {"labels": "categorical_cross_entropy", "shares": "binary_cross_entropy", "numbers": "mean_squared_error"}


class Drawn:
    """A network, inputs, targets, weights and options of `fit`; and the same data in other forms."""

    def __init__(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.shape, self.task = SHAPES[seed % 4], [*LOSSES][int(draw.integers(3))]
        self.count, self.dense = int(draw.integers(20, 60)), len(self.shape) == 3 and draw.random() < 0.5
        x = draw.integers(0, draw.choice([2, 200]), (self.count, *self.shape))
        x = x.astype(draw.choice(["uint8", "int32", "float32"])) if draw.random() < 0.7 else x / 255
        positions = self.shape[1:] if self.dense else ()
        y = {
            "labels": draw.integers(0, 3, (self.count, *positions)),
            "shares": draw.integers(0, 2, (self.count, 3, *positions)),
            "numbers": draw.normal(3, 50, (self.count, 3, *positions)),
        }[self.task]
        weights = [draw.uniform(-1, 2, self.count).clip(0)] if draw.random() < 0.5 else []
        self.columns = (x, y, *weights)
        self.options: dict[str, Any] = {
            "optimizer": str(draw.choice(["sgd", "adam"])),
            "clip_norm": 0.5 if draw.random() < 0.5 else None,
            "batch_size": int(draw.integers(1, 12)),  # a whole batch may have no weight
            "epochs": 2,
            "seed": seed,
            "progress": False,
        }
        self.arrays = {"x": x, "y": y, "sample_weight": weights[0] if weights else None}

    def model(self, normalization: Any = None) -> cr.Sequential:
        first = {1: cr.Dense(4), 2: cr.Conv1D(3, 3), 3: cr.Conv2D(2, 3, padding="same")}[len(self.shape)]
        last = [cr.Conv2D(3, 1)] if self.dense else [*([cr.Flatten()] if self.shape[1:] else []), cr.Dense(3)]
        ending = {"labels": [cr.Softmax()], "shares": [cr.Sigmoid()], "numbers": []}[self.task]
        options: dict[str, Any] = {"loss": LOSSES[self.task], "normalization": normalization}
        return cr.Sequential([first, cr.Tanh(), *last, *ending], self.shape, engine="numpy", seed=1, **options)

    def batches(self, indices: Any, size: int) -> list[Any]:
        """Return batches of the samples at some indices."""
        parts = [indices[first : first + size] for first in range(0, len(indices), size)]
        return [tuple(column[part] for column in self.columns) for part in parts]

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        """Return a sample (x, y) or (x, y, weight), like a data set of PyTorch."""
        return tuple(column[index] for column in self.columns)


@pytest.mark.parametrize("seed", range(16))
def test_data_in_every_form_train_and_are_evaluated_as_arrays(seed: int, tmp_path: Path) -> None:
    data = Drawn(seed)
    (x, y, *_), size = data.columns, data.options["batch_size"]
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = data.model()
    history = expected.fit(**data.arrays, **data.options)
    for form in ({**data.arrays, "x": mapped}, {"x": data, "readers": seed % 2}):
        model = data.model()
        assert_array_equal(model.fit(**form, **data.options)["loss"], history["loss"])
        assert_array_equal(model.parameters, expected.parameters)
        assert model.about() == expected.about()
    evaluation = expected.evaluate(x, y)
    for form in ((mapped, y), (data,), (data.batches(np.arange(len(x)), 7),)):
        assert_close(list(expected.evaluate(*form).figures.values()), list(evaluation.figures.values()))
    assert_array_equal(expected.predict(data), expected.predict(x))
    # The first batch would determine the normalization.
    options = {**data.options, "standardize_targets": None if data.task != "numbers" else False}
    model = data.model(expected.normalization)
    model.fit(**data.arrays, **options)
    del options["batch_size"]
    batches = [batch for epoch in range(2) for batch in data.batches(order(len(x), seed, epoch), size)]
    for form in ({"x": batches, "epochs": 1}, {"x": iter(batches), "steps_per_epoch": len(batches) // 2}):
        streamed = data.model(expected.normalization)
        streamed.fit(**{**options, **form})
        assert_array_equal(streamed.parameters, model.parameters)


def test_a_memory_map_releases_its_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chainrule.data.sources.MAX_RESIDENT_BYTES", 1)
    for mode in ("r", "c", "r+"):
        np.save(tmp_path / "x.npy", X)
        mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
        expected = X.copy()
        if mode != "r":
            mapped[5], expected[5] = 7, 7  # a private change is kept
        source = MappedArray(mapped, mapped)
        for _ in range(2):
            assert_array_equal(source[:], expected)
        assert_array_equal(source[-85], expected[5])
        assert_array_equal(source.subset(np.array([5, 2]))[[1, 0]], expected[[2, 5]])


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


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
def test_positions_are_moved_in_streamed_images_and_resumed_runs(engine: str, tmp_path: Path) -> None:
    """Each engine is compared with moving every image and its positions by hand."""
    x, places = (
        np.random.default_rng(0).random((40, 1, 6, 6)).astype("f4"),
        np.random.default_rng(1).random((40, 4)) * 5,
    )
    augmentation = cr.Augmentation(turn=True, flip=True, shift=1, rotation=9.0, positions=True)
    np.save(tmp_path / "x.npy", x)

    def parameters(inputs: Any, targets: Any, augmentation: Any, **more: Any) -> np.ndarray:
        layers = [cr.Flatten(), cr.Dense(4)]
        model = cr.Sequential(layers, (1, 6, 6), engine=engine, threads=1, loss="mean_squared_error", seed=1)
        options: dict[str, Any] = {"batch_size": 40, "normalization": "none", "standardize_targets": False}
        options |= {"optimizer": "sgd", "seed": 0, "progress": False, **more}
        model.fit(inputs, targets, augmentation=augmentation, **options)
        return model.parameters

    whole = parameters(x, places, augmentation)
    assert_array_equal(parameters(np.load(tmp_path / "x.npy", mmap_mode="r"), places, augmentation), whole)
    for done, resume in ((1, False), (3, True)):
        resumed = parameters(x, places, augmentation, epochs=done, run=cr.Run(tmp_path / "run", resume=resume))
    assert_array_equal(resumed, parameters(x, places, augmentation, epochs=3))
    drawn = Draw(0, 0, np.arange(40))
    moved = augmentation.apply(x, drawn), augmentation.move_positions(places, drawn, (6, 6))
    assert_close(parameters(*moved, None), whole)


def test_epochs_of_iterables() -> None:
    assert_array_equal(trained([*batches()]), trained([*batches()] * 3, epochs=1, steps_per_epoch=3 * STEPS))
    assert_array_equal(trained([*batches()], steps_per_epoch=2, epochs=STEPS), trained([*batches()], epochs=2))
    assert_array_equal(trained(Loader(batches()), steps_per_epoch=2), trained([*batches()], steps_per_epoch=2))
    model = classifier()
    history = model.fit(X, Y, validation_data=Pairs(), progress=False)
    assert_close(history.epochs[-1].validation_loss, model.evaluate(X.astype(np.float32), Y).loss)


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


@pytest.mark.parametrize(
    ("data", "options", "error"),
    [
        (batches(), {}, OptionError),  # no length
        (batches(), {"steps_per_epoch": 0}, OptionError),
        (batches, {"steps_per_epoch": 2}, OptionError),  # a function
        (batches(), {"steps_per_epoch": STEPS}, DataError),  # ends after one epoch of three
        (iter(()), {"steps_per_epoch": 2}, DataError),
        ([], {}, DataError),
        ([(X[0], 1), (X[1], 2)], {"steps_per_epoch": 2}, OptionError),  # samples, not batches
        ([X, X], {}, DataError),
        (iter([(X,)]), {"steps_per_epoch": 1}, DataError),
        (Pairs(), {"class_weight": "balanced"}, OptionError),
        (Pairs(), {"sample_weight": np.ones(90)}, OptionError),
        (Pairs(), {"readers": -1}, OptionError),
        ([*batches()], {"validation_split": 0.5}, OptionError),
        (X, {}, DataError),
    ],
)
def test_unusable_data(data: Any, options: dict[str, Any], error: type[ChainruleError]) -> None:
    with pytest.raises(error):
        trained(data, **options)


@pytest.mark.parametrize(("kind", "stop"), [("folder", 4), ("pairs", 6), ("list", 9)])
def test_a_run_is_resumed_to_the_bit(folder: Path, tmp_path: Path, kind: str, stop: int) -> None:
    data = {"folder": folder, "pairs": Pairs(noisy=True), "list": [*batches()]}[kind]
    options: dict[str, Any] = {"epochs": 2}
    expected = trained(data, **options)
    trained(data, **options, run=cr.Run(tmp_path / "run", plots=False), callbacks=Halt(stop))
    run = cr.Run(tmp_path / "run", resume=True, plots=False)
    assert_array_equal(trained(data, **options, run=run), expected)
    if kind == "folder":
        with pytest.raises(DataError):
            trained(X, Y, **options, run=run)


def test_each_worker_reads_only_its_share(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    lazy, _ = cr.data.load(folder, lazy=True)
    model = classifier()
    samples = training_data(model, lazy, None, Reading())
    trainer = model.trainer(cr.Recipe(batch_size=BATCH), samples)
    monkeypatch.setattr(trainer.stepper, "rows", lambda size: slice(size // 2, size))  # as in the second of two
    read = list[int]()
    original = type(samples).read

    def recorded(self: Any, indices: Any, key: int = 0) -> Any:
        read.extend(indices.tolist())
        return original(self, indices, key)

    monkeypatch.setattr(type(samples), "read", recorded)
    trainer.loader.readers = 0
    sizes = [size for size, count, _ in trainer.loader.remaining(0, 0) for _ in range(count)]
    assert sum(sizes) == len(lazy)
    assert len(read) == len({*read}) == sum(size - size // 2 for size in sizes)
