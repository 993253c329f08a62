"""Classic mistakes in the gradient of a loss (of its mean over the batch)."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, catalogue
from chainrule.engines import Array
from chainrule.reference import softmax

AVERAGED = ("mean_squared_error", "mean_absolute_error", "huber", "binary_cross_entropy")  # over the classes too
BOUNDED = ("mean_absolute_error", "huber")
OF_PROBABILITIES = ("categorical_cross_entropy", "binary_cross_entropy")


def _errors(t: GroundTruth, p: Array) -> Array:
    return p - t.values["t"]


def _over_batch(t: GroundTruth) -> Candidates:
    if t.operation == "softmax_cross_entropy":
        p = softmax(t.x.T).T
        yield _errors(t, p) / len(p)
        yield np.asarray(-(t.values["t"] * np.log(p)).sum() / len(p))


CATALOGUE = catalogue(
    "losses",
    ("p", "batch-division-missing", "lacks the factor 1/N: the loss is the mean over the batch",
     lambda t: [t.gradients["p"] * len(t.x)]),
    ("y", "batch-division-missing", "is the sum over the batch: the loss is its mean, so divide by N",
     lambda t: [t.y * len(t.x)]),
    ("p y", "softmax-over-batch", "takes softmax over the batch: sum over the classes of one sample, axis 1",
     _over_batch),
    ("p", "class-division-missing", "lacks the factor 1/K: the loss of a sample is the mean over its outputs",
     lambda t: [t.gradients["p"] * count for count in (t.x.shape[1], t.x.size)] if t.operation in AVERAGED else []),
    ("p", "slope-unbounded",
     "is proportional to the error, as for a squared error: this loss has a slope of at most 1",
     lambda t: [each * _errors(t, t.x) / t.x.size for each in (1, 2) if t.operation in BOUNDED]),
    ("p", "softmax-forgotten", "uses logits as probabilities: the gradient is (softmax(p) − t)/N",
     lambda t: [_errors(t, t.x) / len(t.x)] if t.operation == "softmax_cross_entropy" else []),
    ("p", "prediction-minus-target",
     "is p − t, the gradient by the logits: that is right only for a loss fused with softmax (or sigmoid)",
     lambda t: [_errors(t, p) / len(p) for p in (t.x, softmax(t.x)) if t.operation in OF_PROBABILITIES]),
)  # fmt: skip
