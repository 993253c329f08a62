"""Additional checks of code that is right at one point in one call; correct code passes all of them."""

import re
from pathlib import Path

import numpy as np
import pytest
from check import planted_conduct
from check.planted_conduct import CONDUCT, misbehaving
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr
from chainrule.check import derivatives
from chainrule.check.report import Report
from chainrule.check.rows import REFERENCE_LOOPS

RIGHT = [(planted_conduct.Dense, "Dense(4)"), (planted_conduct.ReLU, "ReLU()")]
PAGE = (Path(__file__).parents[2] / "docs" / "checking.md").read_text(encoding="utf-8")


def found(report: Report) -> dict[str, tuple[str, ...]]:
    return {row.tensor: tuple(one.name for one in row.diagnoses) for row in report.rows if row.is_wrong}


@pytest.mark.parametrize("case", CONDUCT, ids=lambda case: " ".join(map(str, (case[0].__name__, *case[3:]))))
def test_a_planted_mistake_is_found_by_a_look_that_is_on_the_page(case: tuple) -> None:
    source, against, shape, tensor, name = case
    report = cr.check_gradients(source, against=against, input_shape=shape)
    wrong = found(report)
    assert report.exit_code == 1
    assert tensor in wrong, str(report)
    assert name is None or set(wrong.values()) == {(name,)}, str(report)
    looks = {row.method.rpartition(", ")[2] for row in report.rows if row.is_wrong}
    looks = {re.sub(r"batch of \d+", "batch of 1, batch of N", look) for look in looks}
    for look in looks - {*derivatives.TOLERANCES, "another call"}:
        assert look in PAGE or look.startswith(REFERENCE_LOOPS), look


@pytest.mark.parametrize(("source", "against"), RIGHT)
def test_what_they_are_made_from_is_right(source: type, against: str) -> None:
    assert cr.check_gradients(source, against=against).exit_code == 0
    assert cr.check_gradients(source).exit_code == 0


KINDS = {  # of arrays: dy, or x with a name of x
    "dy with one element": lambda dy: np.count_nonzero(dy) == 1,
    "dy with few elements": lambda dy: 1 < np.count_nonzero(dy) < 5,
    "dy constant": lambda dy: np.ptp(dy) == 0,
    "dy positive": lambda dy: (dy > 0).all(),
    "dy negative": lambda dy: (dy < 0).all(),
    "x with zeros": lambda x: (x == 0).any(),
    "x not negative": lambda x: (x >= 0).all(),
}


@settings(max_examples=draws(10))
@given(
    kind=st.sampled_from([*KINDS]),
    source=st.sampled_from(RIGHT),
    seed=st.integers(0, 10_000),
)
def test_a_gradient_that_is_wrong_for_one_kind_of_array_is_found(kind: str, source: tuple, seed: int) -> None:
    class Particular(source[0]):
        def backward(self, dy):
            return super().backward(dy) * (1 + KINDS[kind](self.x if kind[0] == "x" else dy))

    assert "x" in found(cr.check_gradients(Particular, against=source[1], seed=seed))


def test_a_remedy_is_named() -> None:
    report = str(cr.check_gradients(misbehaving(planted_conduct.Softmax, "y", "overflow"), against="Softmax()"))
    assert "y overflows for inputs around ±1,000" in report
    assert "of each row before taking eˣ" in report


def test_what_a_call_overwrites_is_told_beside_another_mistake() -> None:
    class Both(misbehaving(planted_conduct.ReLU, "y", "arrays-overwritten")):
        def backward(self, dy):
            return -super().backward(dy)

    rows = [row for row in cr.check_gradients(Both, against="ReLU()").rows if row.is_wrong]
    assert [[one.name for one in row.diagnoses] for row in rows] == [["sign"], ["arrays-overwritten"]]


@pytest.mark.parametrize("layer", ["Sigmoid()", "Softmax()", "GELU()", "Tanh()", "LeakyReLU(0.2)"])
def test_our_layers_far_from_zero(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from chainrule.engines.interpreter import ModuleEngine
    from chainrule.layers import expressions

    subject = expressions.layer(layer)
    assert cr.check_gradients(subject, engine="numpy").ok
    run = ModuleEngine.run

    def spoilt(self, called, arrays, attributes):
        results = run(self, called, arrays, attributes)
        far = self.name == "numpy" and called == layer.split("(")[0].lower().replace("relu", "_relu")
        return (np.where(np.abs(arrays[0]) > 8, 9.0, results[0]), *results[1:]) if far else results

    monkeypatch.setattr(ModuleEngine, "run", spoilt)
    assert not cr.check_gradients(subject, engine="numpy").ok
