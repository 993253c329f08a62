"""Classic mistakes in the loss of a support vector machine and its gradient."""

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

CATALOGUE = MistakeCatalogue("")
add = CATALOGUE.add


def _positive(t: GroundTruth) -> Array:
    """Return 1 at every wrong class with a positive margin, (N, K)."""
    p, target = t.values["p"], t.values["t"]
    return ((p - (p * target).sum(axis=1, keepdims=True) + 1 > 0) * (1 - target)).astype(float)


@add("y", "right-class-included", "includes the margin of the right class, which is always 1: sum over the others only")
def every_class(t: GroundTruth) -> Candidates:
    yield t.y + 1


@add("y", "batch-division-missing", "is the sum over the batch: divide it by N")
def summed(t: GroundTruth) -> Candidates:
    yield t.y * len(t.values["p"])


@add(
    "p",
    "right-class-forgotten",
    "lacks the right class: subtract the number of positive margins there",
)
def without_right_class(t: GroundTruth) -> Candidates:
    yield _positive(t) / len(t.x)


@add("p", "margins-not-counted", "has −1 at the right class: subtract the number of positive margins of the sample")
def one_for_all(t: GroundTruth) -> Candidates:
    yield (_positive(t) - t.values["t"]) / len(t.x)


@add("p", "batch-division-missing", "lacks the factor 1/N: the loss is the mean over the batch")
def not_averaged(t: GroundTruth) -> Candidates:
    yield t.gradients["p"] * len(t.x)
