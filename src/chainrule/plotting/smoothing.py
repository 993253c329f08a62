"""Smoothing of curves: a running mean, and the envelope of more steps than a plot has columns."""

import numpy as np
from numpy.typing import NDArray


def half_window(count: int) -> int:
    """Return the number of neighbours on either side in the running mean of `count` values: ⌊½ √count⌋."""
    return int(count**0.5 / 2)


def smooth(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Return the running mean, (S,) → (S,), over `half` neighbours on either side, of the finite values.

    Near the start, the window is shortened on both sides alike, so that the steep first steps are not flattened. Near
    the end, only its right side is shortened, so that the last value is still a mean.
    """
    if values.size == 0:
        return values
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    centre = np.arange(values.size)
    reach = np.minimum(centre, half)
    first, behind = centre - reach, np.minimum(centre + reach + 1, values.size)
    count = counts[behind] - counts[first]
    return np.where(count > 0, (sums[behind] - sums[first]) / np.maximum(count, 1), np.nan)


def envelope(
    steps: NDArray[np.float64], values: NDArray[np.float64], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return (middle step, minimum, maximum) of `columns` equal intervals of the steps, each (columns,)."""
    first = np.linspace(0, values.size, columns, endpoint=False).astype(np.int64)
    last = np.append(first[1:], values.size) - 1
    return (steps[first] + steps[last]) / 2, np.fmin.reduceat(values, first), np.fmax.reduceat(values, first)
