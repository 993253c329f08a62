"""The first pass: give each operation a fixed number of arrays, and replace operations by cheaper ones."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.core.shapes import NO_PADDING
from chainrule.engines.native.kernels.registry import PARTWISE

IMAGE_WEIGHTS_RESULT = {  # operation → indices of x, w and y, or of their gradients, among the arrays read and written
    "cross_correlate": (0, 1, 3),
    "cross_correlate_dw": (0, 2, 1),
    "cross_correlate_dx": (2, 1, 0),
}


def simplify(plan: Plan) -> Plan:
    """Return an equivalent plan with a fixed number of arrays per operation and fewer operations.

        c1.y = concatenate(a, b)           →    c1.y = place(a) with {"offset": 0, …}
                                                c1.y = place(b) with {"offset": 8, …}
        conv1.dw = add(part1, part2)       →    left out: both kernels add their part to conv1.dw
        conv2.y = cross_correlate(x, conv2.w, conv2.b)    →    dense(x, conv2.w, conv2.b), if x has one window
        b.y = broadcast(gate)                             →    y = multiply(x, gate)
        y = multiply(x, b.y)

    Each `place` writes one array into its part of the result. Gradients are added where layers share parameters. The
    kernels of some convolutions cover the whole image: in squeeze-and-excitation blocks, it is a single pixel. Their
    gates have one factor per image, which `multiply_images` repeats.
    """
    plan = _scale_images(plan)
    forward = tuple(chain.from_iterable(map(_partwise, plan.forward)))
    operations = list(chain.from_iterable(map(_partwise, plan.backward)))
    names = _storages(operations)
    backward = tuple(_renamed(branch, names) for branch in operations if not _is_sum_of_gradients(branch))
    return replace(plan, forward=forward, backward=backward)


def _partwise(operation: Operation) -> Iterator[Operation]:
    """Yield one operation per array for an operation on any number of arrays (`PARTWISE`), else the operation."""
    if operation.name not in PARTWISE:
        yield _as_dense(operation)
        return
    kernel, divide = PARTWISE[operation.name]
    tensors = [tensor for tensor in operation.reads if tensor is not None]
    shapes = [(1, *tensor.shape) for tensor in tensors]
    for tensor, attributes in zip(tensors, divide(shapes, operation.attributes), strict=True):
        yield replace(operation, name=kernel, reads=(tensor,), attributes=attributes)


def _as_dense(operation: Operation) -> Operation:
    """Return an operation of a dense layer for a convolution with a single window, else the operation itself."""
    if operation.name not in IMAGE_WEIGHTS_RESULT:
        return operation
    arrays = (*operation.reads, *operation.writes)
    attributes = operation.attributes
    x, w, y = (arrays[index] for index in IMAGE_WEIGHTS_RESULT[operation.name])
    covered = x and w and y and x.shape == w.shape[1:] and y.shape[1:] == (1, 1)
    if not covered or attributes["padding"] != NO_PADDING or attributes["flip"]:
        return operation
    reads, writes = (tuple(map(_flat, tensors)) for tensors in (operation.reads, operation.writes))
    return replace(
        operation, name=operation.name.replace("cross_correlate", "dense"), reads=reads, writes=writes, attributes={}
    )


def _scale_images(plan: Plan) -> Plan:
    """Return the plan without the repetition of factors (C, 1, 1) to (C, H, W), if only multiplications read them."""
    factors = dict[str, Tensor]()
    for operation in plan.forward:
        y = operation.writes[0]
        if operation.name == "broadcast" and operation.operand(0).shape == (*y.shape[:1], 1, 1):
            factors[y.storage] = operation.operand(0)
    factors.pop(plan.output.storage, None)
    for operation in (*plan.operations, *plan.deferred):
        repeated = _among(factors, operation)
        shapes = [tensor.shape for tensor in repeated]
        if operation.name != "multiply" or shapes != [operation.writes[0].shape]:
            for tensor in repeated:
                factors.pop(tensor.storage, None)

    def scaled(operations: tuple[Operation, ...]) -> Iterator[Operation]:
        for operation in operations:
            repeated = _among(factors, operation)
            if repeated:
                images = (tensor for tensor in operation.reads if tensor not in repeated)
                yield replace(operation, reads=(*images, factors[repeated[0].storage]))
            elif operation.writes[0].storage not in factors:
                yield operation

    return replace(plan, forward=tuple(scaled(plan.forward)), backward=tuple(scaled(plan.backward)))


def _among(factors: Mapping[str, Tensor], operation: Operation) -> list[Tensor]:
    """Return the tensors that an operation reads and that repeat factors."""
    return [tensor for tensor in operation.reads if tensor is not None and tensor.storage in factors]


def _flat(tensor: Tensor | None) -> Tensor | None:
    """Return a view of kernels (F, C, KH, KW) as a matrix (F, C·KH·KW), and of any other tensor as a vector."""
    rows = ()
    if tensor:
        rows = tensor.shape[:-3]
    return tensor and tensor.viewed((*rows, tensor.size // math.prod(rows)))


def _is_sum_of_gradients(operation: Operation) -> bool:
    """Return whether an operation adds up parts of a parameter's gradient.

    If there are three or more parts, they are added in several operations. The intermediate sums are of kind
    "statistic", like the parts.
    """
    return operation.name == "add" and operation.writes[0].kind in ("gradient", "statistic")


def _storages(operations: list[Operation]) -> dict[str, str]:
    """Return part of a sum of gradients → the whole sum, by storage."""
    replacement: dict[str, str] = {}
    for operation in reversed(operations):
        whole = operation.writes[0].storage
        if _is_sum_of_gradients(operation):
            replacement |= {part.storage: replacement.get(whole, whole) for part in operation.reads if part is not None}
            replacement.setdefault(whole, whole)
    return replacement


def _renamed(operation: Operation, names: Mapping[str, str]) -> Operation:
    def follow(tensor: Tensor) -> Tensor:
        if tensor.storage not in names:
            return tensor
        # a part of a parameter's gradient
        kind = tensor.kind
        if tensor.kind == "statistic":
            kind = "gradient"
        return replace(tensor, storage=names[tensor.storage], kind=kind)

    reads = tuple(None if tensor is None else follow(tensor) for tensor in operation.reads)
    return replace(operation, reads=reads, writes=tuple(follow(tensor) for tensor in operation.writes))
