"""What operations cost: multiply-adds and bytes."""

import math

from chainrule.core.plan import Operation


def multiply_adds(operation: Operation) -> int:
    """Return the multiplications and additions of a convolution, a dense layer or a gradient of one, for one sample.

    Each result of the layer is a sum over one filter. Padding counts; other operations have none.
    """
    written = operation.result
    if operation.name in ("cross_correlate", "dense"):
        results = written
        weights = operation.operand(1)
    elif operation.name in ("cross_correlate_dx", "dense_dx"):
        results = operation.operand(0)
        weights = operation.operand(1)
    elif operation.name in ("cross_correlate_dw", "dense_dw"):
        results = operation.operand(1)
        weights = written
    else:
        return 0
    return results.size * math.prod(weights.shape[1:])


def bytes_moved(operation: Operation, samples: int, itemsize: int) -> int:
    """Return the bytes that an operation reads and writes for a batch."""
    count = 0
    for tensor in (*operation.reads, *operation.writes):
        if tensor is None:
            continue
        count += tensor.size * samples if tensor.per_sample else tensor.size
    return count * itemsize
