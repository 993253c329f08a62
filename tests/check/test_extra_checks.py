"""Additional checks of code that is right at one point in one call."""

import numpy as np
import pytest
from check.programs import CASES, Case, planted
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr
from chainrule.check.results import FLOAT32_NOTE

OVERWRITTEN = ("self.x = x", "self.x = x.copy()"), ("return np.where(x > 0, x, 0)", "x[x < 0] = 0; return x")
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
    source=st.sampled_from([("layers", "Dense", "Dense(4)"), ("activations", "ReLU", "ReLU()")]),
    seed=st.integers(0, 10_000),
)
def test_a_gradient_that_is_wrong_for_one_kind_of_array_is_found(kind: str, source: tuple[str, ...], seed: int) -> None:
    class Particular(planted(*source[:2])):
        def backward(self, dy):
            return super().backward(dy) * (1 + KINDS[kind](self.x if kind[0] == "x" else dy))

    rows = cr.check_gradients(Particular, against=source[2], seed=seed).results
    assert "x" in {row.tensor for row in rows if row.is_wrong}


def test_an_overwritten_array_is_reported_beside_another_mistake() -> None:
    class Both(planted("activations", "ReLU", *OVERWRITTEN)):
        def backward(self, dy):
            return -super().backward(dy)

    rows = [result for result in cr.check_gradients(Both, against="ReLU()").results if result.is_wrong]
    assert [[diagnosis.name for diagnosis in row.diagnoses] for row in rows] == [["sign"], ["arrays-overwritten"]]


@pytest.mark.parametrize("case", [case for case in CASES["planted"] if case.changes and not case.code], ids=str)
def test_float32_is_noted(case: Case) -> None:
    noted = any(FLOAT32_NOTE in result.notes for result in case.report().results)
    assert noted == ("float32" in str(case.changes))


@pytest.mark.parametrize("returned", [5, 10, 10**6])
def test_a_gradient_that_is_missing_in_later_calls_is_wrong(returned: int) -> None:
    """Report it as a mistake once the checks of dx have begun, never as a defect of the checker."""
    left = iter(range(returned))

    class Forgetful(planted("layers", "Dense")):
        def backward(self, dy):
            dx = super().backward(dy)
            return dx if next(left, None) is not None else None

    assert cr.check_gradients(Forgetful, against="Dense(4)").ok == (returned == 10**6)
