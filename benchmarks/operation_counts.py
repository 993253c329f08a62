"""Number of multiply-adds of a plan.

Only convolutions and dense layers are counted, since they account for nearly all multiply-adds. The count follows the
equations: it includes products with padding, and does not depend on the algorithm (Winograd, FFT).
"""

import math
from collections.abc import Sequence

from chainrule.core.plan import Operation, Plan


def of_plan(plan: Plan) -> int:
    """Count the multiply-adds for one sample, forward and, in training, backward."""
    return sum(of_operation(operation) for operation in plan.operations)


def of_operation(operation: Operation) -> int:
    """Count the multiply-adds of one operation for one sample."""
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
