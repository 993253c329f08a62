"""A training step: gradients, a check that they are finite, and the update."""

import math
from typing import Any, NamedTuple

import numpy as np

from chainrule import engines
from chainrule.engines import Array
from chainrule.errors import NotFiniteError, OptionError
from chainrule.interpreter import Interpreter
from chainrule.losses import Loss
from chainrule.network import Network
from chainrule.optimizers import CustomOptimizer, Optimizer
from chainrule.rates import Rates
from chainrule.tasks import Task


class Outcome(NamedTuple):
    """Mean loss of the batch, the measure of the task (accuracy or an error), and the norm of the gradient (before
    clipping).
    """

    loss: float
    measured: float
    norm: float


class Stepper:
    """Takes training steps on a network.

    moments   moments of the optimizer, flat like the parameters

    Errors   OptionError when there is nothing to train, or rates of single parameters meet an optimizer of one's own
    """

    def __init__(
        self,
        network: Network,
        optimizer: Optimizer,
        loss: Loss,
        clip_norm: float | None = None,
        task: Task | None = None,
        rates: Rates | None = None,
    ) -> None:
        if not network.parameters.size:
            raise OptionError("there is nothing to train: the model has no parameters")
        self.network = network
        self.optimizer = optimizer
        self.moments = optimizer.init(network.parameters)
        rates = rates or Rates()
        if len(rates.frozen_names(network.learnt)) == len(network.learnt):
            raise OptionError(f"there is nothing to train: all parameters are frozen by the rates {rates}")
        self._plan = network.plan(loss, task=task, frozen=rates.frozen_names(network.learnt))
        self._compiled = network.compile(self._plan)
        self._clip = clip_norm
        self._groups = rates.groups(network.learnt)
        if self._groups and isinstance(optimizer, CustomOptimizer):
            raise OptionError("rates of single parameters need a built-in optimizer; your own can have them itself")

    def prepare(self, samples: int) -> None:
        """Have a compiled engine compile what a step on so many samples runs, so that no clock counts it."""
        own = isinstance(self.optimizer, CustomOptimizer)
        name = None if own else self.optimizer.operation
        self._compiled.prepare(samples, name, self.moments, self._attributes(1, self.optimizer.rate))

    def _attributes(self, step: int, rate: float) -> dict[str, Any]:
        """Return the attributes of the update operation."""
        return {"rate": rate, **self.optimizer.step_attributes(step)}

    @np.errstate(all="ignore")  # what overflows is found below, and named
    def step(self, x: Array, t: Array, *, step: int, rate: float, seed: int = 0) -> Outcome:
        """Take a step on a batch; ``step`` counts from 1. A loss or gradient that is not finite changes nothing."""
        if isinstance(self.optimizer, CustomOptimizer):
            return self._custom_step(self.optimizer, x, t, step, rate, seed)
        if self._groups:
            return self._grouped_step(x, t, step, rate, seed)
        total, right, squares = self._compiled.backward(x, t, seed=seed, step=step)
        if not math.isfinite(squares):  # squares of float32 may overflow where no number of the gradient does
            squares = float(np.square(self._compiled.gradients(x, t, seed=seed, step=step)[2], dtype=np.float64).sum())
        if not (math.isfinite(total) and math.isfinite(squares)):
            raise self._not_finite(x, t, seed, step)
        self._commit_statistics(x, t, seed, step)
        norm = math.sqrt(squares)
        scale = self._scale(norm)
        self._compiled.update(self.optimizer.operation, self.moments, self._attributes(step, rate), scale)
        return Outcome(total / len(x), right / len(x), norm)

    def _custom_step(
        self, optimizer: CustomOptimizer, x: Array, t: Array, step: int, rate: float, seed: int
    ) -> Outcome:
        """Have a user's own optimizer take a step with the engine's gradient; nothing is changed if it raises."""
        outcome, gradient = self._whole_gradient(x, t, step, seed)
        scaled, parameters = gradient * self._scale(outcome.norm), self.network.parameters
        after, moments = optimizer.update(parameters, scaled, self.moments, step=step, rate=rate)
        self._commit_statistics(x, t, seed, step)
        parameters[:] = after
        for kept, found in zip(self.moments, moments, strict=True):
            kept[:] = found
        return outcome

    def _grouped_step(self, x: Array, t: Array, step: int, rate: float, seed: int) -> Outcome:
        """Take a step in which groups of parameters have rates of their own; the norm leaves out frozen ones."""
        outcome, gradient = self._whole_gradient(x, t, step, seed)
        self._commit_statistics(x, t, seed, step)
        if (scale := self._scale(outcome.norm)) != 1:
            gradient *= scale
        attributes, network = self._attributes(step, rate), self.network
        for group in self._groups:
            if group.factor:
                p, g, *moments = (
                    each[group.first : group.last] for each in (network.parameters, gradient, *self.moments)
                )
                name, own = self.optimizer.operation, group.attributes(attributes)
                network.engine.update(name, p, g, tuple(moments), own, network.threads)
        return outcome

    def _whole_gradient(self, x: Array, t: Array, step: int, seed: int) -> tuple[Outcome, Array]:
        """Return the outcome of a step and the flat gradient, 0 for frozen parameters; the engine may overwrite it."""
        losses, measured, gradient = self._compiled.gradients(x, t, seed=seed, step=step)
        for group in self._groups:
            if not group.factor:
                gradient[group.first : group.last] = 0
        squares = float(np.square(gradient, dtype=np.float64).sum())
        total, right = (float(values.sum(dtype=np.float64)) for values in (losses, measured))
        if not (math.isfinite(total) and math.isfinite(squares)):
            raise self._not_finite(x, t, seed, step)
        return Outcome(total / len(x), right / len(x), math.sqrt(squares)), gradient

    def _scale(self, norm: float) -> float:
        """Return the factor of the gradient: 1, or less where its norm exceeds the limit."""
        return self._clip / (norm + 1e-6) if self._clip is not None and norm > self._clip else 1.0

    def _commit_statistics(self, x: Array, t: Array, seed: int, step: int) -> None:
        """Write the running statistics, and check them: an infinite variance does not show in the loss."""
        if not self._plan.deferred:
            return
        before = self.network.statistics.copy()
        self._compiled.commit_statistics()
        if not np.isfinite(self.network.statistics).all():
            self.network.statistics[:] = before
            raise self._not_finite(x, t, seed, step)

    def _not_finite(self, x: Array, t: Array, seed: int, step: int) -> NotFiniteError:
        where = self._culprit(x, t, seed, step)
        if not np.isfinite(self.network.parameters).all():
            where += "; parameters were not finite before this step: was the rate too large?"
        return NotFiniteError(f"step {step}: {where}; the parameters were left as they were")

    def _culprit(self, x: Array, t: Array, seed: int, step: int) -> str:
        """Return the first tensor that is not finite, found by walking the plan again operation by operation."""
        if not np.isfinite(x).all():
            return "the input is not finite"
        walk = Interpreter(engines.fallback(), self._plan, self.network.layout, self.network)
        walk.gradients(x, t, seed=seed, step=step)
        for operation in self._plan.operations:
            for tensor in operation.writes:
                if not np.isfinite(walk.read(tensor)).all():
                    layer, _, own = tensor.name.rpartition(".")
                    return f"{own} of {layer} is not finite ({operation.name})"
        return "the gradient is too large for its norm to be finite"
