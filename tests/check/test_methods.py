"""The methods on functions whose derivatives are known by hand."""

import numpy as np
import pytest
from numerical import assert_close

from chainrule.check import derivatives
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
