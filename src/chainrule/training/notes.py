"""Sentences on what came of a training: that it diverged, or learnt no more than a constant answer knows."""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.tasks import BINARY, MULTI_LABEL, REGRESSION, Task
from chainrule.training.history import shown

if TYPE_CHECKING:
    from chainrule.training.loop import Trainer

GROWN, MANY = 1.25, 64  # times the loss of the beginning, over so many samples: grown by less may be chance
START, FAR = 8, 3.0  # samples at the very beginning, and times their loss
NEARLY = 0.98  # of the error of a constant answer


def outcome(trainer: "Trainer") -> list[str]:
    """Return what should be said of a training that ended; mostly nothing."""
    history, half = trainer.history, max(1, trainer.epoch_steps // 2)
    if len(history) < 2 * half or len(history) < 2:
        return []
    first, last = float(np.mean(history.loss[:half])), float(np.mean(history.loss[-half:]))
    steps = -(-START // trainer.recipe.batch_size)
    start = float(np.mean(history.loss[:steps]))  # the loss may have grown within the first half
    many = half * trainer.recipe.batch_size >= MANY
    if (many and last > GROWN * first > 0) or last > FAR * start > 0:
        first = min(first, start)
        rate = trainer.recipe.optimizer.rate
        return [f"the loss grew from {first:.4g} to {last:.4g}: training diverged; try a smaller rate than {rate:g}"]
    return _chance(trainer, float(np.mean(history.measured[-half:])), half * trainer.recipe.batch_size)


def _chance(trainer: "Trainer", reached: float, samples: int) -> list[str]:
    task, targets = trainer.task, trainer.training.targets
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
        f"the {measure.replace('_', ' ')} in training was {shown(measure, reached)} at last, and always the same "
        f"answer would have {shown(measure, constant)}: more than chance was not learnt yet; try another rate, more "
        "epochs, or look at the labels"
    ]


def baseline(task: Task, targets: NDArray[np.float64]) -> float:
    """Return the measure that the best constant answer has on targets (N, K)."""
    if task == REGRESSION:
        return float(np.abs(targets - np.median(targets, 0)).mean())
    means = targets.mean(0)
    if task in (BINARY, MULTI_LABEL):
        return float(np.maximum(means, 1 - means).mean())
    return float(np.bincount(targets.argmax(1)).max() / len(targets))
