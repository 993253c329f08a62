"""Classic mistakes in the gradient of a loss (of its mean over the batch)."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.reference import softmax

CATALOGUE = MistakeCatalogue("losses")
add = CATALOGUE.add


@add("p", "batch-division-missing")
def not_averaged(t: GroundTruth) -> Candidates:
    """Lacks the factor 1/N: the loss is the mean over the batch."""
    yield t.gradients["p"] * len(t.values["p"])


@add("y", "batch-division-missing")
def summed(t: GroundTruth) -> Candidates:
    """Is the sum over the batch: the loss is its mean, so divide by N."""
    yield t.y * len(t.values["p"])


@add("p y", "softmax-over-batch")
def over_batch(t: GroundTruth) -> Candidates:
    """Takes softmax over the batch: sum over the classes of one sample, axis 1."""
    if t.operation == "softmax_cross_entropy":
        z, targets = t.values["p"], t.values["t"]
        for p in (softmax(z.T).T, softmax(z.reshape(1, -1)).reshape(z.shape)):
            yield (p - targets) / len(p)
            yield np.asarray(-(targets * np.log(p)).sum() / len(p))


@add("y", "one-hot-assumed")
def of_one_class(t: GroundTruth) -> Candidates:
    """Is right for one-hot targets only: the targets here add up to 1, so sum −t · log p over all classes."""
    if t.operation in ("softmax_cross_entropy", "categorical_cross_entropy"):
        p = softmax(t.values["p"]) if t.operation == "softmax_cross_entropy" else t.values["p"]
        yield np.asarray(-np.log(np.take_along_axis(p, t.values["t"].argmax(axis=1)[:, None], axis=1)).mean())


@add("p y", "class-division-doubled")
def averaged_over_classes(t: GroundTruth) -> Candidates:
    """Has an extra factor 1/K: add up over the classes of a sample, and take the mean over the samples only."""
    if t.operation in ("softmax_cross_entropy", "categorical_cross_entropy", "half_squared_error"):
        yield t.y / t.values["p"].shape[1]
        yield t.gradients["p"] / t.values["p"].shape[1]


@add("p", "class-division-missing")
def not_averaged_over_classes(t: GroundTruth) -> Candidates:
    """Lacks the factor 1/K: the loss of a sample is the mean over its outputs."""
    if t.operation in ("mean_squared_error", "mean_absolute_error", "huber", "binary_cross_entropy"):
        yield t.gradients["p"] * t.values["p"].shape[1]
        yield t.gradients["p"] * t.values["p"].shape[1] * len(t.values["p"])


@add("p", "slope-unbounded")
def not_clipped(t: GroundTruth) -> Candidates:
    """Is proportional to the error, as for a squared error: this loss has a slope of at most 1."""
    if t.operation in ("mean_absolute_error", "huber"):
        yield (t.values["p"] - t.values["t"]) / t.values["p"].size
        yield 2 * (t.values["p"] - t.values["t"]) / t.values["p"].size


@add("p", "softmax-forgotten")
def without_softmax(t: GroundTruth) -> Candidates:
    """Uses logits as probabilities: the gradient is (softmax(p) − t)/N."""
    if t.operation == "softmax_cross_entropy":
        yield (t.values["p"] - t.values["t"]) / len(t.values["p"])


@add("p", "prediction-minus-target")
def fused(t: GroundTruth) -> Candidates:
    """Is p − t, the gradient by the logits: that is right only for a loss fused with softmax (or sigmoid)."""
    if t.operation in ("categorical_cross_entropy", "binary_cross_entropy"):
        yield (t.values["p"] - t.values["t"]) / len(t.values["p"])
        yield (softmax(t.values["p"]) - t.values["t"]) / len(t.values["p"])
