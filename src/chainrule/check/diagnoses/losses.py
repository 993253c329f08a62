"""Classic mistakes in losses (means over the batch) and in their gradients."""

import numpy as np

from chainrule.check.diagnoses.activations import softmax_over_batch
from chainrule.check.diagnoses.truth import Candidates, Catalogue, GroundTruth
from chainrule.engines.protocol import Array
from chainrule.operations.reference.softmax import softmax

AVERAGED = (  # also means over the outputs of a sample
    "mean_squared_error",
    "mean_absolute_error",
    "huber",
    "quantile",
    "poisson",
    "binary_cross_entropy",
    "binary_focal_cross_entropy",
)
SQUARED = ("half_squared_error", "mean_squared_error")
BOUNDED = ("mean_absolute_error", "huber")
CROSS_ENTROPIES = ("softmax_cross_entropy", "categorical_cross_entropy")
ADDED_UP = (*CROSS_ENTROPIES, "half_squared_error")
SMALL_NUMBERS = tuple(10.0**-exponent for exponent in range(5, 13))
OF_PROBABILITIES = ("categorical_cross_entropy", "binary_cross_entropy")


def _errors(t: GroundTruth, p: Array) -> Array:
    return p - t.values["t"]


def _of_mean(t: GroundTruth, divisor: int) -> Candidates:
    """Return the gradient without a divisor, for losses that are also means over the outputs of a sample."""
    if t.operation in AVERAGED:
        return [t.gradients["p"] * divisor]
    return []


def _of_square(t: GroundTruth, divisor: int) -> Candidates:
    """Return the gradient of the mean squared error without the factor 2 and without a divisor."""
    if t.operation == "mean_squared_error":
        return [t.gradients["p"] * divisor / 2]
    return []


LOSSES = Catalogue("losses")


@LOSSES.mistake("batch-division-missing", "lacks the factor 1/N: the loss is the mean over the batch", "p")
def _batch_division_missing(t: GroundTruth) -> Candidates:
    yield t.gradients["p"] * len(t.x)


@LOSSES.mistake("batch-division-missing", "is the sum over the batch: the loss is its mean, so divide by N", "y")
def _summed_over_batch(t: GroundTruth) -> Candidates:
    yield t.y * len(t.x)


@LOSSES.mistake(
    "softmax-over-batch", "takes softmax over the batch: sum over the classes of one sample, axis 1", "p", "y"
)
def _over_batch(t: GroundTruth) -> Candidates:
    if t.operation == "softmax_cross_entropy":
        for p in softmax_over_batch(t.x):
            yield _errors(t, p) / len(p)
            yield np.asarray(-(t.values["t"] * np.log(p)).sum() / len(p))


@LOSSES.mistake(
    "softmax-twice", "applies softmax to probabilities: the predictions are logits, so apply it once", "p", "y"
)
def _softmax_twice(t: GroundTruth) -> Candidates:
    if t.operation == "softmax_cross_entropy":
        p = softmax(softmax(t.x))
        yield np.asarray(-(t.values["t"] * np.log(p)).sum() / len(p))
        yield _errors(t, p) / len(p)


@LOSSES.mistake(
    "number-in-logarithm",
    "adds a small number to the argument of the logarithm: that changes the loss, and limits it where it should grow; "
    "with logits, log p = z − max z − log Σ exp(z − max z) needs no such number",
    "p",
    "y",
)
def _added_in_logarithm(t: GroundTruth) -> Candidates:
    """Yield the loss and its gradient with a small number added to the argument of each logarithm."""
    if t.operation not in (*CROSS_ENTROPIES, "binary_cross_entropy"):
        return
    targets = t.values["t"]
    fused = t.operation == "softmax_cross_entropy"
    if fused:
        p = softmax(t.x)
    else:
        p = t.x
    if t.operation in AVERAGED:
        count = p.size
    else:
        count = len(p)
    if t.operation == "binary_cross_entropy":
        others = (1 - targets, 1 - p)
    else:
        others = (0.0, 1.0)
    for small in SMALL_NUMBERS:
        slopes = (others[0] / (others[1] + small) - targets / (p + small)) / count
        yield np.asarray(-(targets * np.log(p + small) + others[0] * np.log(others[1] + small)).sum() / count)
        if fused:
            yield p * (slopes - (slopes * p).sum(axis=1, keepdims=True))
        else:
            yield slopes


@LOSSES.mistake(
    "one-hot-assumed",
    "is right for one-hot targets only: the targets here add up to 1, so sum −t · log p over all classes",
    "y",
)
def _of_one_class(t: GroundTruth) -> Candidates:
    if t.operation in CROSS_ENTROPIES:
        if t.operation == "softmax_cross_entropy":
            p = softmax(t.x)
        else:
            p = t.x
        yield np.asarray(-np.log(np.take_along_axis(p, t.values["t"].argmax(axis=1)[:, None], axis=1)).mean())
        yield np.asarray(-np.log((t.values["t"] * p).sum(axis=1)).mean())


