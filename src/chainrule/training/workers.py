"""Workers: processes that compute the gradients of one training together, and the join of what they found."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from chainrule.engines.protocol import Array

SHARDS = 8  # of a batch, by default, where mpiexec starts the workers

Arrays: TypeAlias = tuple[Array, ...]


class Workers:
    """The workers of a training, as one of them sees them; this class: a single process, which sends nothing.

    rank             number of this worker, from 0; worker 0 writes the run folder
    size             number of workers
    default_shards   number of shards of a batch where none is chosen
    """

    rank: int = 0
    size: int = 1
    default_shards: int = 1

    def send(self, arrays: Arrays, to: int) -> None:
        """Send arrays to another worker, which `receive`s them."""
        raise NotImplementedError

    def receive(self, like: Arrays, source: int) -> Arrays:
        """Return the arrays, of the shapes and dtypes of others, that another worker sends."""
        raise NotImplementedError

    def broadcast(self, array: Array) -> None:
        """Give every worker the array of worker 0, in place."""

    def any(self, flag: bool) -> bool:
        """Return whether the flag of some worker is set."""
        return flag

    def first(self, text: str) -> str:
        """Return the text of the first worker that has one."""
        return text


ALONE = Workers()


@dataclass(frozen=True)
class Division:
    """A batch of samples, cut into parts of almost equal size, of which each worker computes a run.

    Neither the edges nor the order of the sum depend on the number of workers.
    """

    samples: int
    parts: int
    workers: Workers = ALONE

    @property
    def count(self) -> int:
        """Number of parts: no part is empty."""
        return min(self.parts, self.samples)

    @property
    def own(self) -> range:
        """Numbers of the parts of this worker."""
        rank, size = self.workers.rank, self.workers.size
        return range(-(-rank * self.count // size), -(-(rank + 1) * self.count // size))

    @property
    def rows(self) -> slice:
        """Samples of the batch that this worker computes."""
        return slice(self.edge(self.own.start), self.edge(self.own.stop))

    def edge(self, number: int) -> int:
        """Return the index in the batch of the first sample of a part."""
        return number * self.samples // self.count

    def owner(self, number: int) -> int:
        """Return the rank of the worker that computes a part."""
        return number * self.workers.size // self.count

    def join(self, part: Callable[[int], Arrays], join: Callable[[Arrays, Arrays], Arrays], like: Arrays) -> Arrays:
        """Return what all parts give, on every worker, joined by a tree that halves the parts.

        part  function that computes the arrays of a part, by its number
        join  function that joins the arrays of two runs of parts, in their order; it may change them
        like  arrays of the shapes and dtypes of the result
        """
        found = self._tree(part, join, like, 0, self.count) or like
        for array in found:
            self.workers.broadcast(array)
        return found

    def _tree(
        self,
        part: Callable[[int], Arrays],
        join: Callable[[Arrays, Arrays], Arrays],
        like: Arrays,
        first: int,
        last: int,
    ) -> Arrays | None:
        """Return what parts first … last − 1 give on the worker that owns the first one; None on the others."""
        rank = self.workers.rank
        if last - first == 1:
            return part(first) if self.owner(first) == rank else None
        middle = (first + last + 1) // 2
        left = self._tree(part, join, like, first, middle)
        right = self._tree(part, join, like, middle, last)
        to, source = self.owner(first), self.owner(middle)
        if right is not None and to != rank:
            self.workers.send(right, to)
        elif left is not None:
            return join(left, right or self.workers.receive(like, source))
        return None


def added(one: Arrays, other: Arrays) -> Arrays:
    """Return the sums of arrays, in the first ones."""
    for array, more in zip(one, other, strict=True):
        np.add(array, more, out=array)
    return one


def totals_of(losses: Array, measured: Array) -> Array:
    """Return the sums of losses and of what is measured, (2,), in float64."""
    return np.array([losses.sum(dtype=np.float64), measured.sum(dtype=np.float64)])
