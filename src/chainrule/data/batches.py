"""The samples of an epoch: their order, the number of batches, and the share that is held back from training."""

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import OptionError
from chainrule.randomness import generator


def order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The numbers 0 … count − 1 shuffled, shape (count,): a function of the seed and the epoch alone."""
    return generator(seed, "shuffle", epoch).permutation(count).astype(np.int64, copy=False)


def batch_count(count: int, batch_size: int) -> int:
    """How many batches `count` samples make, the last perhaps shorter: ⌈count / batch_size⌉."""
    if batch_size < 1:
        raise OptionError(f"batch size {batch_size}: expected at least 1")
    return -(-count // batch_size)


def held_back(count: int, share: float, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(numbers kept, numbers held back) of 0 … count − 1, both in ascending order, chosen by the seed.

    Errors   as `held_back_count`
    """
    held = held_back_count(count, share)
    mixed = generator(seed, "split").permutation(count).astype(np.int64, copy=False)
    return np.sort(mixed[held:]), np.sort(mixed[:held])


def held_back_count(count: int, share: float) -> int:
    """How many of `count` samples `held_back` takes: the nearest number, with at least one on either side.

    Errors   OptionError when the share is not between 0 and 1, or there are not two samples
    """
    if not 0 < share < 1:
        raise OptionError(f"cannot hold back a share of {share}; expected more than 0, less than 1")
    if count < 2:
        raise OptionError(f"cannot hold back a share of {count} sample{'' if count == 1 else 's'}; expected at least 2")
    return min(max(round(share * count), 1), count - 1)
