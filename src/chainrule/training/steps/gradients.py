"""Sources of the gradient of a batch: the whole batch, gradient accumulation, or shards on several workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from chainrule.core.plan import Plan
from chainrule.engines.protocol import Array, CompiledPlan
from chainrule.training.steps.base import Inputs
from chainrule.training.steps.sharding import Sharding
from chainrule.training.workers import Arrays, Division, Workers, add_in_place, sums_of

if TYPE_CHECKING:
    from chainrule.models.network import Network


class Batch(NamedTuple):
    """A batch of samples, or the part of it that this worker computes.

    inputs   x, t and sample weights (if any) of this worker
    samples  number of samples in the whole batch
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
        """Return the slice of a batch of ``samples`` samples that this worker computes."""
        ...

    def parts(self, samples: int) -> Division:
        """Return the division of a batch into parts that draw random numbers independently."""
        ...

    def sums(self, batch: Batch, *, step: int, seed: int) -> tuple[float, float, Array]:
        """Return the sum of the losses, the sum of the metric, and the flat gradient of the mean loss."""
        ...

    def commit_statistics(self) -> None:
        """Write the running statistics of the last batch."""
        ...

    def prepare(
        self, samples: int, name: str | None, moments: Arrays, attributes: dict[str, Any], steps: int = 1
    ) -> None:
        """Warm up: compile the gradient and, where it belongs to the program, the update; see `CompiledPlan.prepare`.

        name                 name of the update operation; None for no update
        moments, attributes  moments and attributes of the update
        """
        ...


class WholeBatch:
    """Computes the gradient of the whole batch at once."""

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
        losses, metrics, gradient = self._program.gradients(*batch.inputs, seed=seed, step=step)
        totals = sums_of(losses, metrics)
        return float(totals[0]), float(totals[1]), gradient

    def prepare(
        self, samples: int, name: str | None, moments: Arrays, attributes: dict[str, Any], steps: int = 1
    ) -> None:
        """Warm up for batches of ``samples`` samples."""
        self._program.prepare(samples, name, moments, attributes, steps)


class AccumulatedBatch(WholeBatch):
    """Adds up the gradients of the parts of a batch, one after the other, to save memory.

    Each part has its own batch statistics, and draws random numbers like a separate step.
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
                self.commit_statistics()  # of the previous part
            inputs: Any = tuple(np.ascontiguousarray(array[rows]) for array in batch.inputs)
            random_step = (step - 1) * self._parts + number + 1
            losses, metrics, gradient = self._program.gradients(*inputs, seed=seed, step=random_step)
            share = gradient.dtype.type((rows.stop - rows.start) / batch.samples)
            return sums_of(losses, metrics), gradient * share

        totals, gradient = division.join(part, add_in_place, ())
        return float(totals[0]), float(totals[1]), gradient

    def prepare(
        self, samples: int, name: str | None, moments: Arrays, attributes: dict[str, Any], steps: int = 1
    ) -> None:
        """Warm up for the largest part of a batch."""
        super().prepare(-(-samples // self._parts), name, moments, attributes, steps)


class ShardedBatch:
    """Computes the gradient of a batch in shards, with the same bits for any number of workers."""

    writes_statistics = False
    prepares_update = True

    def __init__(self, network: Network, plan: Plan, shards: int, workers: Workers) -> None:
        self._sharding = Sharding(network, plan, shards, workers)
        self.commit_statistics = self._sharding.commit_statistics

    def rows(self, samples: int) -> slice:
        """Return the slice of a batch with the shards of this worker."""
        return self._sharding.division(samples).rows

    def parts(self, samples: int) -> Division:
        """Return the batch as one part: shards draw the random numbers of the whole batch."""
        return Division(samples, 1)

    def sums(self, batch: Batch, *, step: int, seed: int) -> tuple[float, float, Array]:
        """Return the sum of the losses, the sum of the metric, and the flat gradient of the whole batch."""
        return self._sharding.sums(batch.inputs, batch.samples, step=step, seed=seed)

    def prepare(
        self, samples: int, name: str | None, moments: Arrays, attributes: dict[str, Any], steps: int = 1
    ) -> None:
        """Warm up for batches of ``samples`` samples."""
        self._sharding.prepare(samples, name, moments, attributes)
