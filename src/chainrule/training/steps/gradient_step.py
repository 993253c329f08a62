"""Training steps where the engine computes the gradient, and the parameters are updated separately."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.plan import Plan
from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import Array
from chainrule.errors import NotFiniteError
from chainrule.network.network import Network
from chainrule.training.components import Component
from chainrule.training.lr_multipliers import RateGroup
from chainrule.training.optimizers import CustomOptimizer, Optimizer
from chainrule.training.steps.base import Outcome, Stepper
from chainrule.training.steps.gradients import Batch, GradientSource
from chainrule.training.workers import SINGLE_PROCESS, Arrays, Division, Workers

LARGE_INPUT = 20.0  # absolute value of normalized inputs that makes steps large
TOO_LARGE = "the gradient is too large for its norm to be finite"


class BuiltInUpdate:
    """A built-in optimizer's update, computed by the engine with a separate learning rate per parameter group.

    operation   name of the engine's update operation; None if the update is not computed by the engine
    """

    def __init__(self, network: Network, optimizer: Optimizer, groups: Sequence[RateGroup]) -> None:
        self.operation: str | None = optimizer.operation
        self._network = network
        self._optimizer = optimizer
        self._groups = groups

    def apply(self, gradient: Array, moments: Arrays, step: int, rate: float, commit: Callable[[], None]) -> None:
        """Update the parameters in all groups that are not frozen. If an error is raised, all are unchanged.

        commit   function that writes the running statistics, or raises NotFiniteError
        """
        commit()
        network, operation = self._network, self._optimizer.operation
        attributes: dict[str, Any] = {"rate": rate, **self._optimizer.step_attributes(step)}
        for group in self._groups:
            if group.factor:
                rows = slice(group.first, group.last)
                own = tuple(moment[rows] for moment in moments)
                p, g = network.parameters[rows], gradient[rows]
                values = attributes if group.factor == 1 else group.attributes(attributes)
                network.engine.update(operation, p, g, own, values, network.threads)


class CustomUpdate:
    """A custom optimizer's update. The optimizer receives copies of its inputs."""

    operation: str | None = None

    def __init__(self, network: Network, optimizer: CustomOptimizer) -> None:
        self._network = network
        self._optimizer = optimizer

    def apply(self, gradient: Array, moments: Arrays, step: int, rate: float, commit: Callable[[], None]) -> None:
        """Replace the parameters and the moments with the optimizer's results."""
        parameters = self._network.parameters
        new_parameters, new_moments = self._optimizer.update(
            parameters, gradient.copy(), moments, step=step, learning_rate=rate
        )
        commit()
        parameters[:] = new_parameters
        for moment, values in zip(moments, new_moments, strict=True):
            moment[:] = values


ParameterUpdate: TypeAlias = BuiltInUpdate | CustomUpdate


