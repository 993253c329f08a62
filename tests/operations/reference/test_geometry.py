"""Padding and cropping of NaN and infinities, and resampling along lines; see test_oracles.py, too."""

import numpy as np
import pytest
from numerical import assert_close, frozen

from chainrule.operations.reference.geometry import crop, pad, resample


@pytest.mark.parametrize("operation", [pad, crop])
def test_nan_and_infinity_stay_where_they_are(operation):
    x = frozen(np.array([[np.nan, 1, -np.inf, np.inf]]))
    y = operation(x, before=(1,), after=(0,))
    np.testing.assert_array_equal(y[0, -3:], [1, -np.inf, np.inf])
    assert np.isnan(y).any() == (operation is pad)


def line(*cells: float) -> np.ndarray:
    return frozen(np.array(cells, float)[None, None, None])


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
    actual = resample(line(10, 20, 30, 40), outputs=(1, len(y)), mode=mode, lines=((1, 0, 1), columns))
    assert_close(actual[0, 0, 0], y)
