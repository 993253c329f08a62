"""What a plan is rewritten to before it becomes a program: the same sums in fewer passes, or shared otherwise."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from chainrule.plan import Operation, Plan, Tensor

LARGE = 1 << 20  # multiplications of a layer from which on threads share it for one picture


def is_large(operation: Operation) -> bool:
    """Whether threads should share the filters of a layer for one picture."""
    if operation.name != "cross_correlate":
        return False
    _, w, _ = operation.reads
    return w is not None and math.prod(w.shape) * math.prod(operation.writes[0].shape[1:]) >= LARGE


def rectified(plan: Plan) -> Plan:
    """The plan with every ReLU that alone reads a cross-correlation done by that, as it writes its result."""
    readers = Counter(tensor.storage for tensor in (plan.output, *_reads(plan.operations)))
    forward: list[Operation] = []
    for operation in plan.forward:
        before = forward[-1] if forward else None
        if (
            operation.name == "relu"
            and before is not None
            and before.name == "cross_correlate"
            and before.writes[0] == operation.reads[0]
            and readers[before.writes[0].storage] == 1
        ):
            attributes = {**before.attributes, "rectify": True}
            forward[-1] = replace(before, writes=operation.writes, attributes=attributes)
        else:
            forward.append(operation)
    return replace(plan, forward=tuple(forward))


def _reads(operations: Iterable[Operation]) -> list[Tensor]:
    return [tensor for operation in operations for tensor in operation.reads if tensor is not None]


def widened(plan: Plan) -> Plan:
    """The plan with its large layers as operations of the whole batch, which threads share."""
    return replace(
        plan,
        forward=tuple(replace(each, scope="batch") if is_large(each) else each for each in plan.forward),
    )
