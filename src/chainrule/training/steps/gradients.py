"""Batches, the outcome of a step, and the source of a batch's gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from chainrule.core.arrays import Arrays
from chainrule.engines.protocol import CompiledPlan, Gradients

if TYPE_CHECKING:
    from chainrule.training.steps.division import Division

# An update: the name of its operation, or None for no update; the moments and the attributes
Update: TypeAlias = tuple[str | None, Arrays, dict[str, float]]


class Outcome(NamedTuple):
    """Result of a step.

    loss      mean loss of the batch
    measured  mean metric of the batch: accuracy, label accuracy or mean absolute error
    norm      gradient norm before clipping
    """

    loss: float
    measured: float
    norm: float


class Batches(NamedTuple):
    """Consecutive batches of equal size, and what the steps on them depend on.

    inputs   x, t and sample weights (if any) of all batches, concatenated; or this worker's rows of one batch; or only
             the indices of samples in the engine's device memory
    rates    learning rate of each step, with one entry per batch
    step     number of the first step, from 1
    seed     seed of the random numbers
    samples  number of samples in each whole batch
    """

    inputs: Arrays
    rates: Sequence[float]
    step: int
    seed: int
    samples: int

    @property
    def first(self) -> Batches:
        """The first batch alone."""
        size = len(self.inputs[0]) // len(self.rates)
        return self._replace(inputs=tuple(array[:size] for array in self.inputs), rates=self.rates[:1])

    def rows(self, rows: slice) -> Arrays:
        """Return some rows of the inputs."""
        return tuple(np.ascontiguousarray(array[rows]) for array in self.inputs)


class WholeBatch:
    """Computes the gradient of the whole batch at once. Other sources are derived from this class.

    writes_statistics   whether running statistics are written while the gradient is computed
    prepares_update     whether `prepare` also warms up an update that is separate from the gradient
    """

    writes_statistics = False
    prepares_update = False

    def __init__(self, program: CompiledPlan) -> None:
        self._program = program

    def rows(self, samples: int) -> slice:
        """Return the slice of a batch with ``samples`` samples that this worker computes."""
        return slice(samples)

    def division(self, samples: int) -> Division:
        """Divide a batch into the parts that draw random numbers independently."""
        from chainrule.training.steps.division import Division

        return Division(samples, 1)

    def gradients(self, batch: Batches) -> Gradients:
        """Return losses and metrics, whose sums are those of the batch, and the flat gradient of the mean loss."""
        return self._program.gradients(*batch.inputs, seed=batch.seed, step=batch.step)

    def commit_statistics(self) -> None:
        """Write the last batch's running statistics."""
        self._program.commit_statistics()

    def prepare(self, samples: int, update: Update, steps: int) -> None:
        """Warm up: compile the gradient and, if it has a name, the update. See `CompiledPlan.prepare`."""
        self._program.prepare(samples, *update, steps)
