"""Equality to rounding, and clear inequality of a printed formula and the right one."""

from typing import Any

import numpy as np
from numerical import assert_close


def same(actual: Any, expected: Any) -> None:
    """Check equality up to rounding."""
    assert_close(actual, expected, 200)


def other(actual: Any, expected: Any) -> None:
    """Check that shapes differ, or values by far more than rounding."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    if actual.shape == expected.shape:
        assert np.abs(actual - expected).max() > 1e-3, "the printed formula gives the right numbers after all"


def plane(array: Any) -> Any:
    """Return (H, W) as a batch of one image with one channel, or one kernel: (1, 1, H, W)."""
    return np.asarray(array)[None, None]
