"""What is given once is meant everywhere: labels, tasks, ranks, units and numbers have one reading."""

import copy
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws

import chainrule as cr
from chainrule.errors import ChainruleError, InputUnitWarning

N = 24
NAMES = {  # form of names: names of three classes, whether somebody chose them
    "numbers": (("0", "1", "2"), False),
    "words of labels": (("bee", "cat", "dog"), False),
    "numbers of labels": (("1", "2", "3"), False),
    "chosen words": (("cat", "ant", "bee"), True),
    "chosen words and a number": (("cat", "7", "1"), True),
    "chosen numbers": (("7", "3", "5"), True),
    "words of a data set": (("dog", "cat", "ant"), True),
    "numbers of a data set": (("3", "1", "8"), True),
}
WRITTEN = ("names", "list of names", "places", "small places", "floats", "column", "numbers of names", "truth")


def written(writing: str, places: np.ndarray, names: tuple[str, ...]) -> Any:
    """Return the labels of classes by their places, written in one of several ways."""
    match writing:
        case "names":
            return np.array(names)[places]
        case "list of names":
            return np.array(names)[places].tolist()
        case "small places":
            return places.astype(np.uint8)
        case "floats":
            return places.astype(np.float64)
        case "column":
            return places[:, None]
        case "numbers of names":
            return np.array([*map(int, names)])[places]
        case "truth":
            return places > 0
        case _:
            return places


def network(**options: Any) -> cr.Sequential:
    layers = [cr.Flatten(), cr.Dense(6), cr.Tanh(), cr.Dense(3), cr.Softmax()]
    return cr.Sequential(layers, (1, 2, 3), engine="numpy", dtype="float64", **options)


def data(seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    places = draw.permutation(np.arange(N) % 3)
    return (40 * places[:, None, None, None] + draw.integers(0, 99, (N, 1, 2, 3))).astype(np.uint8), places


def trained(form: str, x: np.ndarray, places: np.ndarray) -> cr.Sequential:
    """Train a network whose classes get their names in some way."""
    names, _ = NAMES[form]
    model = network(classes=names if form.startswith("chosen") else None)
    if form.endswith("data set"):
        model.fit(cr.Dataset(x, places, names), epochs=2, progress=False)
    else:
        y = places if form == "numbers" else np.array(names)[places]
        model.fit(x, y, epochs=2, progress=False)
    assert model.classes == names
    return model


def meaning(labels: Any, names: tuple[str, ...], *, chosen: bool) -> list[int] | None:
    """Return the places that labels mean by the documented rule, or None if they are refused."""
    are_numbers = all(map(str.isdecimal, names))
    are_places = names == ("0", "1", "2") or (chosen and not are_numbers)
    result = list[int]()
    for label in np.asarray(labels).reshape(-1).tolist():
        text = label if isinstance(label, str) else str(int(label))
        if are_places and not isinstance(label, str):
            result.append(int(label))
        elif text in names:
            result.append(names.index(text))
        else:
            return None
    return result if max(result) < len(names) else None


@pytest.mark.parametrize("form", NAMES)
@pytest.mark.parametrize("writing", WRITTEN)
def test_a_label_has_one_reading_at_every_entrance(form: str, writing: str, tmp_path: Path) -> None:
    """In targets, validation data, batches, class weights and arguments, also after saving; or it is refused there."""
    x, places = data(1)
    names, chosen = NAMES[form]
    if writing == "numbers of names" and not all(map(str.isdecimal, names)):
        return
    y = written(writing, places, names)
    expected = meaning(y, names, chosen=chosen)
    if writing == "truth" and expected is None and not (chosen or form == "numbers"):
        y = np.where(places > 0, names[1], names[0])  # booleans have no name here
        expected = meaning(y, names, chosen=chosen)
    model = trained(form, x, places)
    model.save(tmp_path / "model.safetensors")
    for net in (model, cr.load(tmp_path / "model.safetensors", engine="numpy")):
        if expected is None:
            with pytest.raises(ChainruleError):
                net.evaluate(x, y)
        else:
            right = net.predict(x).argmax(1) == expected
            assert net.evaluate(x, y).accuracy == pytest.approx(right.mean())
    if expected is not None:
        weighted, twin, label = trained(form, x, places), trained(form, x, places), np.asarray(y).reshape(-1)[0]
        key = label.item() if writing != "truth" else str(label)
        if meaning(key, names, chosen=chosen) == [expected[0]]:
            by_class = weighted.fit(x, y, class_weight={key: 3.0}, progress=False)
            by_sample = twin.fit(
                x, y, sample_weight=np.where(np.array(expected) == expected[0], 3.0, 1), progress=False
            )
            assert by_class.loss.tolist() == by_sample.loss.tolist()


@pytest.mark.parametrize("kind", ["integers", "bytes", "text", "booleans"])
@pytest.mark.parametrize("form", ["arrays", "steps"])
def test_labels_come_out_as_they_went_in(kind: str, form: str, tmp_path: Path) -> None:
    x, places = data(3)
    y = {
        "integers": places,
        "bytes": places.astype(np.uint8),
        "text": np.array(["ü", "a b", "7"])[places],
        "booleans": places > 0,
    }[kind]
    ending: list[Any] = [cr.Dense(1), cr.Sigmoid()] if kind == "booleans" else [cr.Dense(3), cr.Softmax()]
    classes = sorted({*y}) if kind == "text" else None  # a stream does not tell the names of later batches
    model = cr.Sequential([cr.Flatten(), *ending], (1, 2, 3), engine="numpy", classes=classes)
    if form == "steps":
        model.train_step(x, y)
    else:
        model.fit(x, y, epochs=3, progress=False)
    model.save(tmp_path / "model.safetensors")
    own = {type(label) for label in y.tolist()}
    for net in (model, cr.load(tmp_path / "model.safetensors", engine="numpy")):
        answers, evaluation = net.predict_classes(x), net.evaluate(x, y)
        assert {type(label) for label in answers.tolist()} == own
        assert (answers == y).mean() == pytest.approx(evaluation.accuracy)
        for mistake in evaluation.mistakes:
            assert (mistake.true, mistake.predicted) == (y[mistake.sample].item(), answers[mistake.sample].item())


def test_classes_with_one_name_are_refused() -> None:
    for names in (["a", "a", "b"], ["é", "e\u0301", "x"]):
        with pytest.raises(ChainruleError, match="different"):
            network(classes=names)


@settings(max_examples=draws(20), deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["Sigmoid", "Softmax", ""]), st.integers(2, 5))
def test_the_task_does_not_depend_on_the_order_of_the_samples(seed: int, ending: str, size: int) -> None:
    """In arrays, in batches that begin with rows of a single 1, and in steps."""
    draw = np.random.default_rng(seed)
    rows = (draw.random((N, 3)) < 0.4).astype(float)
    rows[:8] = np.eye(3)[draw.integers(0, 3, 8)]
    rows = rows if ending == "Sigmoid" else np.eye(3)[draw.integers(0, 3, N)]
    x, last = draw.normal(size=(N, 4)), {"Sigmoid": [cr.Sigmoid()], "Softmax": [cr.Softmax()], "": []}[ending]
    tasks = set[str]()
    for order in (np.arange(N), draw.permutation(N)):
        models = [cr.Sequential([cr.Dense(3), *last], (4,), engine="numpy") for _ in range(2)]
        batches = [(x[part], rows[part]) for part in np.array_split(order, size)]
        models[0].fit(x[order], rows[order], progress=False)
        for batch in batches:
            models[1].train_step(*batch)
        tasks |= {str(model.task and model.task.name) for model in models}
    assert tasks == {"multi-label" if ending == "Sigmoid" else "classification"}


