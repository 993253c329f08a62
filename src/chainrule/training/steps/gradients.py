"""Sources of the gradient of a batch: the whole batch at once, its parts in turn, or shards on several workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from chainrule.core.plan import Plan
from chainrule.engines.protocol import Array, CompiledPlan
from chainrule.training.steps.base import Inputs
from chainrule.training.steps.sharding import Sharding
from chainrule.training.workers import Arrays, Division, Workers, added, totals_of

if TYPE_CHECKING:
    from chainrule.models.network import Network


class Batch(NamedTuple):
    """A batch of samples, or the share of it that one worker computes.

    inputs   x, t and, if samples have them, weights: this worker's share
    samples  number of samples of the whole batch
    """

    inputs: Inputs
    samples: int


class GradientSource(Protocol):
    """Computes the gradient of the mean loss of a batch.

    writes_statistics   whether computing the gradient already writes running statistics
    prepares_update     whether `prepare` compiles the update too
    """

    writes_statistics: bool
    prepares_update: bool

    def rows(self, samples: int) -> slice:
        """Return the samples that this worker computes of a batch of that size."""
        ...

    def parts(self, samples: int) -> Division:
        """Return the parts of a batch that draw their own random numbers."""
        ...

    def sums(self, batch: Batch, *, step: int, seed: int) -> tuple[float, float, Array]:
        """Return the sums of the losses and of the metric, and the flat gradient."""
        ...

    def commit_statistics(self) -> None:
        """Write the running statistics of the last batch."""
        ...

    def prepare(
        self, samples: int, name: str | None, moments: Arrays, attributes: dict[str, Any], steps: int = 1
    ) -> None:
        """Compile what a step needs; see `CompiledPlan.prepare`."""
        ...


class WholeBatch:
    """The gradient of the whole batch at once."""

    writes_statistics = False
    prepares_update = False

    def __init__(self, program: CompiledPlan) -> None:
        self._program = program
        self.commit_statistics = program.commit_statistics

    def rows(self, samples: int) -> slice:
        """Return all samples."""
        return slice(samples)

    def parts(self, samples: int) -> Division:
        """Return the batch as one part."""
        return Division(samples, 1)

    def sums(self, batch: Batch, *, step: int, seed: int) -> tuple[float, float, Array]:
        """Return the sums of the losses and of the metric, and the flat gradient."""
        losses, measured, gradient = self._program.gradients(*batch.inputs, seed=seed, step=step)
        totals = totals_of(losses, measured)
        return float(totals[0]), float(totals[1]), gradient

    def prepare(
        self, samples: int, name: str | None, moments: Arrays, attributes: dict[str, Any], steps: int = 1
    ) -> None:
        """Compile what a step needs."""
        self._program.prepare(samples, name, moments, attributes, steps)


class PartByPart(WholeBatch):
    """The gradient of a batch added up over its parts, one after the other, to save memory.

    A part counts as a step of its own where random numbers are drawn, and has its own batch statistics.
    """

    writes_statistics = True

    def __init__(self, program: CompiledPlan, parts: int) -> None:
        super().__init__(program)
        self._parts = parts

    def parts(self, samples: int) -> Division:
        """Return the parts."""
        return Division(samples, self._parts)

    def sums(self, batch: Batch, *, step: int, seed: int) -> tuple[float, float, Array]:
        """Return the sums of the losses and of the metric, and the flat gradient."""
        division = self.parts(batch.samples)

        def part(number: int) -> Arrays:
            rows = slice(division.edge(number), division.edge(number + 1))
            if number:
                self.commit_statistics()  # of the part before
            inputs: Any = tuple(np.ascontiguousarray(array[rows]) for array in batch.inputs)
            drawn = (step - 1) * self._parts + number + 1
            losses, measured, gradient = self._program.gradients(*inputs, seed=seed, step=drawn)
            share = gradient.dtype.type((rows.stop - rows.start) / batch.samples)
            return totals_of(losses, measured), gradient * share

        totals, gradient = division.join(part, added, ())
        return float(totals[0]), float(totals[1]), gradient

    def prepare(
        self, samples: int, name: str | None, moments: Arrays, attributes: dict[str, Any], steps: int = 1
    ) -> None:
        """Compile what the largest part needs."""
        super().prepare(-(-samples // self._parts), name, moments, attributes, steps)


class Shards:
    """The gradient of a batch cut into shards, which one or several workers compute with the same bits."""

    writes_statistics = False
    prepares_update = True

    def __init__(self, network: Network, plan: Plan, shards: int, workers: Workers) -> None:
        self._sharding = Sharding(network, plan, shards, workers)
        self.commit_statistics = self._sharding.commit_statistics

    def rows(self, samples: int) -> slice:
        """Return the samples of this worker's shards."""
        return self._sharding.division(samples).rows

    def parts(self, samples: int) -> Division:
        """Return the batch as one part: shards draw the random numbers of the whole batch."""
        return Division(samples, 1)

    def sums(self, batch: Batch, *, step: int, seed: int) -> tuple[float, float, Array]:
        """Return the sums of the losses and of the metric, and the flat gradient, of the whole batch."""
        return self._sharding.sums(batch.inputs, batch.samples, step=step, seed=seed)

    def prepare(
        self, samples: int, name: str | None, moments: Arrays, attributes: dict[str, Any], steps: int = 1
    ) -> None:
        """Compile what a step needs."""
        self._sharding.prepare(samples, name, moments, attributes)
