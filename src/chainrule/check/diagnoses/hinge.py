"""Classic mistakes in the loss of a support vector machine and its gradient."""

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

CATALOGUE = MistakeCatalogue("")
add = CATALOGUE.add


def _positive(t: GroundTruth) -> Array:
    """Return 1 at every wrong class with a positive margin, (N, K)."""
    p, target = t.values["p"], t.values["t"]
    return ((p - (p * target).sum(axis=1, keepdims=True) + 1 > 0) * (1 - target)).astype(float)


@add("y", "right-class-included")
def every_class(t: GroundTruth) -> Candidates:
    """Includes the margin of the right class, which is always 1: sum over the others only."""
    yield t.y + 1


@add("y", "batch-division-missing")
def summed(t: GroundTruth) -> Candidates:
    """Is the sum over the batch: divide it by N."""
    yield t.y * len(t.values["p"])


@add("p", "right-class-forgotten")
def without_right_class(t: GroundTruth) -> Candidates:
    """Lacks the right class: subtract the number of positive margins there."""
    yield _positive(t) / len(t.x)


@add("p", "margins-not-counted")
def one_for_all(t: GroundTruth) -> Candidates:
    """Has −1 at the right class: subtract the number of positive margins of the sample."""
    yield (_positive(t) - t.values["t"]) / len(t.x)


@add("p", "batch-division-missing")
def not_averaged(t: GroundTruth) -> Candidates:
    """Lacks the factor 1/N: the loss is the mean over the batch."""
    yield t.gradients["p"] * len(t.x)
