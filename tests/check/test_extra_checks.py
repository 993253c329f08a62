"""Additional checks of code that is right at one point in one call."""

import re
from pathlib import Path

import numpy as np
import pytest
from check.programs import CASES, Case, planted, sampled
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr
from chainrule.check import derivatives
from chainrule.check.rows import REFERENCE_LOOPS
from chainrule.engines.interpreter import ModuleEngine
from chainrule.layers import expressions

PAGE = (Path(__file__).parents[2] / "docs" / "checking.md").read_text(encoding="utf-8")
OVERWRITTEN = ("self.x = x", "self.x = x.copy()"), ("return np.where(x > 0, x, 0)", "x[x < 0] = 0; return x")
CONDUCT = [case for case in CASES["planted"] if case.file == "planted/conduct" and case.code == 1]


@pytest.mark.parametrize("case", sampled(CONDUCT, 3), ids=str)
def test_every_check_is_on_the_page(case: Case) -> None:
    checks = {row.method.rpartition(", ")[2] for row in case.report().rows if row.is_wrong}
    checks = {re.sub(r"batch of \d+", "batch of 1, batch of N", check) for check in checks}
    for check in checks - {*derivatives.TOLERANCES, "another call"}:
        assert check in PAGE or check.startswith(REFERENCE_LOOPS), check


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
    source=st.sampled_from([("Dense", "Dense(4)"), ("ReLU", "ReLU()")]),
    seed=st.integers(0, 10_000),
)
def test_a_gradient_that_is_wrong_for_one_kind_of_array_is_found(kind: str, source: tuple[str, str], seed: int) -> None:
    subject, against = source

    class Particular(planted("conduct", subject)):
        def backward(self, dy):
            return super().backward(dy) * (1 + KINDS[kind](self.x if kind[0] == "x" else dy))

    rows = cr.check_gradients(Particular, against=against, seed=seed).rows
    assert "x" in {row.tensor for row in rows if row.is_wrong}


def test_an_overwritten_array_is_reported_beside_another_mistake() -> None:
    class Both(planted("conduct", "ReLU", *OVERWRITTEN)):
        def backward(self, dy):
            return -super().backward(dy)

    rows = [row for row in cr.check_gradients(Both, against="ReLU()").rows if row.is_wrong]
    assert [[one.name for one in row.diagnoses] for row in rows] == [["sign"], ["arrays-overwritten"]]


@pytest.mark.parametrize("layer", ["Sigmoid()", "Softmax()", "GELU()", "Tanh()", "LeakyReLU(0.2)"])
def test_our_layers_far_from_zero(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, run = expressions.layer(layer), ModuleEngine.run
    assert cr.check_gradients(subject, engine="numpy").ok

    def spoilt(self, called, arrays, attributes):
        results = run(self, called, arrays, attributes)
        far = self.name == "numpy" and called == layer.split("(")[0].lower().replace("relu", "_relu")
        return (np.where(np.abs(arrays[0]) > 8, 9.0, results[0]), *results[1:]) if far else results

    monkeypatch.setattr(ModuleEngine, "run", spoilt)
    assert not cr.check_gradients(subject, engine="numpy").ok
