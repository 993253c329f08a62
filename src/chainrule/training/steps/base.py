"""The interface of training steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from chainrule.engines.protocol import ONE_STEP, Array, StepLimits
from chainrule.training.optimizers import Optimizer
from chainrule.training.workers import Division

if TYPE_CHECKING:
    from chainrule.models.network import Network

Inputs: TypeAlias = tuple[Array, Array] | tuple[Array, Array, Array]  # x, t and, if samples have them, weights


class Outcome(NamedTuple):
    """Result of a step.

    loss      mean loss of the batch
    measured  the task's metric: accuracy or an error
    norm      norm of the gradient, before clipping
    """

    loss: float
    measured: float
    norm: float


class Stepper(ABC):
    """Takes training steps on a network.

    moments   moments of the optimizer, flat like the parameters
    """

    def __init__(self, network: Network, optimizer: Optimizer) -> None:
        self.network = network
        self.optimizer = optimizer
        self.moments = optimizer.init(network.parameters)

    @property
    def step_limits(self) -> StepLimits:
        """Steps, and bytes of their inputs, to take in one call where no callback looks at single steps."""
        return ONE_STEP

    def rows(self, samples: int) -> slice:
        """Return the samples that this worker computes of a batch of that size."""
        return slice(samples)

    def parts(self, samples: int) -> Division:
        """Return the parts of a batch that draw their own random numbers."""
        return Division(samples, 1)

    def hold(self, size: int, parts: Iterable[Inputs]) -> bool:
        """Copy all samples to the engine's device if it has room; return whether it did.

        size    bytes of the samples
        parts   the samples, some at a time
        """
        return False

    def release(self) -> None:  # noqa: B027
        """Free the samples that the engine's device holds."""

    @abstractmethod
    def prepare(self, samples: int, steps: int = 1) -> None:
        """Warm up: compile the step for this batch size outside the timed loop.

        steps   number of steps that will be taken in one call
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
        """Take steps on consecutive batches of equal size; return the outcomes of the steps taken, at least one.

        weights  weights of the samples, (N,), in the network's dtype; only for a stepper that is ``weighted``
        step     number of the first step, from 1
        rates    learning rate of each step, as many as there are batches
        samples  size of each whole batch if the arrays hold only the `rows` of this worker; None: they hold all

        Errors   NotFiniteError if the first step's loss or gradient is not finite; nothing changes then
        """

    def steps_of_held(self, numbers: Array, *, step: int, rates: Sequence[float], seed: int = 0) -> list[Outcome]:
        """Take steps on samples that the engine's device holds, given by number; none if the first is not finite."""
        return []

    @abstractmethod
    def gradient(self, x: Array, t: Array, weights: Array | None = None, *, step: int, seed: int = 0) -> Array:
        """Return the flat gradient of a step, before clipping, without taking it.

        Running statistics may have changed afterwards: each part of a batch writes its own.

        Errors   NotFiniteError
        """