@settings(max_examples=draws(30), deadline=None)
@given(st.integers(1, 3), st.lists(st.integers(2, 9), min_size=0, max_size=5) | st.just([5, 4]))
def test_a_wrong_rank_is_never_a_sample(channels: int, shape: list[int]) -> None:
    """A network for images of any size accepts samples, single samples, and gray images without their channel alone."""
    layers = [cr.Conv2D(2, 1), cr.GlobalAveragePool2D(), cr.Dense(2), cr.Softmax()]
    model = cr.Sequential(layers, (channels, 5, 4), engine="numpy")
    x = np.zeros(shape)
    are_samples = len(shape) == 4 and channels in (shape[1], shape[3])
    are_gray_samples = len(shape) == 3 and channels == 1
    is_sample = len(shape) == 3 and channels in (shape[0], shape[2])
    is_gray_sample = channels == 1 and shape == [5, 4]
    if are_samples or are_gray_samples:
        assert len(model.predict(x)) == len(model.evaluate(x, np.arange(shape[0]) % 2).outputs) == shape[0]
        return
    if is_sample or is_gray_sample:
        assert len(model.predict(x)) == 1
    else:
        with pytest.raises(ChainruleError):
            model.predict(x)
    with pytest.raises(ChainruleError):
        model.evaluate(x, np.zeros(1, int))


