"""Tasks of networks, and their metrics.

Each line describes the targets of a task and, after the semicolon, its metric.

classification  one of several classes; accuracy: fraction of samples whose largest output is the true class
binary          yes or no, from one output; accuracy, where an output of at least ½ means yes
multi-label     any number of labels, one output per label; label accuracy: fraction of labels predicted correctly with
                the threshold ½
regression      real numbers; mean absolute error
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.core.arrays import Array, Floats
from chainrule.errors import DataError, unknown_name

YES_OR_NO = ("binary_cross_entropy", "binary_focal_cross_entropy")  # losses of independent probabilities
DISTRIBUTIONS = (
    "categorical_cross_entropy",
    "softmax_cross_entropy",
    "categorical_focal_cross_entropy",
)  # each sample's targets must sum to 1
OF_RATES = ("poisson",)  # losses of positive rates, with targets of at least 0
SUM_TOLERANCE = 1e-3  # tolerance for a sum of 1, because targets may be rounded to float32 or to few digits
# Smallest and largest output of each layer type.
OUTPUT_RANGES = {
    "Sigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    **dict.fromkeys(("ReLU", "Softplus", "Exp"), (0.0, np.inf)),
}

Targets = Floats


@dataclass(frozen=True)
class Task:
    """A kind of prediction problem.

    name       name used in files and messages
    operation  operation in a training plan that computes each sample's metric
    metric     name of the mean metric in histories and evaluations
    """

    name: str
    operation: str
    metric: str

    @property
    def is_share(self) -> bool:
        """Whether the metric is a fraction from 0 to 1 (higher is better) instead of an error."""
        return self.metric != "mean_absolute_error"


@dataclass(frozen=True)
class JointTask(Task):
    """The tasks of a network with several outputs. The metric is that of the first output.

    parts   task of each output, in order
    """

    parts: tuple[Task, ...] = ()

    @staticmethod
    def of(parts: Sequence[Task]) -> Task:
        """Return the task of a network whose outputs have these tasks: for one output, its task."""
        if len(parts) == 1:
            return parts[0]
        names = ",".join(part.name for part in parts)
        return JointTask(names, parts[0].operation, parts[0].metric, tuple(parts))


CLASSIFICATION = Task("classification", "correct", "accuracy")
BINARY = Task("binary", "correct_labels", "accuracy")
MULTI_LABEL = Task("multi-label", "correct_labels", "label_accuracy")
REGRESSION = Task("regression", "mean_absolute_error", "mean_absolute_error")
NAMED = {task.name: task for task in (CLASSIFICATION, BINARY, MULTI_LABEL, REGRESSION)}
METRICS = tuple(dict.fromkeys(task.metric for task in NAMED.values()))


def find(name: str) -> Task:
    """Return the task with the given name; OptionError if it is unknown. A `JointTask` has comma-separated names."""
    names = name.split(",")
    unknown = set(names) - NAMED.keys()
    if unknown:
        raise unknown_name("task", min(unknown), list(NAMED))
    return JointTask.of([NAMED[name] for name in names])


def parts(task: Task) -> tuple[Task, ...]:
    """Return the task of each output, in order."""
    if isinstance(task, JointTask):
        return task.parts
    return (task,)


def default_for(loss: str, outputs: int) -> Task:
    """Return the default task for a loss and a number of outputs, for use while the targets are unknown."""
    if outputs > 1:
        return CLASSIFICATION
    if loss in YES_OR_NO:
        return BINARY
    return REGRESSION


def infer_task(loss: str, last_layer: str | None, targets: Targets, *, are_labels: bool = False) -> Task:
    """Infer the task from rows of targets (N, K), the loss and the type of the last layer.

    are_labels   whether the targets were one label for each sample or position, not a row of numbers

    The first matching line applies:

    classification  the loss compares distributions over classes (`DISTRIBUTIONS`); or K > 1, and the targets were
                    labels, or all rows are one-hot and the last layer is not Sigmoid
    multi-label     all targets are 0 or 1, K > 1, and the last layer is Sigmoid or the loss is binary cross-entropy
    binary          all targets are 0 or 1, K = 1, and the last layer is Sigmoid or the loss is binary cross-entropy
    regression      all other cases
    """
    if loss in DISTRIBUTIONS:
        return CLASSIFICATION
    task = of_targets(targets)
    if task == MULTI_LABEL and (are_labels or last_layer != "Sigmoid") and (targets.sum(1) == 1).all():
        return CLASSIFICATION
    if loss in YES_OR_NO or last_layer == "Sigmoid":
        return task
    return REGRESSION


def of_targets(targets: Targets) -> Task:
    """Return the task of targets (N, K) that are not class labels.

    If all targets are zeros and ones, the task is binary (K = 1) or multi-label (K > 1), else regression.
    """
    if not ((targets == 0) | (targets == 1)).all():
        return REGRESSION
    if targets.shape[1] == 1:
        return BINARY
    return MULTI_LABEL


def check(loss: str, targets: Targets, task: Task | None = None) -> None:
    """Raise an error if targets (N, K) are outside the loss's domain, or not those of a task that is known.

    For dense targets, the rows (`Targets.rows`) are checked.

    Errors   DataError for targets outside the domain, or that are no zeros and ones, but mean yes or no
    """
    if task in (BINARY, MULTI_LABEL):
        fractions = np.any((targets != 0) & (targets != 1), axis=1)
        _raise_if_any(fractions, targets, f"the task is {task.name}: targets are 0 or 1", "; for numbers, pass loss=")
    if loss in DISTRIBUTIONS:
        invalid = (np.abs(targets.sum(1) - 1) > SUM_TOLERANCE) | (targets < 0).any(1)
        advice = "; for several labels use Sigmoid() and binary_cross_entropy, for numbers mean_squared_error"
        _raise_if_any(invalid, targets, f"{loss} expects labels, or probabilities that sum to 1 in every row", advice)
    elif loss in YES_OR_NO:
        outside = np.any((targets < 0) | (targets > 1), axis=1)
        _raise_if_any(outside, targets, f"{loss} expects targets from 0 to 1")
    elif loss in OF_RATES:
        _raise_if_any(np.any(targets < 0, axis=1), targets, f"{loss} expects counts of at least 0")


def range_warning(last_layer: str | None, targets: Targets) -> str | None:
    """Return a warning if targets are outside the last layer's range, otherwise None."""
    if last_layer not in OUTPUT_RANGES:
        return None
    low, high = OUTPUT_RANGES[last_layer]
    minimum = float(targets.min())
    maximum = float(targets.max())
    if minimum >= low and maximum <= high:
        return None
    output_range = f"{low:g} … {high:g}" if np.isfinite(high) else f"{low:g} and more"
    limits = f"the outputs of {last_layer}() are limited to {output_range}"
    return f"targets range from {minimum:g} to {maximum:g}, but {limits}"


def _raise_if_any(invalid: Array, targets: Targets, expected: str, advice: str = "") -> None:
    rows = np.flatnonzero(invalid)
    if rows.size:
        row = ", ".join(f"{value:g}" for value in targets[rows[0]][:6])
        more = ", …" if targets.shape[1] > 6 else ""
        raise DataError(f"{expected}; the target of sample {rows[0]} is {row}{more}{advice}")
