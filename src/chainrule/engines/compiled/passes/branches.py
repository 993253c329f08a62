"""Passes for branches: give each operation a fixed number of arrays, and remove operations that only copy."""

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from typing import NamedTuple

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.compiled.kernels.registry import KERNELS, PARTWISE
from chainrule.engines.compiled.passes.steps import PlanStep, StepPlan, tensors_of, tensors_read


def follow_branches(plan: Plan) -> Plan:
    """Return an equivalent plan with a fixed number of arrays per operation. It neither copies nor sums gradients.

        c1.y = concatenate(a, b)           →    c1.y = place(a) with {"offset": 0, …}
                                                c1.y = place(b) with {"offset": 8, …}
        add1.da = add_dx(add1.dy)          →    removed: readers of add1.da read add1.dy
        conv1.dw = add(part1, part2)       →    removed: both kernels add their part to conv1.dw

    Each `place` writes one array into its part of the result. Gradients are added where layers share parameters.
    """
    forward = tuple(branch for operation in plan.forward for branch in _partwise(operation))
    operations = [branch for operation in plan.backward for branch in _partwise(operation)]
    names = _storages(operations)
    backward = tuple(
        _renamed(branch, names) for branch in operations if branch.writes[0].storage not in names or not _passes(branch)
    )
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


class ArrayPart(NamedTuple):
    """The position of an array within a larger one.

    whole   storage of the larger array
    before  number of its elements before the part
    """

    whole: str
    before: int


def write_parts(plan: StepPlan, arguments: Set[str]) -> tuple[StepPlan, dict[str, ArrayPart]]:
    """Return the plan without copies into concatenations, and the position of each part, by storage.

        a = cross_correlate(…)     →    a = cross_correlate(…)    a is stored in c1.y at offset 0
        c1.y = place(a)            →    removed

    The channels of a sample are contiguous, so that the operation that computes a part can write it into the
    concatenation. A copy is kept if the part or the concatenation is an argument of the program, if several operations
    write the part, or if the part has been placed before.

    plan       inference on one sample
    arguments  storages of the program's arguments
    """
    sizes: dict[str, set[int]] = {}
    makers: dict[str, list[str]] = {}
    for operation in plan.operations:
        for tensor in tensors_of([operation]):
            sizes.setdefault(tensor.storage, set()).add(tensor.size)
        for tensor in operation.writes:
            makers.setdefault(tensor.storage, []).append(operation.name)

    def lies_in(part: Tensor, whole: Tensor) -> bool:
        names = makers.get(part.storage, [])
        once = len(names) == 1 or {*names} == {"place"}
        whole_arrays = all(sizes[tensor.storage] == {tensor.size} for tensor in (part, whole))
        return once and whole_arrays and part.storage not in parts and not {part.storage, whole.storage} & arguments

    forward, parts = list[PlanStep](), dict[str, ArrayPart]()
    for operation in plan.forward:
        part, whole = next(iter(operation.reads), None), operation.writes[0]
        if operation.name == "place" and operation.attributes["axis"] == 0 and part and lies_in(part, whole):
            channel = whole.size // operation.attributes["whole"]
            parts[part.storage] = ArrayPart(whole.storage, operation.attributes["offset"] * channel)
        else:
            forward.append(operation)
    return replace(plan, forward=tuple(forward)), parts


def _passes(operation: Operation) -> bool:
    """Return whether an operation can be removed: it only renames an array, or adds up a parameter's gradient."""
    return _is_sum_of_gradients(operation) or KERNELS[operation.name].renames


def _is_sum_of_gradients(operation: Operation) -> bool:
    """Return whether an operation adds up parts of a parameter's gradient.

    If there are three or more parts, they are added in several operations. The intermediate sums are of kind
    "statistic", like the parts.
    """
    return operation.name == "add" and operation.writes[0].kind in ("gradient", "statistic")


def _storages(operations: list[Operation]) -> dict[str, str]:
    """Return a replacement for each storage that no operation of its own writes any longer: storage → replacement.

    The total gradient of a parameter that operations add up replaces its parts, and itself: the kernels of the parts
    write it, and the sums are removed.
    """
    read = Counter(tensor.storage for tensor in tensors_read(operations))
    replacement: dict[str, str] = {}
    for operation in operations:
        source, result = operation.reads[0], operation.writes[0]
        if not operation.call and KERNELS[operation.name].renames and source is not None and read[result.storage]:
            replacement[result.storage] = replacement.get(source.storage, source.storage)
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
