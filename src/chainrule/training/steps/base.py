"""The interface for training steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

from chainrule.engines.protocol import ONE_STEP, Array, StepLimits
from chainrule.network.network import Network
from chainrule.training.optimizers import Optimizer
from chainrule.training.workers import Division

Inputs: TypeAlias = tuple[Array, Array] | tuple[Array, Array, Array]  # x, t and, if any, sample weights


class Outcome(NamedTuple):
    """Result of a step.

    loss      mean loss of the batch
    measured  mean metric of the batch: accuracy, label accuracy or mean absolute error
    norm      gradient norm before clipping
    """

    loss: float
    measured: float
    norm: float


class Stepper(ABC):
    """Takes training steps on a network.

    moments   the optimizer's moments: flat arrays with the layout of the parameters
    """

    def __init__(self, network: Network, optimizer: Optimizer) -> None:
        self.network = network
        self.optimizer = optimizer
        self.moments = optimizer.init(network.parameters)

    @property
    def step_limits(self) -> StepLimits:
        """Limits of the number of steps per call (see `StepLimits`) if no callback needs every step."""
        return ONE_STEP

    def rows(self, samples: int) -> slice:
        """Return the slice of a batch that this worker computes.

        samples  number of samples in the batch
        """
        return slice(samples)

    def parts(self, samples: int) -> Division:
        """Divide a batch into the parts that draw random numbers (for example for dropout) independently."""
        return Division(samples, 1)

    def hold(self, size: int, parts: Iterable[Inputs]) -> bool:
        """Copy all samples to the engine's device if they fit. Return whether they were copied.

        size    total size of the samples in bytes
        parts   the samples, in consecutive chunks
        """
        return False

    def release(self) -> None:  # noqa: B027
        """Free the samples in the engine's device memory."""

    @abstractmethod
    def prepare(self, samples: int, steps: int = 1) -> None:
        """Warm up: compile the step for a batch of ``samples`` samples before the timed loop.

        steps   number of steps that will be taken per call
        """

    def step(
        self,
        x: Array,
        t: Array,
        weights: Array | None = None,
        *,
        step: int,
        rate: float,
        seed: int = 0,
        samples: int | None = None,
    ) -> Outcome:
        """Take one step on a batch; see `steps`."""
        return self.steps(x, t, weights, step=step, rates=[rate], seed=seed, samples=samples)[0]

    @abstractmethod
    def steps(
        self,
        x: Array,
        t: Array,
        weights: Array | None = None,
        *,
        step: int,
        rates: Sequence[float],
        seed: int = 0,
        samples: int | None = None,
    ) -> list[Outcome]:
        """Take steps on consecutive batches of equal size. Return the outcomes of the steps taken, at least one.

        x, t     concatenated inputs and targets of all batches
        weights  sample weights, (N,), in the network's dtype; required if the stepper was created with ``weighted``
        step     number of the first step, from 1
        rates    learning rate of each step, with one entry per batch
        samples  size of a whole batch, if the arrays contain only this worker's `rows`; None: x contains whole batches

        Errors   NotFiniteError if the first step's loss or gradient is not finite; nothing is modified in this case
        """

    def steps_of_held(self, numbers: Array, *, step: int, rates: Sequence[float], seed: int = 0) -> list[Outcome]:
        """Take steps on samples in the engine's device memory. Return [] if the first step is not finite.

        numbers  indices of the samples in all batches, concatenated
        """
        return []

    @abstractmethod
    def gradient(self, x: Array, t: Array, weights: Array | None = None, *, step: int, seed: int = 0) -> Array:
        """Return a step's flat gradient before clipping. The parameters are not updated.

        With gradient accumulation, the running statistics are updated.

        Errors   NotFiniteError if the loss or the gradient is not finite
        """
