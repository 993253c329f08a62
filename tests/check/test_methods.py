"""The methods on functions whose derivatives are known by hand."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numerical import assert_close
from selection import draws

from chainrule.check import comparison, derivatives
from chainrule.check.derivatives import slopes_at_ties
from chainrule.check.differences import DirectionalDerivatives
from chainrule.engines.protocol import Array

GENERATOR = np.random.default_rng(0)
MATRIX = GENERATOR.normal(size=(5, 6))
V, DY = GENERATOR.normal(size=6), GENERATOR.normal(size=5)


def derive(f, v: Array = V, dy: Array = DY, **options: object) -> derivatives.Derivative:
    return derivatives.derive(f, v, dy, np.random.default_rng(1), **options)  # pyright: ignore


@pytest.mark.parametrize(
    ("f", "gradient"),
    [
        (lambda x: MATRIX @ x + 7, MATRIX.T @ DY),
        (lambda x: MATRIX @ np.sin(x), np.cos(V) * (MATRIX.T @ DY)),
        (lambda x: MATRIX @ np.exp(3 * x), 3 * np.exp(3 * V) * (MATRIX.T @ DY)),
        (lambda x: MATRIX @ np.abs(x), np.sign(V) * (MATRIX.T @ DY)),
    ],
)
def test_differences_are_as_accurate_as_their_tolerance(f, gradient: Array) -> None:
    derivative = derive(f)
    scale = np.abs(gradient).max()
    assert_close(derivative.gradient / scale, gradient / scale, error=derivative.tolerance / 10)
    for u, slope in derivative.directions:
        assert abs(slope.value - gradient @ u) <= derivative.tolerance / 10 * scale * np.linalg.norm(u)


def test_the_number_of_entries_is_limited() -> None:
    derivative = derive(lambda x: MATRIX @ x, limit=4)
    assert len(derivative.indices) == 4
    assert len(derivative.directions) == derivatives.DIRECTIONS
    assert_close(derivative.gradient, (MATRIX.T @ DY)[derivative.indices], error=1e-8)


@pytest.mark.parametrize(
    ("f", "single"),
    [
        (lambda x: MATRIX @ x, False),
        (lambda x: np.exp(MATRIX @ x), False),
        (lambda x: np.maximum(MATRIX @ x, 0), False),
        (lambda x: (MATRIX @ x).astype(np.float32), True),
        (lambda x: np.tanh(MATRIX.astype(np.float32) @ x.astype(np.float32)).astype(np.float64), True),
    ],
)
def test_float32_is_recognised_by_its_rounding(f, single: bool) -> None:
    noise = comparison.noise(f, V, np.random.default_rng(2))
    assert (1e-9 < noise < 1e-6) if single else noise == 0


@settings(max_examples=draws(20))
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 4000),
    single=st.booleans(),
    knots=st.lists(st.floats(-2, 2), min_size=1, max_size=4),
)
@example(seed=6720, size=8, single=True, knots=[0.5])  # the kink is just within the narrow step
def test_kinks_anywhere_are_stepped_round(seed: int, size: int, single: bool, knots: list[float]) -> None:
    """Use piecewise linear functions with known slopes: along any direction the derivative lies within its bar."""
    generator = np.random.default_rng(seed)
    v, dy, u = generator.normal(size=(3, size))
    slopes = generator.normal(size=len(knots))
    dtype = np.float32 if single else np.float64

    def f(x: Array) -> Array:
        return sum(slope * np.abs(x.astype(dtype) - dtype(knot)) for slope, knot in zip(slopes, knots, strict=True))

    largest = sum(abs(slope) * np.abs(v - knot).max() for slope, knot in zip(slopes, knots, strict=True))
    noise = 6e-8 * largest / np.abs(f(v)).max() if single else 0.0  # terms that cancel have larger rounding errors
    slope = DirectionalDerivatives(f, v, dy, noise, 1.0).along(u)
    right = sum(slope * np.sign(v - knot) for slope, knot in zip(slopes, knots, strict=True))
    allowed = (
        (2e-4 if single else 1e-7) * np.linalg.norm(u) * np.abs(slopes).sum() + slope.error_bound + slope.kink_width
    )
    assert abs(slope.value - float(np.sum(dy * right * u))) <= allowed
    assert slope.error_bound + slope.kink_width < 0.2 * np.linalg.norm(u) * np.abs(slopes).sum() + 0.1


@pytest.mark.parametrize(
    ("dx", "right"), [([3, 0], True), ([0, 3], True), ([1, 2], True), ([3, 3], False), ([4, -1], False)]
)
def test_ties_of_a_maximum_may_be_shared(dx: list[float], right: bool) -> None:
    def maximum(x: Array) -> Array:
        return x.max(keepdims=True)

    slopes = slopes_at_ties(maximum, np.ones(2), np.array([3.0]), np.array(dx, float), np.random.default_rng(0))
    assert (max(slope.excess for slope in slopes) < 1e-9) == right
