"""Decisions of classifiers: their agreement with the truth, intervals of their accuracy, and thresholds."""

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist

import numpy as np

from chainrule.core.arrays import Array, Bools, Floats, Ints
from chainrule.errors import DataError, OptionError, quoted, unknown_name
from chainrule.training.ranking import cumulated

QUANTILE_STEPS = 100_000  # of the numerical integration of Student's distribution


def check_level(level: float) -> None:
    """Raise OptionError unless the level of an interval is a probability between 0 and 1."""
    if not 0 < level < 1:
        raise OptionError(f"level {quoted(level)}: expected a probability between 0 and 1, such as 0.95")


def student_quantile(level: float, freedom: int) -> float:
    """Return t such that a variable of Student's distribution is in −t … t with a probability of ``level``.

    With x = √ν tan θ, the density is proportional to cos(θ)^(ν − 1), which is integrated from 0 to π/2.
    """
    check_level(level)
    angles = np.linspace(0, math.pi / 2, QUANTILE_STEPS + 1)
    density = np.cos(angles) ** (freedom - 1)
    areas = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    angle = np.interp(level, areas / areas[-1], angles)
    return math.sqrt(freedom) * math.tan(angle)


def wilson_interval(correct: int, total: int, level: float) -> tuple[float, float]:
    """Return Wilson's interval for the probability of a success, after ``correct`` successes in ``total`` trials."""
    check_level(level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    center = correct + z * z / 2
    width = z * math.sqrt(correct * (total - correct) / total + z * z / 4)
    low = (center - width) / (total + z * z)
    high = (center + width) / (total + z * z)
    return max(low, 0.0), min(high, 1.0)  # rounding can lead out of the range of probabilities


def matthews_corrcoef(confusion: Ints) -> float:
    """Return the correlation of the true and predicted classes of a confusion matrix (K, K); 0 if it is undefined."""
    counts = confusion.astype(np.float64)
    actual = counts.sum(1)
    predicted = counts.sum(0)
    total = counts.sum()
    squares = (total**2 - actual @ actual) * (total**2 - predicted @ predicted)
    return float((np.trace(counts) * total - actual @ predicted) / math.sqrt(squares)) if squares > 0 else 0.0


def cohen_kappa(confusion: Ints) -> float:
    """Return (p − e) / (1 − e) with the accuracy p and that by chance, e, of a confusion matrix; NaN for e = 1."""
    counts = confusion.astype(np.float64)
    chance = counts.sum(1) @ counts.sum(0) / counts.sum() ** 2
    return float((np.trace(counts) / counts.sum() - chance) / (1 - chance)) if chance < 1 else math.nan


# Metrics of true and false positives and negatives, by name
CRITERIA: Mapping[str, Callable[[Floats, Floats, Floats, Floats], Floats]] = {
    "f1": lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn),
    "balanced_accuracy": lambda tp, fp, fn, tn: tp / (tp + fn) + tn / (fp + tn),  # its double
    "matthews_corrcoef": lambda tp, fp, fn, tn: (
        (tp * tn - fp * fn) / np.sqrt(np.maximum((tp + fp) * (tp + fn) * (fp + tn) * (fn + tn), 1))
    ),
}


def best_threshold(scores: Array, positive: Bools, metric: str, label: str) -> float:
    """Return the threshold with the best metric, if scores of at least this mean yes; of equal ones, the highest.

    It is in the middle between two scores, so that rounding changes no decision.

    Shapes   scores (M,), positive (M,)
    Errors   OptionError for an unknown metric; DataError unless both answers occur
    """
    if metric not in CRITERIA:
        raise unknown_name("metric of thresholds", metric, [*CRITERIA])
    values, hits, predicted = cumulated(scores, positive)
    actual = hits[-1]
    others = predicted[-1] - hits[-1]
    if not (actual and others):
        raise DataError(f"threshold of {label}: expected samples with and without it, found {actual:g} with it")
    wrong = predicted - hits
    best = int(CRITERIA[metric](hits, wrong, actual - hits, others - wrong).argmax())
    middle = float(values[best] + np.append(values, 0.0)[best + 1]) / 2
    return middle if best + 1 == len(values) or middle > values[best + 1] else float(values[best])


def ratio(part: Array, whole: Array) -> Floats:
    """Return part / whole of counts, (K,); NaN for 0/0."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def mean_defined(values: Floats) -> float:
    """Return the mean of the values that are not NaN; NaN if there are none."""
    defined = values[~np.isnan(values)]
    if not defined.size:
        return math.nan
    return float(defined.mean())
