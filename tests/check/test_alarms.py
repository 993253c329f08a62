"""Verdicts on code with many kinks are right for drawn sizes, seeds and dtypes.

`make alarms` draws more; CHAINRULE_DRAWS multiplies the number.
"""

import numpy as np
import pytest
from check.kinked import CONSTANTS, MISTAKES, RIGHT, in_dtype
from check.unusual import UNUSUAL
from hypothesis import given, seed, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr

COUNT = draws(6)
SEEDS = st.integers(0, 10**6)
SHAPES = st.one_of(
    st.tuples(st.integers(1, 6), st.integers(2, 12), st.integers(2, 12)),
    st.tuples(st.integers(1, 3), st.integers(2, 20), st.integers(2, 20)),
    st.just((6, 20, 20)),
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", RIGHT, ids=lambda kind: kind.__name__)
def test_right_code_is_right(kind: type, dtype: str) -> None:
    @seed(0)
    @settings(max_examples=max(COUNT // 10, 1), database=None)
    @given(shape=SHAPES, number=SEEDS)
    def drawn(shape: tuple[int, ...], number: int) -> None:
        given = CONSTANTS.get(kind, ())
        report = cr.check_gradients(in_dtype(kind, dtype), input_shape=shape, seed=number, constants=given)
        assert report.exit_code in (0, 3), f"{shape} {number}\n{report}"  # the layer may be unknown

    drawn()


@seed(1)
@settings(max_examples=COUNT, database=None)
@given(
    kind=st.sampled_from(RIGHT),
    mistake=st.sampled_from(MISTAKES),
    dtype=st.sampled_from(["float32", "float64"]),
    shape=SHAPES,
    number=SEEDS,
)
def test_a_mistake_is_found_among_kinks(kind: type, mistake, dtype: str, shape: tuple[int, ...], number: int) -> None:
    source = mistake(in_dtype(kind, dtype))
    x = cr.check_gradients(source, input_shape=shape, seed=number)
    assert x.exit_code == 1, f"{kind.__name__} {dtype} {shape} {number}\n{x}"


@seed(2)
@settings(max_examples=COUNT, database=None)
@given(case=st.sampled_from(UNUSUAL), number=SEEDS)
def test_unusual_code_is_right_for_any_seed(case: tuple, number: int) -> None:
    source, against, shape = case
    report = cr.check_gradients(source, against=against, input_shape=shape, seed=number)
    assert report.exit_code in ((0,) if against else (0, 3)), f"{source.__name__} {number}\n{report}"


def test_the_kinks_are_there() -> None:
    """Verify that at 6×20×20 hundreds of entries lie within one difference step in float32."""
    x = np.random.default_rng(0).normal(size=(2, 6, 20, 20))
    assert (np.abs(x) < 0.06).sum() > 200
