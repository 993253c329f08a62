"""A recipe in PyTorch: the same network, loss, optimizer, and per-parameter learning rates."""

from typing import Any

import numpy as np

from benchmarks.contenders.torch import in_variant
from benchmarks.peers import torch as peer
from benchmarks.peers import torch_training
from benchmarks.peers.torch import torch
from chainrule.data.augmentation import Views
from chainrule.data.dataset import Dataset
from chainrule.engines.protocol import Array
from chainrule.models.model import Sequential
from chainrule.training import losses
from chainrule.training.batches import EVALUATION_BATCH
from chainrule.training.loop import Trainer
from chainrule.training.metrics import Evaluation
from chainrule.training.samples import Samples


class TorchRecipe:
    """A trainer's network, with its current weights, trained by PyTorch.

    who   "torch" or "torch-channels-last"
    """

    def __init__(self, trainer: Trainer, who: str, threads: int) -> None:
        torch.set_num_threads(threads)
        self._trainer, self._who = trainer, who
        network = trainer.network
        plan = network.plan(trainer.recipe.loss)
        self._ending = torch_training.ending(plan)
        self._translation = peer.translate(network, plan)
        self._module = self._translation.module
        self._in_variant(np.zeros((1, *network.input_shape), network.dtype))
        tensors, recipe = self._translation.tensors, trainer.recipe
        groups = torch_training.groups(recipe, network.trainable_layout, tensors)
        trained = {id(tensor) for group in groups for tensor in group["params"]}
        for name in network.trainable_layout:
            tensors[name].requires_grad_(id(tensors[name]) in trained)
        self._averaged = [value for value in self._module.state_dict().values() if value.is_floating_point()]
        self._slow = [value.clone() for value in self._averaged]
        self._optimizer = torch_training.optimizer(recipe.optimizer, groups)

    def _in_variant(self, x: Array) -> Any:
        self._module, images = in_variant(self._module, torch.from_numpy(x), self._who)
        return images

    def step(self, x: Array, t: Array, step: int, rate: float) -> float:
        """Train on a batch and return its mean loss."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        self._optimizer.zero_grad(set_to_none=True)
        loss = torch_training.LOSSES[self._ending](
            self._module(self._in_variant(x)), torch_training.targets(self._ending, t)
        )
        loss.backward()
        self._optimizer.step()
        self._lookahead(step + 1)
        return loss.item()

    def _lookahead(self, step: int) -> None:
        recipe = self._trainer.recipe
        share = recipe.lookahead.slow_share(step, self._trainer.steps) if recipe.lookahead else None
        if share is not None:
            for fast, slow in zip(self._averaged, self._slow, strict=True):
                slow.lerp_(fast, 1 - share)
                fast.copy_(slow)

    def evaluate(self, test: Dataset, views: Views | None) -> Evaluation:
        """Evaluate the network on test data."""
        network = self._trainer.network
        samples = Samples.of_dataset(test, network.output_shape[-1])
        parts = [
            self._outputs(
                self._trainer.normalization.apply(samples.x[first : first + EVALUATION_BATCH], network.dtype), views
            )
            for first in range(0, len(samples), EVALUATION_BATCH)
        ]
        outputs = np.concatenate(parts)
        targets = samples.targets.astype(network.dtype)
        recipe_loss = losses.choose_single(self._trainer.recipe.loss)
        loss = losses.of_samples(recipe_loss, network.engine, outputs, targets).mean(dtype=np.float64)
        names = network.classes if isinstance(network, Sequential) else ()
        return Evaluation(float(loss), outputs, samples.targets, self._trainer.task, names)

    def _outputs(self, x: Array, views: Views | None) -> Array:
        self._module.eval()
        try:
            with torch.inference_mode():
                shown = views.of(x) if views is not None else [(1.0, x)]
                parts = [weight * self._module(self._in_variant(view)).numpy() for weight, view in shown]
                return np.sum(parts, axis=0)
        finally:
            self._module.train()
