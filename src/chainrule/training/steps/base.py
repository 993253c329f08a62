"""What a `Stepper` receives and returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chainrule.engines.protocol import Array


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

    inputs: tuple[Array, ...]
    rates: Sequence[float]
    step: int
    seed: int
    samples: int

    @property
    def first(self) -> Batches:
        """The first batch alone."""
        size = len(self.inputs[0]) // len(self.rates)
        return self._replace(inputs=tuple(array[:size] for array in self.inputs), rates=self.rates[:1])
