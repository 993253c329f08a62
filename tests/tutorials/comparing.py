"""Numbers that are the same to rounding, and numbers that are not: a printed formula beside the right one."""

from typing import Any

import numpy as np


def same(found: Any, expected: Any) -> None:
    """Equal but for rounding."""
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def other(found: Any, expected: Any) -> None:
    """Another shape, or numbers that differ by far more than rounding."""
    found, expected = np.asarray(found), np.asarray(expected)
    if found.shape == expected.shape:
        assert np.abs(found - expected).max() > 1e-3, "the printed formula gives the right numbers after all"


def plane(array: Any) -> Any:
    """(H, W) as a batch of one picture with one channel, which is also a set of one kernel: (1, 1, H, W)."""
    return np.asarray(array)[None, None]
