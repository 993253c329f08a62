"""Sentences on the outcome of a training: that it diverged, or is no better than a constant prediction."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.training.history import formatted
from chainrule.training.tasks import BINARY, MULTI_LABEL, REGRESSION, Task

if TYPE_CHECKING:
    from chainrule.training.loop import Trainer

GROWN, MANY = 1.25, 64  # growth of the loss that means divergence, if measured over this many samples
START, FAR = 8, 3.0  # samples at the very beginning, and growth over their loss that means divergence
NEARLY = 0.98  # share of a constant prediction's error above which nothing was learnt


def training_notes(trainer: "Trainer") -> list[str]:
    """Return warnings about a finished training; usually none."""
    history, half = trainer.history, max(1, trainer.epoch_steps // 2)
    if len(history) < 2 * half or len(history) < 2:
        return []
    first, last = float(np.mean(history.loss[:half])), float(np.mean(history.loss[-half:]))
    steps = -(-START // trainer.recipe.batch_size)
    start = float(np.mean(history.loss[:steps]))  # the loss may have grown within the first half
    many = half * trainer.recipe.batch_size >= MANY
    if (many and last > GROWN * first > 0) or last > FAR * start > 0:
        first = min(first, start)
        grown = f"the loss grew from {first:.4g} to {last:.4g}"
        rate = trainer.recipe.optimizer.learning_rate
        return [f"{grown}: training diverged; try a smaller learning rate than {rate:g}"]
    if trainer.weights is not None:  # a constant prediction is measured without them
        return []
    return _chance_note(trainer, float(np.mean(history.measured[-half:])), half * trainer.recipe.batch_size)


def _chance_note(trainer: "Trainer", reached: float, samples: int) -> list[str]:
    task, targets = trainer.task, trainer.train_data.targets
    constant = baseline(task, targets)
    if task == REGRESSION:
        learnt = reached < NEARLY * constant or constant == 0
    else:
        answers = samples * (targets.shape[1] if task == MULTI_LABEL else 1)
        deviation = math.sqrt(constant * (1 - constant) / max(answers, 1))
        learnt = constant == 1 or reached > constant + min(2 * deviation, (1 - constant) / 4)
    if learnt:
        return []
    measure = trainer.history.measure
    return [
        f"the {measure.replace('_', ' ')} in training was {formatted(measure, reached)} at the end, not clearly better "
        f"than a constant prediction ({formatted(measure, constant)}): "
        "try another learning rate, more epochs, or check the labels"
    ]


def baseline(task: Task, targets: NDArray[np.float64]) -> float:
    """Return the measure of the best constant prediction on targets (N, K)."""
    if task == REGRESSION:
        return float(np.abs(targets - np.median(targets, 0)).mean())
    means = targets.mean(0)
    if task in (BINARY, MULTI_LABEL):
        return float(np.maximum(means, 1 - means).mean())
    return float(np.bincount(targets.argmax(1)).max() / len(targets))
