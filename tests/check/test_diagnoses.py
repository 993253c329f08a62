"""The table of mistakes: every edit of the reference loops is possible, and changes a result of a layer or a loss."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from check.programs import planted

import chainrule as cr
from chainrule.check import random_inputs
from chainrule.check.diagnoses import edits, layer_truth, loss_truth
from chainrule.check.diagnoses.truth import GroundTruth, nearly_equal
from chainrule.check.library_functions import LibraryLayer, LibraryLoss, MulticlassHinge
from chainrule.layers import Layer
from chainrule.network import losses
from chainrule.operations import reference

OPERATIONS = [*reference.__all__, *(f"{MulticlassHinge.name}{ending}" for ending in ("", "_dp"))]
LAYERS = [  # options that the layers' own examples leave out
    *random_inputs.LAYERS,
    (cr.Conv2D(4, (3, 2), padding=((1, 0), (0, 2))), (3, 7, 6)),
    (cr.Conv2D(4, (3, 2), dilation=(2, 3), padding=((1, 1), (0, 0))), (3, 9, 8)),
    (cr.Conv2D(4, (3, 2), convolution=True), (3, 7, 6)),
    (cr.Conv2D(4, (3, 2), bias="untied"), (3, 7, 6)),
    (cr.Conv2D(3, 2, groups=3), (3, 5, 6)),
    (cr.MaxPool2D(2, padding=((1, 0), (0, 0))), (3, 6, 5)),
    (cr.MaxPool2D(3, stride=2), (3, 7, 9)),
    (cr.MaxPool2D((3, 2), stride=(2, 1)), (3, 7, 9)),
    (cr.AveragePool2D((3, 2), padding=((1, 0), (0, 0))), (3, 6, 5)),
    (cr.AveragePool2D(2, padding=((1, 0), (0, 0)), count_padding=True), (3, 6, 5)),
    (cr.Dense(5), (5,)),
    (cr.LeakyReLU(0.1), (3, 4)),
]


def truth_of(layer: Layer, shape: tuple[int, ...], seed: int = 0) -> GroundTruth:
    """Return the correct quantities of a layer for drawn values and a drawn upstream gradient."""
    subject = LibraryLayer(layer, shape, engine="reference")
    values = random_inputs.draw_values(shape, subject.parameters, 2, seed=seed)
    dy = np.random.default_rng(seed).normal(size=(2, *subject.output_shape))
    return layer_truth(subject, values, dy)


@cache
def truths() -> dict[str, list[GroundTruth]]:
    """Return the correct quantities of layers and losses by operation; of max pooling also with ties."""
    found = [truth_of(layer, shape) for layer, shape in LAYERS]
    tied = LibraryLayer(cr.MaxPool2D(2), (3, 4, 6), engine="reference")
    dy = np.random.default_rng(0).normal(size=(2, *tied.output_shape))
    found.append(layer_truth(tied, {"x": np.random.default_rng(0).integers(0, 3, (2, 3, 4, 6)) * 1.0}, dy))
    for name in losses.NAMES:
        values = random_inputs.draw_predictions(name, 0)
        found.append(loss_truth(LibraryLoss(name, engine="reference"), values, np.array(1.0)))
    values = random_inputs.draw_predictions(MulticlassHinge.name, 0, labels=True)
    found.append(loss_truth(MulticlassHinge(), values, np.array(1.0)))
    by_operation = defaultdict[str, list[GroundTruth]](list)
    for truth in found:
        for operation in truth.operations:
            by_operation[operation].append(truth)
    return by_operation


def changed(edit: edits.Edit, truth: GroundTruth) -> bool:
    """Return whether an edit changes one of its results."""
    for tensor in ("y", *truth.gradients):
        if edit.concerns(tensor):
            for result in edit.mistake(tensor).results(truth):
                if not nearly_equal(truth.expected(tensor), result, 1e-9):
                    return True
    return False


def ways() -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, operations and texts of every way to make a mistake."""
    for entry in edits.entries():
        for operations, texts in entry.items():
            if operations not in edits.DESCRIPTIONS:
                for way in texts:
                    yield entry["name"], operations, way


def makes(operation: str, name: str, way: list[str]) -> bool:
    """Return whether a way to make a mistake changes the loops of an operation, and thereby the result of a layer."""
    sources = [*edits.edited(operation, [way])]
    for edit in edits.listed(operation):
        if edit.diagnosis.name == name and edit.source in sources and edit.source != edits.source_of(operation):
            return any(changed(edit, truth) for truth in truths()[operation])
    return False


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("way", [*ways()], ids=lambda way: f"{way[0]}-{way[1][:30]}")
def test_every_row_changes_a_result(way: tuple[str, str, list[str]]) -> None:
    """A pattern stands for at least one operation, a list of names for all of them."""
    name, keys, texts = way
    for key in keys.split():
        made = [makes(operation, name, texts) for operation in OPERATIONS if edits.matches(operation, key)]
        assert any(made) if "*" in key else made == [True], key


@pytest.mark.parametrize("operation", OPERATIONS)
def test_small_edits_are_other_code(operation: str) -> None:
    loops = ast.dump(ast.parse(edits.source_of(operation)))
    for edit in edits.small_edits(operation):
        assert ast.dump(ast.parse(edit.source)) != loops, edit.diagnosis


def test_a_mistake_is_added_without_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row of the table, which doubles the largest input feature, names that mistake."""
    table = tmp_path / "mistakes.toml"
    table.write_text(
        '[[mistake]]\nname = "first-doubled"\nmessage = "counts the first feature twice"\n'
        'dense = [["w[o, c] * x[n, c]", "w[o, c] * x[n, c] * (2 if c == 0 else 1)"]]\n'
    )
    layer = planted("layers", "Dense", ("x @ self.W.T", "x @ self.W.T + x[:, :1] * self.W[:, 0]"))
    monkeypatch.setattr(edits, "TABLE", table)
    edits.entries.cache_clear()
    edits.listed.cache_clear()
    try:
        report = cr.check_gradients(layer, against="Dense(4)")
    finally:
        monkeypatch.undo()
        edits.entries.cache_clear()
        edits.listed.cache_clear()
    (result,) = (result for result in report.results if result.tensor == "y")
    assert [diagnosis.name for diagnosis in result.diagnoses] == ["first-doubled"]


@pytest.mark.parametrize("kernels", ["np.flip(self.w, 2)", "np.rot90(self.w, 2)", "np.flip(self.w)"])
def test_wrong_axes_are_named_without_an_entry(kernels: str) -> None:
    """The right code reverses the axes of rows and columns, and no other."""
    layer = planted("convolution", "FullCorrelation", ("self.w[:, :, ::-1, ::-1]", kernels))
    report = cr.check_gradients(layer, against="Conv2D(4, (3, 2))")
    (result,) = (result for result in report.results if result.tensor == "x")
    assert [diagnosis.name for diagnosis in result.diagnoses] == ["axis-reversed"]
