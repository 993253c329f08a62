"""PyTorch in eager mode, with images in either memory layout."""

from typing import Any

from benchmarks.contenders import Repeated, Task
from benchmarks.contenders.expected import Predictions, prepare, step_difference
from benchmarks.peers import torch_training
from benchmarks.peers.torch import Translation, nn, torch
from chainrule.engines.protocol import Array


def in_variant(module: Any, x: Any, who: str) -> tuple[Any, Any]:
    """Return a module and images (N, C, H, W) in a variant of PyTorch: such as another memory layout."""
    if who == "torch-channels-last" and x.dim() == 4:
        return module.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    return module, x


class Training(Repeated):
    """A typical training loop over tensors in memory, without normalization, shuffling, history or progress bar."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(task.threads)
        self._task = task
        self._given = prepare(task)
        recipe = task.subject.steps(task.batch)
        network = task.subject.build("numpy", 1)
        plan = network.plan(recipe.loss)
        ending = torch_training.ending(plan)
        self._loss = torch_training.LOSSES[ending]
        self._plain = Translation(network, plan)
        self._module, self._x = in_variant(self._plain, torch.from_numpy(self._given.x), task.who)
        self._t = torch_training.targets(ending, self._given.t)
        self._optimizer = torch_training.optimizer(recipe.optimizer, self._plain.parameters())
        self._place = 0

    def difference(self) -> float:
        """Return the relative difference of the first step's loss and gradient from the expected ones."""
        batch = self._task.batch
        rates = {layer: layer.p for layer in self._plain.modules() if isinstance(layer, nn.Dropout)}
        for layer in rates:
            layer.p = 0.0
        loss = self._loss(self._module(self._x[:batch]), self._t[:batch])
        loss.backward()
        for layer, rate in rates.items():
            layer.p = rate
        return step_difference(self._task, self._given, (loss.item(), self._plain.gradient()))

    def repeat(self, count: int) -> None:
        """Take a number of steps."""
        for _ in range(count):
            place = slice(self._place, self._place + self._task.batch)
            self._step(self._x[place], self._t[place])
            self._place = 0 if place.stop >= len(self._x) else place.stop

    def _step(self, x: Any, t: Any) -> None:
        torch_training.step(self._optimizer, self._module, self._loss, x, t)


class Inference(Predictions):
    """Timed calls of the module in inference mode."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(task.threads)
        super().__init__(task)
        module = Translation(self._network, self._network.plan()).eval()
        self._module, self._images = in_variant(module, torch.from_numpy(self._x), task.who)

    def outputs(self) -> Array:
        """Return the outputs for the batch."""
        with torch.inference_mode():
            return self._module(self._images).numpy()

    def repeat(self, count: int) -> None:
        """Call the module a number of times."""
        with torch.inference_mode():
            for _ in range(count):
                self._module(self._images)
