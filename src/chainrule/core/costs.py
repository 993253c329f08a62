"""What operations cost: multiply-adds, and the layer that they belong to."""

import math

from chainrule.core.plan import Operation, Tensor


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


def layer_of(operation: Operation) -> str:
    """Return the name of the layer that an operation belongs to; "loss" for the loss.

    This is the layer of its weights or, without any, of the gradient that it reads or else of what it writes.
    """
    tensors = [tensor for tensor in (*operation.reads, *operation.writes) if tensor is not None]
    for tensor in tensors:
        if tensor.kind in ("parameter", "gradient", "state"):
            return _owner(tensor)
    if operation.name.endswith("_dx"):
        return _owner(tensors[0])
    return _owner(operation.result)


def bytes_moved(operation: Operation, samples: int, itemsize: int) -> int:
    """Return the bytes that an operation reads and writes for a batch."""
    count = 0
    for tensor in (*operation.reads, *operation.writes):
        if tensor is None:
            continue
        count += tensor.size * samples if tensor.per_sample else tensor.size
    return count * itemsize


def _owner(tensor: Tensor) -> str:
    return tensor.storage.partition(".")[0]
