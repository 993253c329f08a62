"""Classic mistakes in the backward pass of parametric ReLU."""

import numpy as np

from chainrule.check.diagnoses.truth import catalogue
from chainrule.engines.protocol import Array


def _summed(each: Array) -> Array:
    """Return the sum over samples and positions."""
    return each.sum(axis=(0, *range(2, each.ndim)))


CATALOGUE = catalogue(
    "prelu",
    ("x", "slope-forgotten", "is zero where x is below 0: there it must be slope · dy",
     lambda t: [np.where(t.x > 0, t.dy, 0.0)]),
    ("x", "derivative-missing", "equals dy: multiply dy by the slope where x is below 0", lambda t: [t.dy]),
    ("slope", "mask-missing", "sums dy · x over all positions: only those where x ≤ 0 depend on the slope",
     lambda t: [_summed(t.dy * t.x)]),
    ("slope", "input-forgotten", "sums dy where x ≤ 0: multiply it by x", lambda t: [_summed(t.dy * (t.x <= 0))]),
    ("slope", "positions-not-summed",
     "is not summed over the positions: the slope of a channel is used at all of them",
     lambda t: [(t.dy * np.minimum(t.x, 0)).sum(axis=0)] if t.x.ndim > 2 else []),
)  # fmt: skip
