"""What operations cost: multiply-adds, and the layer that they belong to."""

import math

from chainrule.core.plan import Operation, Tensor

# Operation → number of the read tensor with one element for each result of the layer; −1: the tensor that is written
RESULTS = {"cross_correlate": -1, "dense": -1, "cross_correlate_dx": 0, "dense_dx": 0, "cross_correlate_dw": 1}
RESULTS["dense_dw"] = 1


def multiply_adds(operation: Operation) -> int:
    """Return the multiplications and additions of a convolution, a dense layer or a gradient of one, for one sample.

    Each result of the layer is a sum over one filter. Padding counts; other operations have none.
    """
    if operation.name not in RESULTS:
        return 0
    number = RESULTS[operation.name]
    results = operation.writes[0] if number < 0 else operation.operand(number)
    weights = operation.writes[0] if operation.name.endswith("_dw") else operation.operand(1)
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
    return _owner(operation.writes[0])


def bytes_moved(operation: Operation, samples: int, itemsize: int) -> int:
    """Return the bytes that an operation reads and writes for a batch."""
    counts = [t.size * (samples if t.per_sample else 1) for t in (*operation.reads, *operation.writes) if t is not None]
    return sum(counts) * itemsize


def _owner(tensor: Tensor) -> str:
    return tensor.storage.partition(".")[0]
