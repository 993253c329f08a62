"""Branches in a compiled plan: kernels of a fixed number of arrays, and no passes over memory that only copy."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from chainrule.engines.numba.registry import KERNELS, PARTWISE
from chainrule.plan import Operation, Plan, Tensor


def follow_branches(plan: Plan) -> Plan:
    """Return the plan of the same results by kernels of a fixed number of arrays.

    - An operation of any number of arrays becomes one for each of them, which writes its part of the result: just
      after the part was made, if nothing else reads it, so that a thread goes on to it with what it has in its cache.
    - What reads a result that is another array unchanged reads that array.
    - The parts of a parameter's gradient, where layers share it, are one array, to which each kernel adds its own.
    """
    forward = _early_parts([each for operation in plan.forward for each in _partwise(operation)], plan)
    operations = [each for operation in plan.backward for each in _partwise(operation)]
    names = _storages(operations)
    backward = tuple(
        _renamed(each, names) for each in operations if each.writes[0].storage not in names or not _passes(each)
    )
    return replace(plan, forward=tuple(forward), backward=backward)


def _partwise(operation: Operation) -> Iterator[Operation]:
    """Yield an operation for each array of one that takes any number of them, else the operation itself."""
    if operation.name not in PARTWISE:
        yield operation
        return
    kernel, divide = PARTWISE[operation.name]
    tensors = [tensor for tensor in operation.reads if tensor is not None]
    shapes = [(1, *tensor.shape) for tensor in tensors]
    for tensor, attributes in zip(tensors, divide(shapes, operation.attributes), strict=True):
        yield replace(operation, name=kernel, reads=(tensor,), attributes=attributes)


def _early_parts(operations: list[Operation], plan: Plan) -> list[Operation]:
    """Return operations in an order in which parts that nothing else reads are written as soon as they are made."""
    others = Counter(tensor.storage for each in (*plan.backward, *plan.deferred) for tensor in each.reads if tensor)
    read = others + Counter(tensor.storage for each in operations for tensor in each.reads if tensor is not None)
    found, after = list[Operation](), dict[str, int]()
    for operation in operations:
        source = operation.reads[0]
        is_part = source is not None and not operation.call and KERNELS[operation.name].by_part
        made = after.get(source.storage) if source is not None and is_part and read[source.storage] == 1 else None
        place = len(found) if made is None else made + 1
        found.insert(place, operation)
        after = {name: number + (number >= place) for name, number in after.items()}
        after |= {tensor.storage: place for tensor in operation.writes}
    return found


def _passes(operation: Operation) -> bool:
    """Return whether an operation is left out: its result is what it reads."""
    return _is_sum_of_gradients(operation) or KERNELS[operation.name].renames


def _is_sum_of_gradients(operation: Operation) -> bool:
    """Return whether an operation adds up parts of a parameter's gradient; of three or more, sums are parts again."""
    return operation.name == "add" and operation.writes[0].kind in ("gradient", "statistic")


def _storages(operations: list[Operation]) -> dict[str, str]:
    """Return for each storage of the backward pass that is left out the one that takes its place."""
    read = Counter(tensor.storage for each in operations for tensor in each.reads if tensor is not None)
    found: dict[str, str] = {}
    for operation in operations:
        source, result = operation.reads[0], operation.writes[0]
        if not operation.call and KERNELS[operation.name].renames and source is not None and read[result.storage]:
            found[result.storage] = found.get(source.storage, source.storage)
    for operation in reversed(operations):
        whole = operation.writes[0].storage
        if _is_sum_of_gradients(operation):
            found |= {part.storage: found.get(whole, whole) for part in operation.reads if part is not None}
            found.setdefault(whole, whole)
    return found


def _renamed(operation: Operation, names: Mapping[str, str]) -> Operation:
    def follow(tensor: Tensor) -> Tensor:
        if tensor.storage not in names:
            return tensor
        kind = "gradient" if tensor.kind == "statistic" else tensor.kind  # a part of a parameter's gradient
        return replace(tensor, storage=names[tensor.storage], kind=kind)

    reads = tuple(None if tensor is None else follow(tensor) for tensor in operation.reads)
    return replace(operation, reads=reads, writes=tuple(follow(tensor) for tensor in operation.writes))
