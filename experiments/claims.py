"""Experiments on the tutorials' empirical claims, with few images and several seeds.

docs/derivations/claims.md lists the claims and the results, and proves the claims that can be proved.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset
from chainrule.errors import unknown_name
from chainrule.models.model import Sequential
from chainrule.training.optimizers import Optimizer
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from chainrule.training.schedules import OneCycle
from experiments.setting import Setting
from experiments.trials import TRIALS, Trial

IMAGES, EPOCHS, SEEDS = 4_000, 3, 3


@dataclass(frozen=True)
class Row:
    """Result of a trial: test accuracies by seed, and the time of a training run in seconds."""

    question: str
    data: str
    setting: str
    parameters: int
    accuracies: tuple[float, ...]
    seconds: float

    @property
    def accuracy(self) -> float:
        """Mean accuracy over the seeds."""
        return sum(self.accuracies) / len(self.accuracies)


def rows(setting: Setting, questions: Sequence[str] = (), seeds: int = SEEDS) -> Iterator[Row]:
    """Run the trials for the questions (by default, for all), and yield their results."""
    for question in questions:
        if question not in TRIALS:
            raise unknown_name("question", question, [*TRIALS])
    for question in questions or TRIALS:
        for trial in TRIALS[question]():
            yield from run_trial(trial, setting, seeds)


def run_trial(trial: Trial, setting: Setting, seeds: int) -> list[Row]:
    """Run a trial with all of its optimizers; return the best optimizer's rows, one per shift of the test images."""
    limited = replace(setting, limit=setting.limit or IMAGES)
    training, test = (trial.changed(part) for part in limited.data(trial.data, 0))
    results: list[list[Row]] = []
    for optimizer in trial.optimizers:
        trained = [_train(trial, optimizer, training, limited, seed) for seed in range(seeds)]
        seconds = sum(seconds for _, seconds in trained) / seeds
        variant = f"{trial.setting}, rate {optimizer.learning_rate:g}" if len(trial.optimizers) > 1 else trial.setting
        results.append([])
        for pixels in trial.shifts:
            title = f"{variant}, moved by {pixels}" if len(trial.shifts) > 1 else variant
            accuracies = tuple(model.evaluate(shift_right(test, pixels)).accuracy for model, _ in trained)
            size = trained[0][0].parameters.size
            results[-1].append(Row(trial.question, trial.data, title, size, accuracies, seconds))
    return max(results, key=lambda rows: rows[0].accuracy)


def shift_right(images: Dataset, pixels: int) -> Dataset:
    """Shift every image to the right, filling the gap with copies of the leftmost column."""
    if not pixels:
        return images
    left = np.repeat(images.x[..., :1], pixels, axis=-1)
    return replace(images, x=np.concatenate([left, images.x[..., :-pixels]], axis=-1))


def _train(
    trial: Trial, optimizer: Optimizer, training: Dataset, setting: Setting, seed: int
) -> tuple[Sequential, float]:
    recipe = Recipe(
        epochs=EPOCHS, optimizer=optimizer, schedule=OneCycle(), normalization="standardize", seed=seed, batch_size=32
    )
    classes = training.classes
    options: dict[str, Any] = {"seed": seed, "classes": classes, **setting.machine}
    model = Sequential(trial.layers(len(classes)), training.shape, **options)
    trainer = model.trainer(setting.recipe(recipe), Samples.of_dataset(training, len(classes)))
    title = f"{trial.question}: {trial.data}, {trial.setting}, rate {optimizer.learning_rate:g}, seed {seed}"
    return model, trainer.run(setting.callbacks(title)).epochs[-1].seconds
