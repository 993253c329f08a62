"""Sampling with equal numbers of samples of all classes."""

import numpy as np

from chainrule.core.arrays import Ints
from chainrule.core.randomness import generator
from chainrule.data.dataset import order
from chainrule.training.targets import Targets


def balanced_draws(labels: Ints, seed: int, epoch: int) -> Ints:
    """Return the draws of an epoch, (N,), in which the numbers of samples of any two classes differ by at most 1.

    A draw is the number of a sample plus N times the number of its earlier draws in the epoch, so that random numbers
    such as those of augmentation differ between them. The samples of a class take turns over all epochs, in an order
    that is drawn for each turn.

    labels   class of each sample, (N,), from 0
    """
    count = len(labels)
    classes = np.unique(labels)
    extra = set(generator(seed, "larger classes", epoch).permutation(classes)[: count % len(classes)].tolist())
    largest = -(-count // len(classes))
    draws = list[Ints]()
    for label in classes.tolist():
        members = np.flatnonzero(labels == label)
        quota = count // len(classes) + (label in extra)
        turns = list[Ints]()
        first_turn, skipped = divmod(epoch * largest, len(members))
        for turn in range(first_turn, first_turn + -(-(skipped + quota) // len(members))):
            turns.append(members[generator(seed, "class members", label, turn).permutation(len(members))])
        drawn = np.concatenate(turns)[skipped : skipped + quota]
        draws.append(drawn + count * _earlier(drawn))
    return np.concatenate(draws)[order(count, seed, epoch)]


def drawn_targets(targets: Targets, seed: int) -> Targets:
    """Return the targets of the samples that are drawn in the first epoch."""
    return targets.take(balanced_draws(targets.largest, seed, 0) % len(targets))


def _earlier(numbers: Ints) -> Ints:
    """Return how often each number, (N,), occurs before its place."""
    by_number = np.argsort(numbers, kind="stable")
    ordered = numbers[by_number]
    _, firsts, sizes = np.unique(ordered, return_index=True, return_counts=True)
    result = np.empty_like(numbers)
    result[by_number] = np.arange(len(numbers)) - np.repeat(firsts, sizes)
    return result
