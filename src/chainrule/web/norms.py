"""Norm of each layer's gradient at some of the steps: measuring every step would cost as much as training.

The gradients themselves are kept as far as memory allows: the past of every parameter.
"""

import threading
import time
from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import fallback
from chainrule.engines.interpreter import Interpreter
from chainrule.engines.protocol import Array, CompiledPlan
from chainrule.models.network import Network
from chainrule.training.loop import Trainer

INTERVAL = 0.05  # seconds between two measurements
SHARE = 10  # a measurement may take a tenth of the time
MOST = 4096  # measurements kept; beyond that, every second one is dropped
MEMORY = 64 << 20  # bytes of all gradients, if FEWEST_GRADIENTS allows
FEWEST_GRADIENTS, MOST_GRADIENTS = 16, 256


class Gradients:
    """Flat gradients by the step at which they were computed; thread-safe. Of too many, every second is dropped."""

    def __init__(self) -> None:
        self._steps: list[int] = []
        self._kept: list[Array] = []
        self._lock = threading.Lock()

    def keep(self, step: int, gradient: Array) -> None:
        """Keep a copy of the gradient that led from frame `step` to the next; one of a known step is the same."""
        with self._lock:
            place = bisect_left(self._steps, step)
            if self._steps[place : place + 1] == [step]:
                return
            self._steps.insert(place, step)
            self._kept.insert(place, gradient.copy())
            if len(self._steps) > min(MOST_GRADIENTS, max(FEWEST_GRADIENTS, MEMORY // max(gradient.nbytes, 1))):
                del self._steps[1::2], self._kept[1::2]

    def of(self, index: int) -> tuple[list[int], list[float]]:
        """Return the steps and the gradient of one parameter at each of them; index: in the flat buffer."""
        with self._lock:
            return [*self._steps], [float(gradient[index]) for gradient in self._kept]

    def clear(self) -> None:
        """Discard all gradients."""
        with self._lock:
            self._steps.clear()
            self._kept.clear()


class Gauge:
    """Measures the norm of each layer's gradient at a trainer's next step, in a workspace of its own.

    gradients   where the gradients themselves are kept
    """

    def __init__(self, trainer: Trainer, gradients: Gradients) -> None:
        self._trainer = trainer
        self._gradients = gradients
        self._spans = _spans(trainer.network)
        self._compiled: CompiledPlan | None = None

    @property
    def layers(self) -> list[str]:
        """Names of the layers with trained parameters."""
        return [*self._spans]

    def norms(self) -> dict[str, float]:
        """Measure the norms of the next step; the caller must hold the trainer between steps."""
        trainer, step = self._trainer, len(self._trainer.history)
        gradient = self._compile().gradients(*trainer.batch(step), seed=trainer.recipe.seed, step=step + 1)[2]
        self._gradients.keep(step, gradient)
        return {name: _norm(gradient[first:last]) for name, (first, last) in self._spans.items()}

    def _compile(self) -> CompiledPlan:
        """Return the plan's engine; NumPy for one sample per batch, which would need another compiled program."""
        network, recipe = self._trainer.network, self._trainer.recipe
        if self._compiled is None:
            weighted = self._trainer.weights is not None
            plan = network.plan(recipe.loss, task=self._trainer.task, weighted=weighted)
            if recipe.batch_size == 1:
                self._compiled = Interpreter(fallback.numpy_engine(), plan, network.layout, network)
            else:
                self._compiled = network.compile(plan)
        return self._compiled


class Norms:
    """Gradient norms by layer, and the steps (from 1) at which they were measured, in order. Thread-safe."""

    def __init__(self, layers: list[str]) -> None:
        self.steps: list[int] = []
        self.layers: dict[str, list[float]] = {name: [] for name in layers}
        self._lock = threading.Lock()
        self._next = 0.0

    def measure(self, gauge: Gauge, trainer: Trainer) -> None:
        """Measure the next step if a measurement is due; the caller must hold the trainer between steps."""
        step, begun = len(trainer.history), time.monotonic()
        if begun < self._next or step >= trainer.steps:
            return
        self.add(step + 1, gauge.norms())
        ended = time.monotonic()
        self._next = ended + max(INTERVAL, SHARE * (ended - begun))

    def add(self, step: int, norms: dict[str, float]) -> None:
        """Add the norms measured at a step; ignore them if that step is known, for they are the same."""
        with self._lock:
            place = bisect_left(self.steps, step)
            if self.steps[place : place + 1] == [step]:
                return
            self.steps.insert(place, step)
            for name, found in self.layers.items():
                found.insert(place, norms[name])
            if len(self.steps) > MOST:
                del self.steps[1::2]
                for found in self.layers.values():
                    del found[1::2]

    def since(self, step: int) -> tuple[list[int], dict[str, list[float]]]:
        """Return the measured steps after `step` and their norms by layer."""
        with self._lock:
            first = bisect_right(self.steps, step)
            return self.steps[first:], {name: found[first:] for name, found in self.layers.items()}

    def clear(self) -> None:
        """Discard all measurements."""
        with self._lock:
            self._next = 0.0
            self.steps.clear()
            for found in self.layers.values():
                found.clear()


def _norm(gradient: NDArray[np.floating]) -> float:
    return float(np.linalg.norm(gradient.astype(np.float64)))


def _spans(network: Network) -> dict[str, tuple[int, int]]:
    """Return the range of each layer's trained parameters, which are contiguous, in the flat buffer."""
    found: dict[str, tuple[int, int]] = {}
    for name, layer, (shape, *_) in zip(network.names, network.layers, network.input_shapes, strict=True):
        parameters = layer.parameters(shape, name) if network.size(name) else ()  # those that it shares are another's
        own = [each.name for each in parameters if each.trained]
        if own:
            found[name] = network.layout[f"{name}.{own[0]}"][0], network.layout[f"{name}.{own[-1]}"][1]
    return found
