"""Resampling: worked by hand, by NumPy's interpolation, and gradients."""

import numpy as np
import pytest
from engines.operation_cases import CASES, Case
from hypothesis import given, settings
from numerical import assert_gradient, frozen, normals

from chainrule.operations.reference.geometry import resample, resample_dx
from chainrule.operations.reference.pooling import average_pool

sweep = settings(max_examples=60, derandomize=True)
MODES = ("average", "nearest", "bilinear")


def row(*cells: float) -> np.ndarray:
    return frozen(np.array(cells, float)[None, None, None])


@pytest.mark.parametrize(
    ("mode", "x", "y"),
    [
        ("average", (1, 2, 3, 4, 5), (2, 4)),  # windows 0–2 and 2–4 share a cell
        ("average", (1, 2, 3), (1, 1.5, 2.5, 3)),  # more outputs than cells
        ("nearest", (1, 2), (1, 1, 1, 2, 2, 2)),
        ("bilinear", (0, 4), (0, 1, 3, 4)),
        ("bilinear", (0, 6, 3), (0, 1.5, 4.5, 5.25, 3.75, 3)),
        ("bilinear", (5,), (5, 5)),
    ],
)
def test_lines_worked_by_hand(mode, x, y):
    np.testing.assert_allclose(resample(row(*x), outputs=(1, len(y)), mode=mode)[0, 0, 0], y, rtol=1e-15)


def test_bilinear_is_numpys_interpolation():
    (x,) = normals(1, (2, 3, 4, 5))
    y = resample(x, outputs=(12, 10), mode="bilinear")
    rows = (np.arange(12) + 0.5) / 3 - 0.5
    columns = (np.arange(10) + 0.5) / 2 - 0.5
    for n, c in np.ndindex(2, 3):
        high = np.array([np.interp(rows, range(4), column) for column in x[n, c].T]).T
        expected = np.array([np.interp(columns, range(5), row) for row in high])
        np.testing.assert_allclose(y[n, c], expected, atol=1e-14)


def test_nearest_repeats_and_equal_windows_are_pooled():
    (x,) = normals(2, (2, 3, 4, 6))
    np.testing.assert_array_equal(resample(x, outputs=(8, 18), mode="nearest"), x.repeat(2, axis=2).repeat(3, axis=3))
    pooled = average_pool(x, window=(2, 3))
    np.testing.assert_allclose(resample(x, outputs=(2, 2), mode="average"), pooled, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize(
    ("mode", "line", "y"),
    [
        ("nearest", (2, 1, 1), (20, 40)),  # every second pixel
        ("nearest", (-1, 3, 1), (40, 30, 20, 10)),
        ("nearest", (0, 0, 1), (10, 10, 10)),
        ("nearest", (1, -2, 2), (10, 10, 10, 10, 20, 20, 30)),  # ⌊(i − 2)/2⌋, limited to the first pixel
        ("bilinear", (3, 0, 2), (10, 25, 40)),  # aligned corners
        ("bilinear", (2, 0, 3), (10, 50 / 3, 70 / 3, 30, 110 / 3, 40)),
    ],
)
def test_positions_along_a_line(mode, line, y):
    found = resample(row(10, 20, 30, 40), outputs=(1, len(y)), mode=mode, lines=((1, 0, 1), line))
    np.testing.assert_allclose(found[0, 0, 0], y, rtol=1e-14)


@sweep
@given(CASES["resample"])
def test_the_gradient_is_the_transpose_and_weights_sum_to_one(case: Case):
    """⟨A x, dy⟩ = ⟨x, Aᵀ dy⟩, and a constant image stays constant."""
    (x,), options = case.arrays, case.attributes
    y = resample(x, **options)
    (dy,) = normals(3, y.shape)
    dx = resample_dx(dy, size=x.shape[2:], **{name: value for name, value in options.items() if name != "outputs"})
    np.testing.assert_allclose(np.vdot(y, dy), np.vdot(x, dx), rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(resample(np.ones_like(x), **options), np.ones_like(y), rtol=1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_gradient(mode):
    x, dy = normals(4, (2, 2, 3, 4), (2, 2, 6, 8))
    dx = resample_dx(dy, size=(3, 4), mode=mode)
    assert_gradient(lambda x: resample(x, outputs=(6, 8), mode=mode), x, dy, dx)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
@pytest.mark.parametrize("mode", MODES)
def test_dtype_stays(mode, dtype):
    (x,) = normals(5, (1, 2, 3, 4), dtype=dtype)
    assert resample(x, outputs=(6, 8), mode=mode).dtype == dtype
    assert resample_dx(x, size=(2, 2), mode=mode).dtype == dtype
