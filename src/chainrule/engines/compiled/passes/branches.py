"""A pass for branches: give each operation a fixed number of arrays, and remove sums of gradients."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.compiled.kernels.registry import PARTWISE


def follow_branches(plan: Plan) -> Plan:
    """Return an equivalent plan with a fixed number of arrays per operation, without sums of gradients.

        c1.y = concatenate(a, b)           →    c1.y = place(a) with {"offset": 0, …}
                                                c1.y = place(b) with {"offset": 8, …}
        conv1.dw = add(part1, part2)       →    left out: both kernels add their part to conv1.dw

    Each `place` writes one array into its part of the result. Gradients are added where layers share parameters.
    """
    forward = tuple(branch for operation in plan.forward for branch in _partwise(operation))
    operations = [branch for operation in plan.backward for branch in _partwise(operation)]
    names = _storages(operations)
    backward = tuple(_renamed(branch, names) for branch in operations if not _is_sum_of_gradients(branch))
    return replace(plan, forward=forward, backward=backward)


def _partwise(operation: Operation) -> Iterator[Operation]:
    """Yield one operation per array for an operation on any number of arrays (`PARTWISE`), else the operation."""
    if operation.name not in PARTWISE:
        yield operation
        return
    kernel, divide = PARTWISE[operation.name]
    tensors = [tensor for tensor in operation.reads if tensor is not None]
    shapes = [(1, *tensor.shape) for tensor in tensors]
    for tensor, attributes in zip(tensors, divide(shapes, operation.attributes), strict=True):
        yield Operation(kernel, (tensor,), operation.writes, attributes, operation.runtime, operation.scope)


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
        kind = "gradient" if tensor.kind == "statistic" else tensor.kind  # a part of a parameter's gradient
        return replace(tensor, storage=names[tensor.storage], kind=kind)

    reads = tuple(None if tensor is None else follow(tensor) for tensor in operation.reads)
    return replace(operation, reads=reads, writes=tuple(follow(tensor) for tensor in operation.writes))
