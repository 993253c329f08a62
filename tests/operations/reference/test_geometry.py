"""Padding, cropping, permutation and resampling, worked by hand; ONNX has the same (test_oracles.py)."""

import numpy as np
import pytest
from numerical import frozen

from chainrule.operations.reference.geometry import crop, pad, permute, resample


def test_a_worked_example():
    x = frozen(np.array([[[1.0, 2], [3, 4]]]))
    padded = pad(x, before=(1, 0), after=(0, 2))
    np.testing.assert_array_equal(padded, [[[0, 0, 0, 0], [1, 2, 0, 0], [3, 4, 0, 0]]])
    np.testing.assert_array_equal(crop(padded, before=(2, 1), after=(0, 1)), [[[4, 0]]])


def test_channels_are_shuffled_by_a_permutation():
    """Two groups of three channels: one of each group in turn."""
    x = frozen(np.arange(6.0).reshape(1, 2, 3))
    np.testing.assert_array_equal(permute(x, axes=(1, 0)).reshape(-1), [0, 3, 1, 4, 2, 5])


@pytest.mark.parametrize("operation", [pad, crop])
def test_nan_and_infinity_stay_where_they_are(operation):
    x = frozen(np.array([[np.nan, 1, -np.inf, np.inf]]))
    y = operation(x, before=(1,), after=(0,))
    np.testing.assert_array_equal(y[0, -3:], [1, -np.inf, np.inf])
    assert np.isnan(y).any() == (operation is pad)


def line(*cells: float) -> np.ndarray:
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
    np.testing.assert_allclose(resample(line(*x), outputs=(1, len(y)), mode=mode)[0, 0, 0], y, rtol=1e-15)


@pytest.mark.parametrize(
    ("mode", "columns", "y"),
    [
        ("nearest", (2, 1, 1), (20, 40)),  # every second pixel
        ("nearest", (-1, 3, 1), (40, 30, 20, 10)),
        ("nearest", (0, 0, 1), (10, 10, 10)),
        ("nearest", (1, -2, 2), (10, 10, 10, 10, 20, 20, 30)),  # ⌊(i − 2)/2⌋, limited to the first pixel
        ("bilinear", (3, 0, 2), (10, 25, 40)),  # aligned corners
        ("bilinear", (2, 0, 3), (10, 50 / 3, 70 / 3, 30, 110 / 3, 40)),
    ],
)
def test_positions_along_a_line(mode, columns, y):
    found = resample(line(10, 20, 30, 40), outputs=(1, len(y)), mode=mode, lines=((1, 0, 1), columns))
    np.testing.assert_allclose(found[0, 0, 0], y, rtol=1e-14)
