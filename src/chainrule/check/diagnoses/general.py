"""Classic mistakes that any layer can make."""

from functools import partial

import numpy as np

from chainrule.check.diagnoses.truth import Candidates, Mistake, Truth
from chainrule.check.report import Diagnosis

SIGN = Diagnosis("sign", "has the wrong sign")
BATCH = Diagnosis(
    "batch-division-doubled", "has a factor 1/n too many: dy already holds the division by the batch, so only sum"
)
DOUBLED = Diagnosis("gradient-doubled", "is twice the right answer")
HALVED = Diagnosis("gradient-halved", "is half the right answer")
ZERO = Diagnosis("gradient-zero", "is zero everywhere")
UPSTREAM = Diagnosis("upstream-forgotten", "is what it would be if dy were all ones: multiply by what comes from above")
UNSUMMED = Diagnosis("batch-not-summed", "holds one sample only: every sample of the batch adds to the same parameters")
ALONE = (SIGN, BATCH, ZERO, DOUBLED, HALVED)  # never one of two


def mistakes(tensor: str) -> list[Mistake]:
    """Those that can befall the gradient of a tensor (the output has none of them)."""
    if tensor == "y":
        return [Mistake(tensor, SIGN, lambda t: [-t.y])]
    found = [
        Mistake(tensor, SIGN, lambda t: [-t.right(tensor)]),
        Mistake(tensor, BATCH, lambda t: [t.right(tensor) / len(t.x)]),
        Mistake(tensor, DOUBLED, lambda t: [2 * t.right(tensor)]),
        Mistake(tensor, HALVED, lambda t: [t.right(tensor) / 2]),
        Mistake(tensor, ZERO, lambda t: [np.zeros_like(t.right(tensor))]),
        Mistake(tensor, UPSTREAM, partial(_without_upstream, tensor)),
    ]
    return found if tensor in ("x", "p", "b") else [*found, Mistake(tensor, UNSUMMED, partial(_samples, tensor))]


def _without_upstream(tensor: str, t: Truth) -> Candidates:
    if t.dy.size > 1:
        yield t.compute(t.values, np.ones_like(t.dy))[tensor]


def _samples(tensor: str, t: Truth) -> Candidates:
    """The gradient of every sample alone: all of them side by side, the last, the first."""
    if t.operation == "batch_norm":
        return
    each = [t.compute({**t.values, "x": t.x[n : n + 1]}, t.dy[n : n + 1])[tensor] for n in range(len(t.x))]
    yield np.stack(each)
    yield each[-1]
    yield each[0]