@LOSSES.mistake(
    "class-division-doubled",
    "has an extra factor 1/K: add up over the classes of a sample, and take the mean over the samples only",
    "p",
    "y",
)
def _class_division_doubled(t: GroundTruth) -> Candidates:
    if t.operation in ADDED_UP:
        for result in (t.y, t.gradients["p"]):
            yield result / t.x.shape[1]


@LOSSES.mistake("class-division-missing", "is the sum over the outputs of a sample: take the mean, so divide by K", "y")
def _class_division_missing_in_loss(t: GroundTruth) -> Candidates:
    if t.operation in AVERAGED:
        yield t.y * t.x.shape[1]


@LOSSES.mistake(
    "class-division-missing", "lacks the factor 1/K: the loss of a sample is the mean over its outputs", "p"
)
def _class_division_missing(t: GroundTruth) -> Candidates:
    return _of_mean(t, t.x.shape[1])


@LOSSES.mistake(
    "all-divisions-missing",
    "lacks the factors 1/N and 1/K: the loss is the mean over all N K elements, so divide by the size of p",
    "p",
)
def _all_divisions_missing(t: GroundTruth) -> Candidates:
    return _of_mean(t, t.x.size)


@LOSSES.mistake("factor-two-and-division-missing", "lacks the factor 2/K: 2 from the square and 1/K from the mean", "p")
def _factor_two_per_class(t: GroundTruth) -> Candidates:
    return _of_square(t, t.x.shape[1])


@LOSSES.mistake("factor-two-and-division-missing", "lacks the factor 2/N: 2 from the square and 1/N from the mean", "p")
def _factor_two_per_sample(t: GroundTruth) -> Candidates:
    return _of_square(t, len(t.x))


@LOSSES.mistake(
    "factor-two-and-division-missing",
    "lacks the factor 2/(N K): 2 from the square, and 1/(N K) from the mean over all elements",
    "p",
)
def _factor_two_per_element(t: GroundTruth) -> Candidates:
    return _of_square(t, t.x.size)


@LOSSES.mistake("parentheses-forgotten", "contains 2p − t: the factor 2 multiplies both terms, 2 (p − t)", "p")
def _parentheses_forgotten(t: GroundTruth) -> Candidates:
    if t.operation in SQUARED:
        for count in (len(t.x), 2 * len(t.x), t.x.size, 2 * t.x.size):
            yield (2 * t.x - t.values["t"]) / count


@LOSSES.mistake(
    "slope-unbounded", "is proportional to the error, as for a squared error: this loss has a slope of at most 1", "p"
)
def _slope_unbounded(t: GroundTruth) -> Candidates:
    if t.operation in BOUNDED:
        for factor in (1, 2):
            yield factor * _errors(t, t.x) / t.x.size


@LOSSES.mistake("softmax-forgotten", "uses logits as probabilities: the gradient is (softmax(p) − t)/N", "p")
def _softmax_forgotten(t: GroundTruth) -> Candidates:
    if t.operation == "softmax_cross_entropy":
        yield _errors(t, t.x) / len(t.x)


@LOSSES.mistake(
    "one-subtracted-everywhere", "subtracts 1 at every class: subtract it at the right class only, p − t", "p"
)
def _one_subtracted_everywhere(t: GroundTruth) -> Candidates:
    if t.operation == "softmax_cross_entropy":
        for count in (len(t.x), 1):
            yield (softmax(t.x) - 1) / count


@LOSSES.mistake(
    "prediction-minus-target",
    "is p − t, the gradient with respect to the logits: that is right only for a loss fused with softmax or sigmoid",
    "p",
)
def _prediction_minus_target(t: GroundTruth) -> Candidates:
    if t.operation in OF_PROBABILITIES:
        for p in (t.x, softmax(t.x)):
            yield _errors(t, p) / len(p)


def _positive(t: GroundTruth) -> Array:
    """Return 1 at every wrong class with a positive margin and 0 elsewhere, (N, K)."""
    p = t.values["p"]
    target = t.values["t"]
    return ((p - (p * target).sum(axis=1, keepdims=True) + 1 > 0) * (1 - target)).astype(float)


HINGE = Catalogue(None)


@HINGE.mistake(
    "right-class-included", "includes the margin of the right class, which is always 1: sum over the others only", "y"
)
def _right_class_included(t: GroundTruth) -> Candidates:
    yield t.y + 1


@HINGE.mistake("batch-division-missing", "is the sum over the batch: divide it by N", "y")
def _hinge_summed_over_batch(t: GroundTruth) -> Candidates:
    yield t.y * len(t.values["p"])


@HINGE.mistake("right-class-forgotten", "is 0 at the right class: subtract the number of positive margins there", "p")
def _right_class_forgotten(t: GroundTruth) -> Candidates:
    yield _positive(t) / len(t.x)


@HINGE.mistake(
    "margins-not-counted", "has −1 at the right class: subtract the number of positive margins of the sample", "p"
)
def _margins_not_counted(t: GroundTruth) -> Candidates:
    yield (_positive(t) - t.values["t"]) / len(t.x)


@HINGE.mistake("batch-division-missing", "lacks the factor 1/N: the loss is the mean over the batch", "p")
def _hinge_batch_division_missing(t: GroundTruth) -> Candidates:
    yield t.gradients["p"] * len(t.x)