def test_another_unit_is_reported_at_every_entrance() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 256, (N, 1, 2, 3), dtype=np.uint8), np.arange(N) % 2
    model = cr.Sequential([cr.Flatten(), cr.Dense(1), cr.Sigmoid()], (1, 2, 3), engine="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(x, y, validation_data=(x, y), progress=False)
    fractions = x / 255
    for call, arguments in (
        (model.fit, (fractions, y)), (model.predict, (fractions,)), (model.evaluate, (fractions, y)),
        (model.train_step, (fractions, y)),
    ):  # fmt: skip
        with pytest.warns(InputUnitWarning):
            call(*arguments)
    with pytest.warns(InputUnitWarning):
        model.fit(x, y, validation_data=(fractions, y), progress=False)


def test_a_list_of_series_is_what_they_are_stacked() -> None:
    """Class weights of a list are those of its samples."""
    draw = np.random.default_rng(12)
    series, y = [*draw.normal(size=(N, 2, 12))], np.arange(N) % 3 % 2
    layers = [cr.Conv1D(3, 3), cr.Tanh(), cr.GlobalAveragePool1D(), cr.Dense(2), cr.Softmax()]
    model, twin = (cr.Sequential(layers, (2, 12), engine="numpy", dtype="float64") for _ in range(2))
    options: dict[str, Any] = {"epochs": 2, "batch_size": 5, "validation_split": 0.3, "progress": False}
    history = model.fit(series, y, class_weight={1: 2.0}, **options)
    expected = twin.fit(np.stack(series), y, sample_weight=np.where(y == 1, 2.0, 1), **options)
    assert_close(history.losses, expected.losses, dtype=float)
    assert_close(model.predict(series), twin.predict(np.stack(series)))
    assert_close(model.evaluate(series, y).loss, twin.evaluate(np.stack(series), y).loss, dtype=float)


def test_labels_of_many_classes_take_little_memory() -> None:
    """The one-hot rows of all samples would take 160 MB."""
    x, y = np.arange(20_000 * 2, dtype=np.float32).reshape(-1, 2) % 7, np.arange(20_000) % 1_000
    model = cr.Sequential([cr.Dense(1_000), cr.Softmax()], (2,), engine="numpy", threads=1)
    tracemalloc.start()
    model.fit(x, y, batch_size=2_000, class_weight="balanced", progress=False)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 80e6


ROWS = np.random.default_rng(8).normal(size=(24, 4))
MEANT: dict[str, tuple[Any, str]] = {  # targets after a linear layer, and the loss or a part of the question
    "real rows": (ROWS[:, :3] * 40 + 7, "mean_squared_error"),
    "whole rows": (np.rint(ROWS[:, :3] * 9), "mean_squared_error"),
    "labels": (np.arange(24) % 3, "softmax_cross_entropy"),
    "one-hot rows": (np.eye(3)[np.arange(24) % 3], "softmax_cross_entropy"),
    "several labels": ((ROWS[:, :3] > 0).astype(float), "rows of 0 and 1"),
    "shares": (np.exp(ROWS[:, :3]) / np.exp(ROWS[:, :3]).sum(1, keepdims=True), "sum to 1"),
}


@pytest.mark.parametrize("targets", MEANT)
@pytest.mark.parametrize("method", ["fit", "evaluate", "train_step", "gradients", "find_learning_rate"])
def test_targets_choose_the_loss_that_a_linear_layer_allows(method: str, targets: str) -> None:
    y, expected = MEANT[targets]
    plain = cr.Sequential([cr.Dense(3)], (4,), engine="numpy")
    chosen = copy.deepcopy(plain)
    options = {"progress": False} if method == "fit" else {}
    if " " in expected:
        with pytest.raises(cr.OptionError, match=expected):
            getattr(plain, method)(ROWS, y, **options)
        return
    results = [
        getattr(plain, method)(ROWS, y, **options),
        getattr(chosen, method)(ROWS, y, loss=expected, **options),
    ]
    for name in ("loss", "losses"):
        values = [getattr(result, name, 0.0) for result in results]
        np.testing.assert_array_equal(*values)
    np.testing.assert_array_equal(plain.predict(ROWS), chosen.predict(ROWS))
    if method == "evaluate" and expected == "mean_squared_error":
        np.testing.assert_allclose(results[0].loss, ((plain.predict(ROWS) - y) ** 2).mean(), rtol=1e-5)


def test_targets_choose_the_loss_of_each_output() -> None:
    y = {"kind": np.arange(24) % 3, "size": ROWS[:, :3] * 40 + 7}
    source = cr.Input((4,))
    plain = cr.Graph(source, {name: cr.Dense(3)(source) for name in y}, engine="numpy")
    chosen = copy.deepcopy(plain)
    chosen.fit(ROWS, y, loss={"kind": "softmax_cross_entropy", "size": "mean_squared_error"}, progress=False)
    plain.fit(ROWS, tuple(y.values()), progress=False)
    np.testing.assert_array_equal(plain.parameters, chosen.parameters)
    new = cr.Graph(source, {name: cr.Dense(1)(source) for name in "ab"}, engine="numpy")
    with pytest.raises(cr.OptionError, match="targets of b are booleans"):
        new.fit(ROWS, {"a": ROWS[:, 0], "b": ROWS[:, 0] > 0}, progress=False)
