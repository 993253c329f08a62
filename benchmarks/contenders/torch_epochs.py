"""A minimal PyTorch loop over MNIST: all images are normalized into one tensor before the clock starts."""

import time
from typing import Any

import numpy as np

from benchmarks.contenders import Task
from benchmarks.contenders.chainrule_epochs import mnist
from benchmarks.contenders.torch import in_variant
from benchmarks.peers import torch as peer
from benchmarks.peers import torch_training
from benchmarks.peers.torch import torch
from chainrule.data.normalization import Normalization
from chainrule.training.samples import Samples


class Epochs:
    """Epochs over images that are shuffled once, with the recipe's schedule."""

    def __init__(self, task: Task) -> None:
        torch.set_num_threads(task.threads)
        self._task = task
        self._recipe = task.subject.epoch(task.batch)
        network = task.subject.build("numpy", 1)
        plan = network.plan(self._recipe.loss)
        self._ending = torch_training.ending(plan)
        training, test = mnist(task.samples)
        normalization = Normalization.fit(self._recipe.normalization, training.x)
        samples = Samples.of_dataset(training, network.output_shape[-1])
        self._x = torch.from_numpy(normalization.apply(training.x, network.dtype))
        self._t = torch_training.targets(self._ending, samples.targets.astype(network.dtype))
        self._test_x = torch.from_numpy(normalization.apply(test.x, network.dtype))
        self._test_y = torch.from_numpy(np.asarray(test.y, np.int64))
        del training, test, samples  # a loop over tensors does not need the data sets in memory
        few = 2 * task.batch
        self._trained(0, self._x[:few], self._t[:few])

    def epoch(self, seed: int) -> tuple[float, float]:
        """Train a new module for an epoch; return the time in seconds and the test accuracy."""
        seconds, module = self._trained(seed, self._x, self._t)
        correct = 0
        module.eval()
        with torch.inference_mode():
            for i in range(0, len(self._test_x), 1000):
                correct += int((module(self._test_x[i : i + 1000]).argmax(1) == self._test_y[i : i + 1000]).sum())
        return seconds, correct / len(self._test_x)

    def _trained(self, seed: int, images: Any, targets: Any) -> tuple[float, Any]:
        network = self._task.subject.seeded(seed).build("numpy", 1)
        module = peer.translate(network, network.plan(self._recipe.loss)).module
        module, images = in_variant(module, images, self._task.who)
        optimizer = torch_training.optimizer(self._recipe.optimizer, module.parameters())
        loss_of, batch = torch_training.LOSSES[self._ending], self._task.batch
        torch.manual_seed(seed)
        start = time.perf_counter()
        steps = -(-len(images) // batch)
        schedule = self._schedule(optimizer, steps)
        order = torch.randperm(len(images))
        x, t = images[order], targets[order]
        for i in range(0, len(x), batch):
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(module(x[i : i + batch]), t[i : i + batch])
            loss.backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
        return time.perf_counter() - start, module

    def _schedule(self, optimizer: Any, steps: int) -> Any:
        schedule = self._recipe.schedule
        if schedule.name == "constant":
            return None

        def factor(step: int) -> float:
            return schedule.factor(step, steps, steps)

        return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
