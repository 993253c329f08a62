"""The running mean by which noisy losses and metrics of steps are smoothed."""

import numpy as np

from chainrule.core.arrays import Floats


def half_window(count: int) -> int:
    """Return the number of neighbors on either side in the running mean of `count` values: ⌊½ √count⌋."""
    return int(count**0.5 / 2)


def smooth(values: Floats, half: int) -> Floats:
    """Return the running mean of the finite values over `half` neighbors on either side, (S,) → (S,).

    Near the start, the window is shortened symmetrically, so that the steep first steps are not flattened. Near the
    end, only its right side is shortened, so that the last value is still a mean.
    """
    if values.size == 0:
        return values
    finite = np.isfinite(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(finite, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(finite)])
    center = np.arange(values.size)
    reach = np.minimum(center, half)
    first = center - reach
    stop = np.minimum(center + reach + 1, values.size)
    total = sums[stop] - sums[first]
    count = counts[stop] - counts[first]
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
