"""Every planted mistake is found, named, and distinguished from every other."""

from pathlib import Path

import numpy as np
import pytest
from check import planted_convolution, planted_layers
from check.homework_files import MISTAKES, module, sampled
from check.planted import PLANTED
from check.planting import CORRECT
from numerical import assert_close

import chainrule as cr
from chainrule.check import probes
from chainrule.check.diagnoses import CATALOGUES, general, layer_truth, mistakes_for
from chainrule.check.report import ROUNDED
from chainrule.check.subjects import LayerSubject
from chainrule.layers import Layer

ROOT = Path(__file__).parents[2]
FOREIGN = ("gradient-of-another-layer",)  # of a gradient that is right for the layer that forward should be


def names(case: tuple) -> str:
    return " ".join((case[0].__name__, *case[2:]))


@pytest.mark.parametrize("case", sampled([(case,) for case in CORRECT], 3), ids=names)
def test_what_they_are_made_from_is_right(case: tuple) -> None:
    source, against = case
    report = cr.check_gradients(source, against=against)
    assert report.ok, str(report)


@pytest.mark.parametrize("case", sampled([(case,) for case in PLANTED], 15), ids=names)
def test_a_planted_mistake_is_named(case: tuple) -> None:
    source, against, tensor, name = case
    report = cr.check_gradients(source, against=against)
    wrong = {row.tensor: tuple(one.name for one in row.diagnoses) for row in report.rows if not row.ok}
    assert wrong.pop(tensor) == (name,), str(report)
    assert all(found == FOREIGN for found in wrong.values()), str(report)


@pytest.mark.parametrize("operation", CATALOGUES)
def test_every_diagnosis_is_a_sentence_with_its_tensor_before_it(operation: str) -> None:
    for tensor in ("x", "w", "b", "y", "p", "gamma", "beta"):
        for one in mistakes_for(operation, tensor):
            assert one.diagnosis.message[0].islower(), one
            assert not one.diagnosis.message.endswith("."), one
            assert one.diagnosis.page == "" or (ROOT / one.diagnosis.page.partition("#")[0]).is_file(), one


def test_every_kind_of_mistake_in_the_catalogues_was_planted() -> None:
    planted = {name for *_, name in PLANTED} | {mistake.diagnosis for mistake in MISTAKES}
    written = {one.diagnosis.name for mistakes in CATALOGUES.values() for one in mistakes}
    written |= {one.diagnosis.name for one in (*general.mistakes("w"), *general.vague("w"))}
    assert written - {"ties-all-credited", ROUNDED} <= planted  # notes, not mistakes


@pytest.mark.parametrize(("layer", "shape"), probes.LAYERS, ids=lambda value: getattr(value, "kind", None))
def test_every_mistake_can_be_made_with_every_layer(layer: Layer, shape: tuple[int, ...]) -> None:
    """Combine them with every layer, also with those not used by our probes: no combination is skipped."""
    subject = LayerSubject(layer, shape, engine="numpy")
    values = probes.draw_values(shape, subject.parameters, 3, seed=1)
    truth = layer_truth(subject, values, np.ones((3, *subject.output_shape)))
    for tensor in ("y", *subject.tensors):
        for mistake in mistakes_for(truth.operation, tensor):
            results = mistake.results(truth)
            assert len(results) == len([*mistake.build(truth)])
            assert all(np.isfinite(candidate).all() for candidate in results), mistake


# ---------------------------------------------------------------------- beyond the catalogue


class Odd(planted_convolution.Plain):
    """A mistake outside the classic list."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.dw = self.dw * 1.001
        return dx + np.roll(dx, 1, axis=3)


def test_what_is_none_of_them_is_still_wrong() -> None:
    report = cr.check_gradients(Odd, against=planted_convolution.PLAIN)
    wrong = {row.tensor: row for row in report.rows if not row.ok}
    assert set(wrong) == {"x", "w"}
    assert all(row.diagnoses == () and row.worst for row in wrong.values())
    assert_close(wrong["w"].error, 0.001, error=1e-12)


SHORTCUT = """
import numpy as np

class Block:
    def __init__(self, dim=6):
        self.W = np.random.randn(dim, dim)

    def forward(self, x):
        self.x, self.h = x, x @ self.W
        return {y}

    def backward(self, dy):
        dh = dy * (self.h > 0)
        self.dW = self.x.T @ dh
        return {dx}
"""


@pytest.mark.parametrize(
    ("y", "dx", "name"),
    [
        ("x + np.maximum(self.h, 0)", "dy + dh @ self.W.T", None),
        ("x + np.maximum(self.h, 0)", "dh @ self.W.T", "shortcut-left-out"),
        ("np.maximum(self.h, 0)", "dy + dh @ self.W.T", "shortcut-missing"),
        ("x + np.maximum(self.h, 0)", "dy", "branch-left-out"),
        ("x + np.maximum(self.h, 0)", "dy + dh @ self.W", ""),
    ],
)
def test_a_missing_shortcut_is_named(y: str, dx: str, name: str | None) -> None:
    report = cr.check_gradients(module(SHORTCUT.format(y=y, dx=dx)).Block, seed=len(dx))
    (row,) = (row for row in report.rows if row.tensor == "x")
    assert row.is_wrong == (name is not None), str(report)
    assert [diagnosis.name for diagnosis in row.diagnoses] == ([name] if name else [])


class TwiceAverage(planted_layers.AveragePool):
    """A window of two cells: leaving out 1/k² gives twice the right answer for every probe."""

    window = stride = (2, 1)

    def backward(self, dy):
        return 2 * super().backward(dy)


def test_two_that_are_the_same_are_both_named() -> None:
    report = cr.check_gradients(TwiceAverage, against="AveragePool2D((2, 1))")
    (row,) = (row for row in report.rows if not row.ok)
    assert {one.name for one in row.diagnoses} == {"average-not-divided", "gradient-doubled"}
