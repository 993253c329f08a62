"""The order of the samples in an epoch, and its division into batches."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import OptionError
from chainrule.randomness import generator


def order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The numbers 0 … count − 1 shuffled, shape (count,): a function of the seed and the epoch alone."""
    return generator(seed, "shuffle", epoch).permutation(count).astype(np.int64, copy=False)


def batches(count: int, batch_size: int) -> Iterator[slice]:
    """Slices of `batch_size` samples that cover 0 … count − 1; the last may be shorter."""
    if batch_size < 1:
        raise OptionError(f"batch size {batch_size}: expected at least 1")
    return (slice(start, min(start + batch_size, count)) for start in range(0, count, batch_size))


def batch_count(count: int, batch_size: int) -> int:
    """How many slices `batches` gives: ⌈count / batch_size⌉."""
    if batch_size < 1:
        raise OptionError(f"batch size {batch_size}: expected at least 1")
    return -(-count // batch_size)
