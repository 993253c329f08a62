"""A value for every step, made drawable: a running mean, and the envelope of more steps than a picture has columns."""

import numpy as np
from numpy.typing import NDArray


def half_window(count: int) -> int:
    """How many neighbours on either side the running mean of `count` values takes in: ½ √count, rounded down."""
    return int(count**0.5 / 2)


def smooth(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Running mean, (S,) → (S,), over `half` neighbours on either side; values that are not finite are left out.

    Near the start both sides are as short as what came before, so the steep first steps are not flattened. Near the
    end only the right side is shorter, so the last value is still a mean.
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
    """(middle step, smallest, largest value) of `columns` equal shares of the steps, each (columns,)."""
    first = np.linspace(0, values.size, columns, endpoint=False).astype(np.int64)
    last = np.append(first[1:], values.size) - 1
    return (steps[first] + steps[last]) / 2, np.fmin.reduceat(values, first), np.fmax.reduceat(values, first)
