"""One training step: gradients, a look at whether they are finite, and the update."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import engines
from chainrule.engines import Array
from chainrule.errors import NotFiniteError, OptionError
from chainrule.interpreter import Interpreter
from chainrule.network import Network
from chainrule.optimizers import Optimizer


@dataclass(frozen=True)
class Outcome:
    """Mean loss of the batch, the share that was right, and the norm of the gradient (before clipping)."""

    loss: float
    accuracy: float
    norm: float


class Stepper:
    """Takes training steps on a network.

    moments   the optimizer's, flat like the parameters
    """

    def __init__(self, network: Network, optimizer: Optimizer, loss: str, clip_norm: float | None = None) -> None:
        if not network.parameters.size:
            raise OptionError("there is nothing to train: the model has no parameters")
        self.network = network
        self.optimizer = optimizer
        self.moments = optimizer.init(network.parameters)
        self._plan = network.plan(loss)
        self._pass = network.ready(self._plan)
        self._clip = clip_norm

    def prepare(self, samples: int) -> None:
        """Have a compiled engine compile what a step on so many samples runs, so that no clock counts it.

        The pass only writes to its own arrays; the update is tried on copies.
        """
        if isinstance(self._pass, Interpreter):
            return
        target, _, _ = self._plan.ends
        network = self.network
        x, t = (np.zeros((samples, *shape), network.dtype) for shape in (network.input_shape, target.shape))
        self._pass.gradients(x, t, seed=0, step=0)
        parameters, gradient = network.parameters.copy(), np.zeros_like(network.parameters)
        self._update(parameters, gradient, tuple(moment.copy() for moment in self.moments), 1, self.optimizer.rate)

    def _update(self, p: Array, g: Array, moments: tuple[Array, ...], step: int, rate: float) -> None:
        attributes: dict[str, Any] = {"rate": rate, **self.optimizer.step_attributes(step)}
        self.network.engine.update(self.optimizer.operation, p, g, moments, attributes, self.network.threads)

    @np.errstate(all="ignore")  # what overflows is found below, and named
    def step(self, x: Array, t: Array, *, step: int, rate: float, seed: int = 0) -> Outcome:
        """One step on a batch; ``step`` counts from 1. A loss or gradient that is not finite changes nothing."""
        losses, right, gradient = self._pass.gradients(x, t, seed=seed, step=step)
        loss = float(losses.sum(dtype=np.float64)) / len(x)
        squares = float(np.dot(gradient, gradient)) if gradient.dtype == np.float64 else _squares(gradient)
        if not (math.isfinite(loss) and math.isfinite(squares)):
            raise self._not_finite(x, t, seed, step)
        self._close(x, t, seed, step)
        norm = math.sqrt(squares)
        if self._clip is not None and norm > self._clip:
            gradient *= self._clip / (norm + 1e-6)
        self._update(self.network.parameters, gradient, self.moments, step, rate)
        return Outcome(loss, float(right.sum(dtype=np.float64)) / len(x), norm)

    def _close(self, x: Array, t: Array, seed: int, step: int) -> None:
        """Write the running statistics; an infinite variance does not show in the loss, so they are looked at."""
        if not self._plan.closing:
            return
        before = self.network.statistics.copy()
        self._pass.close()
        if not np.isfinite(self.network.statistics).all():
            self.network.statistics[:] = before
            raise self._not_finite(x, t, seed, step)

    def _not_finite(self, x: Array, t: Array, seed: int, step: int) -> NotFiniteError:
        where = self._culprit(x, t, seed, step)
        if not np.isfinite(self.network.parameters).all():
            where += "; parameters were not finite before this step: was the rate too large?"
        return NotFiniteError(f"step {step}: {where}; the parameters were left as they were")

    def _culprit(self, x: Array, t: Array, seed: int, step: int) -> str:
        """The first tensor that is not finite, found by walking the plan again operation by operation."""
        if not np.isfinite(x).all():
            return "the input is not finite"
        walk = Interpreter(engines.find("numpy"), self._plan, self.network.layout, self.network)
        walk.gradients(x, t, seed=seed, step=step)
        for operation in self._plan.operations:
            for tensor in operation.writes:
                if not np.isfinite(walk.read(tensor)).all():
                    layer, _, own = tensor.name.rpartition(".")
                    return f"{own} of {layer} is not finite ({operation.name})"
        return "the gradient is too large for its norm to be finite"


def _squares(gradient: Array) -> float:
    """Σ g², finite exactly when every g is: float32 squares may overflow, so those are summed again in float64."""
    with np.errstate(over="ignore"):
        total = float(np.dot(gradient, gradient))
    return total if math.isfinite(total) else float(np.square(gradient, dtype=np.float64).sum())