class GradientStepper(Stepper):
    """Takes one step per call: gradient, check for finite values, clipping, running statistics, and update.

    source   source of the gradient
    update   update of the parameters
    frozen   parameter groups whose gradient is set to 0
    components   components that may change the gradient
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        plan: Plan,
        source: GradientSource,
        update: ParameterUpdate,
        frozen: Sequence[RateGroup] = (),
        *,
        components: Sequence[Component] = (),
        workers: Workers = SINGLE_PROCESS,
    ) -> None:
        super().__init__(network, optimizer)
        self._plan = plan
        self._source = source
        self._update = update
        self._frozen = frozen
        self._components = components
        self._workers = workers

    def rows(self, samples: int) -> slice:
        """Return the slice of a batch with ``samples`` samples that this worker computes."""
        return self._source.rows(samples)

    def parts(self, samples: int) -> Division:
        """Divide a batch into the parts that draw random numbers independently."""
        return self._source.parts(samples)

    def attributes(self, step: int, rate: float) -> dict[str, Any]:
        """Return the update operation's attributes."""
        return {"rate": rate, **self.optimizer.step_attributes(step)}

    def prepare(self, samples: int, steps: int = 1) -> None:
        """Warm up: compile the gradient for this batch size before the timed loop."""
        name = self._update.operation if self._source.prepares_update else None
        self._source.prepare(samples, name, self.moments, self._first_attributes())

    def prepare_program(self, samples: int, steps: int) -> None:
        """Warm up a program that includes the update."""
        self._source.prepare(samples, self._update.operation, self.moments, self._first_attributes(), steps)

    def _first_attributes(self) -> dict[str, Any]:
        return self.attributes(1, self.optimizer.learning_rate)

    @np.errstate(all="ignore")  # overflow is detected below and raised as NotFiniteError
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
        """Take only the first step, and return its outcome in a list."""
        size = len(x) // len(rates)
        inputs: Any = tuple(array[:size] for array in ((x, t) if weights is None else (x, t, weights)))
        batch = Batch(inputs, size if samples is None else samples)
        before = self.network.statistics.copy() if self._source.writes_statistics else None
        try:
            outcome, gradient = self._gradient(batch, step, seed)
            for component in self._components:
                component.change_gradient(gradient, outcome.norm, step, seed)
            self._update.apply(
                gradient, self.moments, step, rates[0], lambda: self._commit_statistics(batch, seed, step)
            )
        except NotFiniteError:
            if before is not None:
                self.network.statistics[:] = before
            raise
        return [outcome]

    @np.errstate(all="ignore")
    def gradient(self, x: Array, t: Array, weights: Array | None = None, *, step: int, seed: int = 0) -> Array:
        """Return a step's flat gradient before clipping. The parameters are not updated."""
        inputs = (x, t) if weights is None else (x, t, weights)
        return self._gradient(Batch(inputs, len(x)), step, seed)[1].copy()

    def _gradient(self, batch: Batch, step: int, seed: int) -> tuple[Outcome, Array]:
        """Return a step's outcome and its flat gradient, which is 0 for frozen groups.

        The engine may overwrite the gradient in its next call.
        """
        total, metric, gradient = self._source.sums(batch, step=step, seed=seed)
        for group in self._frozen:
            gradient[group.first : group.last] = 0
        squares = float(np.square(gradient, dtype=np.float64).sum())
        if not (math.isfinite(total) and math.isfinite(squares)):
            raise self._not_finite(batch, seed, step)
        return Outcome(total / batch.samples, metric / batch.samples, math.sqrt(squares)), gradient

    def _commit_statistics(self, batch: Batch, seed: int, step: int) -> None:
        """Write the running statistics. If they are not finite, restore their old values and raise NotFiniteError.

        The statistics can be infinite or NaN even if the loss and the gradient are finite.
        """
        if not self._plan.deferred:
            return
        before = self.network.statistics.copy()
        self._source.commit_statistics()
        if not np.isfinite(self.network.statistics).all():
            self.network.statistics[:] = before
            raise self._not_finite(batch, seed, step)

    def _not_finite(self, batch: Batch, seed: int, step: int) -> NotFiniteError:
        cause = self._workers.first(self._first_not_finite(batch, seed, step)) or TOO_LARGE
        if not np.isfinite(self.network.parameters).all():
            cause += "; parameters were not finite before this step: try a smaller learning rate"
        elif np.isfinite(largest := np.abs(batch.inputs[0]).max(initial=0)):
            scale = f", or divide the inputs, which reach {largest:.3g}" if largest > LARGE_INPUT else ""
            cause += f"; try a smaller learning rate, clip_norm=1 (--clip-norm 1){scale}"
        return NotFiniteError(f"step {step}: {cause}; the parameters were not changed")

    def _first_not_finite(self, batch: Batch, seed: int, step: int) -> str:
        """Run the plan one operation at a time, and return a message about the first tensor that is not finite."""
        inputs = batch.inputs
        if not len(inputs[0]):
            return ""
        if not np.isfinite(inputs[0]).all():
            return "the input is not finite"
        interpreter = Interpreter(fallback.numpy_engine(), self._plan, self.network.layout, self.network)
        interpreter.gradients(*inputs, seed=seed, step=step)
        for operation in self._plan.operations:
            for tensor in operation.writes:
                if not np.isfinite(interpreter.read(tensor)).all():
                    layer, _, name = tensor.name.rpartition(".")
                    return f"{name} of {layer} is not finite ({operation.name})"
        return ""
