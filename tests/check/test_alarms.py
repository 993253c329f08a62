"""Verdicts on code with many kinks are right for drawn sizes, seeds and dtypes.

`make alarms` draws more; CHAINRULE_DRAWS multiplies the number.
"""

from typing import Any

import numpy as np
import pytest
from check.programs import CASES, module, planted
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr

COUNT = draws(6)
SEEDS = st.integers(0, 10**6)
SHAPES = st.one_of(
    st.tuples(st.integers(1, 6), st.integers(2, 12), st.integers(2, 12)),
    st.tuples(st.integers(1, 3), st.integers(2, 20), st.integers(2, 20)),
    st.just((6, 20, 20)),  # hundreds of entries lie within one difference step of a kink in float32
)
RIGHT: dict[str, Any] = {
    "MaxPool": planted("layers", "MaxPool", ("(3, 2), (2, 1)", "(2, 2), (2, 2)")),
    "Hidden": planted("layers", "Hidden"),
    **{
        case.subject: getattr(module(case.text), case.subject)
        for case in CASES["short"]
        if case.subject in ("SoftShrink", "HardSwish", "Wave")
    },
}
WRONG = {  # a changed gradient, of the right one and x
    "two per cent": lambda dx, x: 1.02 * dx,
    "the first sample only": lambda dx, x: np.concatenate([dx[:1], 0 * dx[1:]]),
    "a column to the right": lambda dx, x: np.roll(dx, 1, axis=-1),
    "above one": lambda dx, x: dx * np.where(x > 1, 1.5, 1),
}


def kinked(kind: str, dtype: str, mistake: str = "") -> type:
    """Return a class that computes in a dtype without imaginary parts, with or without a mistake."""

    class Kinked(RIGHT[kind]):
        def forward(self, x):
            return super().forward(np.real(x).astype(dtype))

        def backward(self, dy):
            dx = super().backward(dy.astype(dtype))
            return WRONG[mistake](dx, self.x) if mistake else dx

    Kinked.__name__ = "Mistaken" if mistake else kind
    return Kinked


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", RIGHT)
def test_right_code_is_right(kind: str, dtype: str) -> None:
    @seed(0)
    @settings(max_examples=max(COUNT // 10, 1), database=None)
    @example((1, 2, 2), 322)  # Hidden: one kink lies within the wide step of several outputs
    @example((3, 5, 6), 45)  # Wave: an output changes by less than rounding, and not at all with a smaller step
    @given(shape=SHAPES, number=SEEDS)
    def drawn(shape: tuple[int, ...], number: int) -> None:
        report = cr.check_gradients(kinked(kind, dtype), input_shape=shape, seed=number)
        assert report.exit_code in (0, 3), f"{shape} {number}\n{report}"  # the layer may be unknown

    drawn()


@seed(1)
@settings(max_examples=COUNT, database=None)
@given(
    kind=st.sampled_from([*RIGHT]),
    mistake=st.sampled_from([*WRONG]),
    dtype=st.sampled_from(["float32", "float64"]),
    shape=SHAPES,
    number=SEEDS,
)
def test_a_mistake_is_found_among_kinks(
    kind: str, mistake: str, dtype: str, shape: tuple[int, ...], number: int
) -> None:
    report = cr.check_gradients(kinked(kind, dtype, mistake), input_shape=shape, seed=number)
    assert report.exit_code == 1, f"{kind} {mistake} {dtype} {shape} {number}\n{report}"
