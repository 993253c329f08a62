"""How long each layer's gradient is, at some of the steps: of all of them it would cost as much as training does."""

import time

import numpy as np
from numpy.typing import NDArray

from chainrule import engines
from chainrule.engines import Pass
from chainrule.interpreter import Interpreter
from chainrule.network import Network
from chainrule.training.loop import Trainer

INTERVAL = 0.05  # seconds between two measurements
SHARE = 10  # a measurement may take a tenth of the time
MOST = 4096  # measurements kept; of more, every second one goes


class Norms:
    """Norms by layer, and the steps (counted from 1) that they belong to."""

    def __init__(self, network: Network, loss: str, *, single: bool) -> None:
        """single: batches of one sample, for which a compiled engine would have to compile another program."""
        self.steps: list[int] = []
        self._spans = _spans(network)
        self.layers: dict[str, list[float]] = {name: [] for name in self._spans}
        self._network, self._loss, self._single = network, loss, single
        self._pass: Pass | None = None
        self._next = 0.0

    def measure(self, trainer: Trainer) -> None:
        """Measure the step that comes next, if it is time; nobody may take a step meanwhile."""
        step, begun = len(trainer.history), time.monotonic()
        if begun < self._next or step >= trainer.steps:
            return
        x, t = trainer.batch(step)
        gradient = self._ready().gradients(x, t, seed=trainer.recipe.seed, step=step + 1)[2]
        self._add(step + 1, gradient)
        ended = time.monotonic()
        self._next = ended + max(INTERVAL, SHARE * (ended - begun))

    def since(self, step: int) -> tuple[list[int], dict[str, list[float]]]:
        """The steps after a step that were measured, and their norms by layer."""
        first = next((place for place, known in enumerate(self.steps) if known > step), len(self.steps))
        return self.steps[first:], {name: found[first:] for name, found in self.layers.items()}

    def clear(self) -> None:
        """Forget all."""
        self._next = 0.0
        self.steps.clear()
        for found in self.layers.values():
            found.clear()

    def _ready(self) -> Pass:
        network = self._network
        if self._pass is None:
            plan = network.plan(self._loss)
            walk = Interpreter(engines.find("numpy"), plan, network.layout, network) if self._single else None
            self._pass = walk or network.ready(plan)
        return self._pass

    def _add(self, step: int, gradient: NDArray[np.floating]) -> None:
        if self.steps and self.steps[-1] >= step:
            return
        if len(self.steps) >= MOST:
            del self.steps[::2]
            for found in self.layers.values():
                del found[::2]
        self.steps.append(step)
        for name, (first, last) in self._spans.items():
            self.layers[name].append(float(np.linalg.norm(gradient[first:last].astype(np.float64))))


def _spans(network: Network) -> dict[str, tuple[int, int]]:
    """Where each layer's trained parameters lie in the flat buffer: side by side."""
    found: dict[str, tuple[int, int]] = {}
    before = [network.input_shape, *network.shapes[:-1]]
    for name, layer, shape in zip(network.names, network.layers, before, strict=True):
        own = [each.name for each in layer.parameters(shape, name) if each.trained]
        if own:
            found[name] = network.layout[f"{name}.{own[0]}"][0], network.layout[f"{name}.{own[-1]}"][1]
    return found
