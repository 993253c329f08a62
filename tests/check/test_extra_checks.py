"""Additional checks of code that is right at one point in one call."""

import numpy as np
from check.programs import planted
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr

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
    assert [[diagnosis.name for diagnosis in row.diagnoses] for row in rows] == [["sign"], ["arrays-overwritten"]]
