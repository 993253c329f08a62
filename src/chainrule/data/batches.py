"""Shuffling, batch counts, and the split of training data into a training and a validation part."""

import numpy as np
from numpy.typing import NDArray

from chainrule.core.randomness import generator
from chainrule.errors import OptionError

ENOUGH, FEWEST = 1000, 50  # validation samples: enough for any purpose; the least that are of use
MAX_VALIDATION = 0.2


def order(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return a permutation of 0 … count − 1, shape (count,), as a function of the seed and the epoch alone."""
    return generator(seed, "shuffle", epoch).permutation(count).astype(np.int64, copy=False)


def batch_count(count: int, batch_size: int) -> int:
    """Return the number of batches of `count` samples, the last perhaps shorter: ⌈count / batch_size⌉."""
    if batch_size < 1:
        raise OptionError(f"batch size {batch_size}: expected at least 1")
    return -(-count // batch_size)


def split_validation(
    count: int, share: float, seed: int, labels: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split 0 … count − 1 into indices to keep and to hold back, both in ascending order, chosen by the seed.

    labels   (count,) class of each sample, to hold back the share of every class (see `class_quotas`); None: one class
    Errors   as `validation_count`
    """
    total = validation_count(count, share)
    mixed = generator(seed, "split").permutation(count).astype(np.int64, copy=False)
    if labels is None:
        return np.sort(mixed[total:]), np.sort(mixed[:total])
    _, numbered = np.unique(labels, return_inverse=True)
    quotas = class_quotas(np.bincount(numbered), total)
    held = np.zeros(count, np.bool_)
    for number, quota in enumerate(quotas):
        held[mixed[numbered[mixed] == number][:quota]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


def validation_count(count: int, share: float) -> int:
    """Return the number of samples that `held_back` holds back of `count`, rounded, with at least one on either side.

    Errors   OptionError when the share is not between 0 and 1, or there are not two samples
    """
    if not 0 < share < 1:
        raise OptionError(f"cannot hold back a share of {share}; expected more than 0, less than 1")
    if count < 2:
        raise OptionError(f"cannot hold back a share of {count} sample{'' if count == 1 else 's'}; expected at least 2")
    return min(max(round(share * count), 1), count - 1)


def class_quotas(counts: NDArray[np.int64], total: int) -> NDArray[np.int64]:
    """Return the number of samples to hold back of each class, (K,), such that they sum to `total`.

    Classes contribute in proportion to their counts (K,), rounded by largest remainder. Where `total` allows it, a
    class of two or more samples contributes at least one and keeps at least one, and a class of one sample keeps it.
    """
    exact = counts * (total / counts.sum())
    least, most = np.minimum(counts - 1, 1), np.maximum(counts - 1, 0)
    if total < least.sum():
        least = np.zeros_like(counts)
    if total > most.sum():
        most = counts
    quotas = np.clip(np.floor(exact).astype(np.int64), least, most)
    while (missing := total - int(quotas.sum())) != 0:
        step = 1 if missing > 0 else -1
        possible = quotas < most if missing > 0 else quotas > least
        lacking = np.where(possible, step * (exact - quotas), -np.inf)
        quotas[int(lacking.argmax())] += step
    return quotas


def validation_share(count: int, share: float) -> float:
    """Return the validation share for `count` training samples, given a recipe's `share`, which suits large data.

    The recipe's share is kept if it gives `ENOUGH` samples, on which an accuracy has a standard error of at most
    1.6 percentage points. Otherwise the share is raised to give `ENOUGH` samples, but to no more than a fifth. It is 0
    if a fifth is fewer than `FEWEST` samples, on which the standard error would exceed 7 points.
    """
    if not share or round(share * count) >= ENOUGH:
        return share
    if MAX_VALIDATION * count < FEWEST:
        return 0.0
    return min(ENOUGH / count, max(MAX_VALIDATION, share))
