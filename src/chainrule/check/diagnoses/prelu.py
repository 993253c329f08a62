"""Classic mistakes in the backward pass of parametric ReLU."""

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, GroundTruth, MistakeCatalogue
from chainrule.engines import Array

CATALOGUE = MistakeCatalogue("prelu")
add = CATALOGUE.add


def _summed(each: Array) -> Array:
    """Return the sum over samples and positions."""
    return each.sum(axis=(0, *range(2, each.ndim)))


@add("x", "slope-forgotten")
def without_slope(t: GroundTruth) -> Candidates:
    """Is zero where x is below 0: there it must be slope · dy."""
    yield np.where(t.x > 0, t.dy, 0.0)


@add("x", "derivative-missing")
def untouched(t: GroundTruth) -> Candidates:
    """Equals dy: multiply dy by the slope where x is below 0."""
    yield t.dy


@add("slope", "mask-missing")
def without_mask(t: GroundTruth) -> Candidates:
    """Sums dy · x over all positions: only those where x ≤ 0 depend on the slope."""
    yield _summed(t.dy * t.x)


@add("slope", "input-forgotten")
def without_input(t: GroundTruth) -> Candidates:
    """Sums dy where x ≤ 0: multiply it by x."""
    yield _summed(t.dy * (t.x <= 0))


@add("slope", "positions-not-summed")
def each_position(t: GroundTruth) -> Candidates:
    """Is not summed over the positions: the slope of a channel is used at all of them."""
    if t.x.ndim > 2:
        yield (t.dy * np.minimum(t.x, 0)).sum(axis=0)
