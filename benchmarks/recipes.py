"""Whole recipes of the zoo, compared with PyTorch on the same batches, initial weights and learning rates."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from chainrule.data.augmentation import Views
from chainrule.data.dataset import Dataset
from chainrule.engines.protocol import Array
from chainrule.training.loop import Trainer
from chainrule.training.metrics import Evaluation
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from chainrule.zoo.entries import Entry


class Contender(Protocol):
    """A library that trains a trainer's network, starting from the trainer's initial weights."""

    def step(self, x: Array, t: Array, step: int, rate: float) -> float:
        """Train on a batch with the learning rate `rate`; return the mean loss. Steps are counted from 0."""
        ...

    def evaluate(self, test: Dataset, views: Views | None) -> Evaluation:
        """Evaluate the network on test data."""
        ...


class ChainruleTrainer:
    """Training by this library."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer
        trainer.adopt()
        trainer.stepper.prepare(trainer.recipe.batch_size)

    def step(self, x: Array, t: Array, step: int, rate: float) -> float:
        """Train on a batch and return its mean loss."""
        outcome = self._trainer.stepper.step(x, t, step=step + 1, rate=rate, seed=self._trainer.recipe.seed)
        self._trainer.lookahead(step + 1)
        return outcome.loss

    def evaluate(self, test: Dataset, views: Views | None) -> Evaluation:
        """Evaluate the network on test data."""
        model: Any = self._trainer.network
        return model.evaluate(test, views=views)


@dataclass(frozen=True)
class Outcome:
    """Result of a contender.

    losses    mean loss of each step
    seconds   time of all steps, including the preparation of batches, but not compilation or evaluation
    planned   number of steps in the recipe
    plain     evaluation on the test data; None if not all steps were run
    averaged  evaluation averaged over the recipe's views; None without views
    """

    who: str
    losses: tuple[float, ...]
    seconds: float
    planned: int
    plain: Evaluation | None
    averaged: Evaluation | None

    @property
    def minutes(self) -> float:
        """Minutes for all steps of the recipe, extrapolated from the steps that were run."""
        return self.seconds / 60 * self.planned / len(self.losses)


def outcomes(
    entry: Entry,
    recipe: Recipe,
    data: tuple[Dataset, Dataset],
    names: Sequence[str],
    threads: int,
    *,
    steps: int | None = None,
    watch: Callable[[str, float], None] = lambda text, share: None,
) -> Iterator[Outcome]:
    """Train with a recipe in this library and in the named variants of PyTorch, and yield the results.

    data    training and test data
    names   "ours", "torch" or "torch-channels-last"
    steps   number of steps to run; None for all, followed by an evaluation
    """
    training, test = data
    for index, name in enumerate(names):
        trainer = _trainer(entry, recipe, training, threads)
        contender = _contender(name, trainer, threads)
        count, losses, start = min(steps or trainer.steps, trainer.steps), list[float](), time.perf_counter()
        for step in range(count):
            x, t, _ = trainer.batch(step)
            rate = recipe.optimizer.learning_rate * recipe.schedule.factor(step, trainer.steps, trainer.epoch_steps)
            losses.append(contender.step(x, t, step, rate))
            watch(f"{name}: {recipe.epochs} epochs", (index + step / count) / len(names))
        seconds, done = time.perf_counter() - start, count == trainer.steps
        plain = contender.evaluate(test, None) if done else None
        averaged = contender.evaluate(test, recipe.views) if done and recipe.views else None
        yield Outcome(name, tuple(losses), seconds, trainer.steps, plain, averaged)


def largest_difference(first: Outcome, second: Outcome) -> float:
    """Return the largest relative difference between the two losses of a step."""
    pairs = np.array([first.losses, second.losses])
    return float((np.abs(pairs[0] - pairs[1]) / np.abs(pairs[0])).max())


def _trainer(entry: Entry, recipe: Recipe, training: Dataset, threads: int) -> Trainer:
    model = entry.build(training.shape, training.classes, seed=recipe.seed, loss=recipe.loss, threads=threads)
    samples, _ = Samples.of_dataset(training, model.output_shape[-1]).parts(recipe.validation, recipe.seed)
    return model.trainer(recipe, samples)


def _contender(name: str, trainer: Trainer, threads: int) -> Contender:
    if name == "ours":
        return ChainruleTrainer(trainer)
    from benchmarks.peers.torch_recipe import TorchRecipe

    trainer.adopt()
    return TorchRecipe(trainer, name, threads)
