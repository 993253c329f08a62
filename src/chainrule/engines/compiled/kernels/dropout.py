"""Dropout, compiled. The equation is in reference/dropout.py, the mixing function in chainrule/core/randomness.py."""

import numpy as np

from chainrule.core import randomness
from chainrule.engines.compiled.compiler import kernel
from chainrule.engines.compiled.kernels.registry import COSTLY_FROM, Attributes, Share, like, operation

GOLDEN = np.uint64(randomness.GOLDEN)
MIX1, MIX2 = np.uint64(randomness.MIX1), np.uint64(randomness.MIX2)
S30, S27, S31, S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@kernel
def _mix(key, value):
    """Fold one coordinate into a key, as randomness.mix does."""
    z = key + value * GOLDEN + GOLDEN
    z = (z ^ (z >> S30)) * MIX1
    z = (z ^ (z >> S27)) * MIX2
    return z ^ (z >> S31)


def share_channels(shape: tuple[int, ...], _: int, __: Attributes) -> Share:
    """Divide channels, or units."""
    return Share(("lowest", "highest"), shape[0])


@operation(like(0), by_channel=("lowest", "highest"), share=share_channels, shared_from=COSTLY_FROM)
@kernel
def dropout(x, y, rate=0.5, stream=0, seed=0, step=0, first=0, lowest=0, highest=-1):
    """Compute y = x/(1 − rate) where the draw of (seed, stream, step, first + s, element) is at least rate, else 0.

    lowest, highest  channels whose elements are computed
    """
    count = x.shape[0]
    cells, channels = x.size // max(count, 1), x.shape[1]
    begin, end = cells // channels * lowest, cells // channels * (channels if highest < 0 else highest)
    key = _mix(_mix(np.uint64(seed), np.uint64(stream)), np.uint64(step))
    scale, zero = x.dtype.type(1 / (1 - rate)), x.dtype.type(0)
    # A draw (n >> 11)/2⁵³ is at least the rate where n is at least this: whole numbers are compared, none is converted.
    threshold = np.uint64(np.ceil(rate * 2.0**53)) << S11
    source, result = x.reshape(count * cells), y.reshape(count * cells)
    for s in range(count):
        sample_key = _mix(key, np.uint64(first + s))
        for e in range(begin, end):
            is_kept = _mix(sample_key, np.uint64(e)) >= threshold
            result[s * cells + e] = source[s * cells + e] * scale if is_kept else zero
