"""Tasks that a network can be trained for, and the metric of each.

classification  one of several classes: accuracy, the share of samples whose largest output is the true class
binary          yes or no, from one output: accuracy, where an output of at least ½ means yes
multi-label     any number of labels, one output per label: label accuracy, the share of labels on the right side of ½
regression      real numbers: mean absolute error
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError, OptionError, unknown_name

DISTRIBUTIONS = ("categorical_cross_entropy", "softmax_cross_entropy")  # targets sum to 1
ROUNDING = 1e-3  # tolerance for targets written as float32 or with few digits
RANGES = {"Sigmoid": (0.0, 1.0), "Softmax": (0.0, 1.0), "Tanh": (-1.0, 1.0), "ReLU": (0.0, np.inf)}

Targets = NDArray[np.float64]


@dataclass(frozen=True)
class Task:
    """A kind of prediction problem.

    operation  operation of a training plan that computes the metric of each sample
    measure    name of the metric's mean in histories and evaluations
    """

    name: str
    operation: str
    measure: str

    @property
    def is_share(self) -> bool:
        """Return whether the metric is a share from 0 to 1, where higher is better, rather than an error."""
        return self.measure != "mean_absolute_error"


CLASSIFICATION = Task("classification", "correct", "accuracy")
BINARY = Task("binary", "correct_labels", "accuracy")
MULTI_LABEL = Task("multi-label", "correct_labels", "label_accuracy")
REGRESSION = Task("regression", "mean_absolute_error", "mean_absolute_error")
NAMED = {task.name: task for task in (CLASSIFICATION, BINARY, MULTI_LABEL, REGRESSION)}
MEASURES = tuple(dict.fromkeys(task.measure for task in NAMED.values()))


def find(name: str) -> Task:
    """Return the task of a name; OptionError when it is unknown."""
    if name not in NAMED:
        raise unknown_name("task", name, [*NAMED])
    return NAMED[name]


def default_for(loss: str, outputs: int) -> Task:
    """Return the task to assume for a loss while the targets are unknown."""
    if outputs > 1:
        return CLASSIFICATION
    return BINARY if loss == "binary_cross_entropy" else REGRESSION


def infer_task(loss: str, ending: str, targets: Targets) -> Task:
    """Return the task that follows from targets (N, K), the loss and the type of the last layer.

    One-hot rows mean classes. Other rows of zeros and ones mean labels, or yes or no for a single output, if the
    outputs are probabilities. Everything else is regression.
    """
    if loss in DISTRIBUTIONS:
        return CLASSIFICATION
    yes_or_no = bool(((targets == 0) | (targets == 1)).all())
    if targets.shape[1] == 1:
        return BINARY if yes_or_no and (loss == "binary_cross_entropy" or ending == "Sigmoid") else REGRESSION
    if yes_or_no and (targets.sum(1) == 1).all():
        return CLASSIFICATION
    return MULTI_LABEL if yes_or_no and (loss == "binary_cross_entropy" or ending == "Sigmoid") else REGRESSION


def of_targets(targets: Targets) -> Task:
    """Return the task of targets (N, K) that are not classes: labels where all are zeros and ones, else regression."""
    if not ((targets == 0) | (targets == 1)).all():
        return REGRESSION
    return BINARY if targets.shape[1] == 1 else MULTI_LABEL


def check(loss: str, last_layer: str, targets: Targets) -> None:
    """Raise an error for targets (N, K) that the loss is not defined for or the last layer can never output."""
    sums = targets.sum(1)
    if loss in DISTRIBUTIONS:
        wrong = (np.abs(sums - 1) > ROUNDING) | (targets < 0).any(1)
        advice = "; for several labels end with Sigmoid() and take binary_cross_entropy, for numbers mean_squared_error"
        _refuse(wrong, targets, f"{loss} takes labels, or shares that add up to 1 in every row", advice)
    elif loss == "binary_cross_entropy":
        outside = np.any((targets < 0) | (targets > 1), axis=1)
        _refuse(outside, targets, f"{loss} takes targets from 0 to 1")
        if last_layer == "Softmax" and (np.abs(sums - 1) > ROUNDING).any():
            raise OptionError(
                "the outputs of Softmax() add up to 1, and the targets do not: for several labels end with Sigmoid()"
            )


def range_warning(ending: str, targets: Targets) -> str:
    """Return a warning if targets lie outside the range of the last layer, else ""."""
    low, high = RANGES.get(ending, (-np.inf, np.inf))
    least, most = float(targets.min()), float(targets.max())
    if least >= low and most <= high:
        return ""
    span = f"{low:g} … {high:g}" if np.isfinite(high) else f"{low:g} and more"
    return f"targets run from {least:g} to {most:g}, and {ending}() at the end gives {span} only"


def _refuse(wrong: NDArray[Any], targets: Targets, expected: str, advice: str = "") -> None:
    places = np.flatnonzero(wrong)
    if places.size:
        row = ", ".join(f"{value:g}" for value in targets[places[0]][:6])
        more = ", …" if targets.shape[1] > 6 else ""
        raise DataError(f"{expected}; the target of sample {places[0]} is {row}{more}{advice}")
