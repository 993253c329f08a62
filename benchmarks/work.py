"""Counts the multiplications that a plan asks for, each with its addition.

Those of convolutions and dense layers are counted, which is nearly all of them, and as their equations have them: taps
that fall on padding too, and one and the same for whoever computes them with fewer (Winograd, FFT).
"""

import math
from collections.abc import Sequence

from chainrule.plan import Operation, Plan


def of_plan(plan: Plan) -> int:
    """Multiply-adds for one sample, forward and, in training, backward."""
    return sum(of_operation(operation) for operation in plan.operations)


def of_operation(operation: Operation) -> int:
    """Multiply-adds of one operation for one sample."""
    reads, result = operation.reads, operation.writes[0]
    match operation.name:
        case "cross_correlate" | "dense":
            return result.size * _taps(reads[1])
        case "cross_correlate_dx":
            return _size(reads[0]) * _taps(reads[1])
        case "dense_dx":
            return _size(reads[1])
        case "cross_correlate_dw" | "dense_dw":
            return _size(reads[1]) * math.prod(result.shape[1:])
        case _:
            return 0


def _taps(w: object) -> int:
    shape: Sequence[int] = getattr(w, "shape", ())
    return math.prod(shape[1:])


def _size(tensor: object) -> int:
    return int(getattr(tensor, "size", 0))
