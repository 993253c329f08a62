"""Classic mistakes in the loss of a support vector machine and its gradient."""

from chainrule.check.diagnoses.truth import GroundTruth, catalogue
from chainrule.engines.protocol import Array


def _positive(t: GroundTruth) -> Array:
    """Return 1 at every wrong class with a positive margin, (N, K)."""
    p, target = t.values["p"], t.values["t"]
    return ((p - (p * target).sum(axis=1, keepdims=True) + 1 > 0) * (1 - target)).astype(float)


CATALOGUE = catalogue(
    "",
    ("y", "right-class-included",
     "includes the margin of the right class, which is always 1: sum over the others only", lambda t: [t.y + 1]),
    ("y", "batch-division-missing", "is the sum over the batch: divide it by N", lambda t: [t.y * len(t.values["p"])]),
    ("p", "right-class-forgotten", "lacks the right class: subtract the number of positive margins there",
     lambda t: [_positive(t) / len(t.x)]),
    ("p", "margins-not-counted", "has −1 at the right class: subtract the number of positive margins of the sample",
     lambda t: [(_positive(t) - t.values["t"]) / len(t.x)]),
    ("p", "batch-division-missing", "lacks the factor 1/N: the loss is the mean over the batch",
     lambda t: [t.gradients["p"] * len(t.x)]),
)  # fmt: skip
