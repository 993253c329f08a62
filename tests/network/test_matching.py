"""Results do not depend on the order or the number of the classes of a data set: classes are matched by name."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data.trees import mask_folder
from numpy.testing import assert_allclose, assert_array_equal

import chainrule as cr
from chainrule.data import Dataset, load_test
from chainrule.errors import DataError
from chainrule.network.labels import Labels
from chainrule.network.matching import matched
from chainrule.runs.folder import EVALUATION

NAMES = ("cat", "ant", "7", "bee", "Dog", "1")
KINDS = ("labels", "pixels", "mask files", "columns")


def network(kind: str, classes: Any = None) -> Any:
    head = [cr.Conv2D(6, 1)] if kind in ("pixels", "mask files") else [cr.Flatten(), cr.Dense(6)]
    layers = [cr.Conv2D(3, 3, padding="same"), cr.ReLU(), *head]
    last = cr.Sigmoid() if kind.endswith("columns") else cr.Softmax()
    return cr.Sequential([*layers, last], (1, 4, 5), classes=classes, engine="numpy")


def data(kind: str, generator: np.random.Generator) -> Dataset:
    """Draw a data set with the classes `NAMES`."""
    x = generator.integers(0, 256, (36, 1, 4, 5), dtype=np.uint8)
    y = generator.permutation(np.arange(36) % 6)
    if kind.endswith("columns"):
        return Dataset(x, (generator.random((36, 6)) < 0.5).astype(np.float64), NAMES)
    if kind == "labels":
        return Dataset(x, y, NAMES)
    return Dataset(x, generator.integers(0, 6, (36, 4, 5)), NAMES)


def turned(part: Dataset, order: np.ndarray, kind: str, path: Path) -> Any:
    """Return the same data with the classes in another order; class order[k] becomes class k.

    path   folder for masks that are read when they are needed
    """
    names = tuple(part.classes[k] for k in order)
    y = part.y[:, order] if kind.endswith("columns") else np.argsort(order)[part.y]
    if kind != "mask files":
        return replace(part, y=y, classes=names)
    mask_folder(path, y, part.x[:, 0])
    (path / "classes.txt").write_text("\n".join(names))
    return load_test(path)


def figures(evaluation: Any) -> dict[str, float]:
    return {name: value for name, value in evaluation.to_json().items() if isinstance(value, float)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_result_depends_on_the_order_of_classes(kind: str, seed: int, tmp_path: Path) -> None:
    """Evaluate, validate, calibrate and continue a training with the same data in another order of the classes."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(6)
    part = data(kind, generator)
    other = turned(part, order, kind, tmp_path / "turned")
    expected, model = (network(kind) for _ in range(2))
    for net in (expected, model):
        net.fit(part, epochs=2, progress=False)
    assert figures(model.evaluate(other)) == pytest.approx(figures(model.evaluate(part)))
    losses = list[float]()
    for held, folder in ((part, tmp_path / "run"), (other, tmp_path / "other")):
        run = cr.Run(folder, test_data=held, plots=False)
        history = network(kind).fit(part, epochs=1, progress=False, validation_data=held, run=run)
        losses.append(float(history.epochs[-1].validation_loss or 0))
    assert losses[0] == pytest.approx(losses[1])
    assert (tmp_path / "run" / EVALUATION).read_text() == (tmp_path / "other" / EVALUATION).read_text()
    before = dict(model.weights)
    for net, trained in ((expected, part), (model, other)):
        net.fit(trained, epochs=1, progress=False, batch_size=6, seed=seed)
    assert model.classes == part.classes
    for name in before:
        assert_allclose(model.weights[name], expected.weights[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["labels", "pixels"])
def test_data_with_fewer_classes(kind: str) -> None:
    """Give data their own class numbers, in any order; only their names tell which classes of the model they are."""
    generator = np.random.default_rng(3)
    part, model = data(kind, generator), network(kind, NAMES)
    for count in (1, 4):
        order = generator.permutation(6)[:count]
        y = np.resize(np.arange(count), part.y.shape)
        few = Dataset(part.x, y, tuple(NAMES[k] for k in order))
        assert_array_equal(matched(few, Labels(NAMES, chosen=True)).y, order[y])
        assert figures(model.evaluate(few)) == pytest.approx(figures(model.evaluate(part.x, order[y])))


@pytest.mark.parametrize(("classes", "names", "rows"), [
    ("0 1 2", "cat ant bee", (0, 1, 2)),  # the network only numbers its classes
    ("cat ant bee", "0 1 2", (0, 1, 2)),  # the data do
    ("cat ant bee", "0 1", (0, 1)),  # labels up to 1
    ("0 1 2", "2 0", (2, 0)),
    ("0", "no yes", (0, 1)),  # one output
    ("1 2 3", "0 1 2", "'0'"),  # folders of digits, or numbers? nobody knows
    ("0 1 2", "cat ant", "'cat', 'ant'"),
    ("cat ant", "cat cow ant eel", "'cow', 'eel'"),
    ("cat ant", "0 1 2", "'0', '1', '2'"),
])  # fmt: skip
def test_numbers_are_no_names(classes: str, names: str, rows: Any) -> None:
    known, labels = tuple(classes.split()), np.arange(len(names.split()))
    part = Dataset(np.zeros((len(labels), 1, 2, 3), np.uint8), labels, tuple(names.split()))
    if isinstance(rows, str):
        with pytest.raises(DataError, match=rf"no class {rows}; it has: {', '.join(known)}"):
            matched(part, Labels(known, chosen=True))
    else:
        assert_array_equal(matched(part, Labels(known, chosen=True)).y, rows)


def test_names_that_a_trained_network_does_not_have() -> None:
    """Refuse them in every method; never rename a class."""
    generator = np.random.default_rng(5)
    part, model = data("labels", generator), network("labels", NAMES)
    other = replace(part, classes=("cow", *NAMES[1:5], "eel"))
    model.fit(part, epochs=1, progress=False)
    for use in (model.evaluate, model.fit):
        with pytest.raises(DataError, match="'cow', 'eel'"):
            use(other)
    with pytest.raises(DataError, match="'cow', 'eel'"):
        model.fit(part, validation_data=other)
    with pytest.raises(DataError, match="target '1' is missing"):
        model.evaluate(Dataset(part.x, generator.random((36, 5)), NAMES[:5]))
    with pytest.raises(DataError, match=r"'(cow|eel)' of sample \d+ is not a class"):
        model.evaluate(part.x, np.array(other.classes)[part.y])
    assert model.classes == NAMES
