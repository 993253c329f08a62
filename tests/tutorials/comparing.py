"""Equality to rounding, and clear inequality of a printed formula and the right one."""

from typing import Any

import numpy as np
from numerical import assert_close


def same(found: Any, expected: Any) -> None:
    """Check equality up to rounding."""
    assert_close(found, expected, 200)


def other(found: Any, expected: Any) -> None:
    """Check that shapes differ, or values by far more than rounding."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape == expected.shape:
        assert np.abs(found - expected).max() > 1e-3, "the printed formula gives the right numbers after all"


def plane(array: Any) -> Any:
    """Return (H, W) as a batch of one image with one channel, or one kernel: (1, 1, H, W)."""
    return np.asarray(array)[None, None]
