"""Splitting of samples into sets for training and for validation or test."""

import numpy as np

from chainrule.core.arrays import Ints
from chainrule.core.randomness import generator
from chainrule.errors import OptionError

SUFFICIENT_VALIDATION = 1000  # number of validation samples that is always sufficient
MIN_VALIDATION = 50  # smallest useful number of validation samples
MAX_VALIDATION = 0.2  # maximum fraction of the training samples; see `validation_share`


def split_validation(count: int, share: float, seed: int, labels: Ints | None = None) -> tuple[Ints, Ints]:
    """Split 0 … count − 1 at random into indices for training and for validation, both in ascending order.

    share    fraction of the samples for validation
    labels   class of each sample, (count,), for a stratified split (`class_quotas`); None for an unstratified one
    Errors   as in `validation_count`
    """
    is_validation = np.zeros(count, np.bool_)
    is_validation[_drawn_samples(count, share, seed, labels)] = True
    return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)


def _drawn_samples(count: int, share: float, seed: int, labels: Ints | None) -> Ints:
    """Return the indices of the samples for validation, as `split_validation`, in random order."""
    total = validation_count(count, share)
    shuffled = generator(seed, "split").permutation(count).astype(np.int64, copy=False)
    if labels is None:
        return shuffled[:total]
    _, class_indices = np.unique(labels, return_inverse=True)
    drawn = list[Ints]()
    for number, quota in enumerate(class_quotas(np.bincount(class_indices), total)):
        members = shuffled[class_indices[shuffled] == number]
        drawn.append(members[:quota])
    return np.concatenate(drawn)


def validation_count(count: int, share: float) -> int:
    """Return the number of validation samples: share · count, rounded such that neither set is empty.

    Errors   OptionError if the share is not between 0 and 1, or for fewer than two samples
    """
    if not 0 < share < 1:
        raise OptionError(f"cannot split off a fraction of {share}; expected more than 0 and less than 1")
    if count < 2:
        samples = "sample" if count == 1 else "samples"
        raise OptionError(f"cannot split {count} {samples}; expected at least 2")
    return min(max(round(share * count), 1), count - 1)


def class_quotas(counts: Ints, total: int) -> Ints:
    """Return the number of validation samples per class, (K,), which sum to ``total``.

    The numbers are proportional to the class counts (K,), rounded by the largest-remainder method. If ``total`` allows
    it, each class with two or more samples is in both sets, and each class with only one sample is in the training set.
    """
    exact = counts * (total / counts.sum())
    minimum = np.minimum(counts - 1, 1)
    maximum = np.maximum(counts - 1, 0)
    if total < minimum.sum():
        minimum = np.zeros_like(counts)
    if total > maximum.sum():
        maximum = counts
    quotas = np.clip(np.floor(exact).astype(np.int64), minimum, maximum)
    while quotas.sum() < total:
        deficit = np.where(quotas < maximum, exact - quotas, -np.inf)
        quotas[deficit.argmax()] += 1
    while quotas.sum() > total:
        excess = np.where(quotas > minimum, quotas - exact, -np.inf)
        quotas[excess.argmax()] -= 1
    return quotas


def validation_share(count: int, share: float) -> float:
    """Return the validation fraction for ``count`` training samples and a recipe with the fraction ``share``.

    The recipe's fraction is used if it yields `SUFFICIENT_VALIDATION` samples: an accuracy then has a standard error of
    at most 1.6 percentage points. Otherwise, the fraction is increased to yield so many, but to at most a fifth. If a
    fifth is fewer than `MIN_VALIDATION` samples, the fraction is 0: the error would exceed 7 percentage points.
    """
    if not share or round(share * count) >= SUFFICIENT_VALIDATION:
        return share
    if MAX_VALIDATION * count < MIN_VALIDATION:
        return 0.0
    return min(SUFFICIENT_VALIDATION / count, max(MAX_VALIDATION, share))
