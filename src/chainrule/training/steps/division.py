"""The division of a batch into parts, and the reduction of their results over workers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.core.arrays import Array, Arrays
from chainrule.training.workers import SINGLE_PROCESS, Workers


@dataclass(frozen=True)
class Division:
    """Division of a batch into parts of almost equal size. Each worker computes a range of consecutive parts.

    The number of workers affects neither the parts nor the order of the reduction.

    samples  number of samples in the batch
    parts    requested number of parts
    """

    samples: int
    parts: int
    workers: Workers = SINGLE_PROCESS

    @property
    def count(self) -> int:
        """Actual number of parts: at most one per sample, so that none is empty."""
        return min(self.parts, self.samples)

    @property
    def own(self) -> range:
        """Indices of this worker's parts."""
        rank = self.workers.rank
        size = self.workers.size
        return range(-(-rank * self.count // size), -(-(rank + 1) * self.count // size))

    @property
    def rows(self) -> slice:
        """Slice of the batch that contains this worker's samples."""
        return slice(self.edge(self.own.start), self.edge(self.own.stop))

    def edge(self, number: int) -> int:
        """Return the index, in the batch, of a part's first sample."""
        return number * self.samples // self.count

    def owner(self, number: int) -> int:
        """Return the rank of the worker that computes a part."""
        return number * self.workers.size // self.count

    def join(self, part: Callable[[int], Arrays], join: Callable[[Arrays, Arrays], Arrays], like: Arrays) -> Arrays:
        """Compute all parts, reduce the results in a binary tree, and return the final result on every worker.

        part  function that computes a part's arrays from its index
        join  function that combines the arrays of two consecutive ranges of parts and may modify them
        like  arrays with the shapes and dtypes of the result
        """
        rank = self.workers.rank

        def tree(first: int, last: int) -> Arrays | None:
            """Reduce parts first … last − 1. Return the result on the owner of part ``first``; None on others."""
            if last - first == 1:
                return part(first) if self.owner(first) == rank else None
            middle = (first + last + 1) // 2
            first_half = tree(first, middle)
            second_half = tree(middle, last)
            receiver = self.owner(first)
            sender = self.owner(middle)
            if second_half is not None and receiver != rank:
                self.workers.send(second_half, receiver)
            elif first_half is not None:
                return join(first_half, second_half or self.workers.receive(like, sender))
            return None

        result = tree(0, self.count) or like
        for array in result:
            self.workers.broadcast(array)
        return result


def add_in_place(arrays: Arrays, increments: Arrays) -> Arrays:
    """Add ``increments`` to ``arrays`` in place, and return ``arrays``."""
    for array, increment in zip(arrays, increments, strict=True):
        np.add(array, increment, out=array)
    return arrays


def sums_of(losses: Array, metrics: Array) -> Array:
    """Return the sum of the losses and the sum of the metrics, (2,), in float64."""
    return np.array([losses.sum(dtype=np.float64), metrics.sum(dtype=np.float64)])
