"""Classic mistakes in the gradient of a loss (of its mean over the batch)."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.reference import softmax

CATALOGUE = MistakeCatalogue("losses")
add = CATALOGUE.add


@add("p", "batch-division-missing", "lacks the factor 1/N: the loss is the mean over the batch")
def not_averaged(t: GroundTruth) -> Candidates:
    yield t.gradients["p"] * len(t.values["p"])


@add("y", "batch-division-missing", "is the sum over the batch: the loss is its mean, so divide by N")
def summed(t: GroundTruth) -> Candidates:
    yield t.y * len(t.values["p"])


@add("p y", "softmax-over-batch", "takes softmax over the batch: sum over the classes of one sample, axis 1")
def over_batch(t: GroundTruth) -> Candidates:
    if t.operation == "softmax_cross_entropy":
        p, targets = softmax(t.values["p"].T).T, t.values["t"]
        yield (p - targets) / len(p)
        yield np.asarray(-(targets * np.log(p)).sum() / len(p))


@add("p", "class-division-missing", "lacks the factor 1/K: the loss of a sample is the mean over its outputs")
def not_averaged_over_classes(t: GroundTruth) -> Candidates:
    if t.operation in ("mean_squared_error", "mean_absolute_error", "huber", "binary_cross_entropy"):
        yield t.gradients["p"] * t.values["p"].shape[1]
        yield t.gradients["p"] * t.values["p"].shape[1] * len(t.values["p"])


@add("p", "slope-unbounded", "is proportional to the error, as for a squared error: this loss has a slope of at most 1")
def not_clipped(t: GroundTruth) -> Candidates:
    if t.operation in ("mean_absolute_error", "huber"):
        yield (t.values["p"] - t.values["t"]) / t.values["p"].size
        yield 2 * (t.values["p"] - t.values["t"]) / t.values["p"].size


@add("p", "softmax-forgotten", "uses logits as probabilities: the gradient is (softmax(p) − t)/N")
def without_softmax(t: GroundTruth) -> Candidates:
    if t.operation == "softmax_cross_entropy":
        yield (t.values["p"] - t.values["t"]) / len(t.values["p"])


@add(
    "p",
    "prediction-minus-target",
    "is p − t, the gradient by the logits: that is right only for a loss fused with softmax (or sigmoid)",
)
def fused(t: GroundTruth) -> Candidates:
    if t.operation in ("categorical_cross_entropy", "binary_cross_entropy"):
        yield (t.values["p"] - t.values["t"]) / len(t.values["p"])
        yield (softmax(t.values["p"]) - t.values["t"]) / len(t.values["p"])
