"""What a plan is rewritten to before it becomes a program: the same sums in fewer passes, or shared otherwise."""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace

from chainrule.engines.numba.operations import fitting
from chainrule.plan import Operation, Plan, Tensor

# Multiplications of a layer from which on threads share it for one picture: of dense ones, which read as many weights,
# fewer, because a half of them may stay in a cache that all do not fit into.
LARGE = {"cross_correlate": 1 << 20, "dense": 1 << 18}

STEPS = ("rectify", "pooled")  # what the kernels of convolutions do with their sums, in this order


def is_large(operation: Operation) -> bool:
    """Whether threads should share a layer for one picture."""
    if operation.name not in LARGE:
        return False
    _, w, _ = operation.reads
    most = LARGE[operation.name]
    return w is not None and math.prod(w.shape) * math.prod(operation.writes[0].shape[1:]) >= most


def rectified(plan: Plan) -> Plan:
    """The plan with every ReLU that alone reads a cross-correlation done by that, as it writes its result."""

    def done(before: Operation, relu: Operation) -> Operation | None:
        if relu.name != "relu" or before.name != "cross_correlate" or not _is_open(before, "rectify"):
            return None
        return replace(before, writes=relu.writes, attributes={**before.attributes, "rectify": True})

    return _joined(plan, done)


def _joined(plan: Plan, done: Callable[[Operation, Operation], Operation | None]) -> Plan:
    """The plan with forward operations done by those before them.

    An operation may be joined with the one just before it if that writes nothing but what it reads, in the same shape,
    and nobody else ever looks into that memory: no operation forward, backward or after the step, nor who reads the
    ends of the plan.

    done   (operation, the one behind it) → one operation for both, or None where there is none
    """
    ends = [plan.output, *(tensor for tensor in (plan.target, plan.loss, plan.correct) if tensor is not None)]
    readers = Counter(tensor.storage for tensor in (*ends, *_reads(plan.operations + plan.closing)))
    forward: list[Operation] = []
    for operation in plan.forward:
        before = forward[-1] if forward else None
        alone = before and before.writes == operation.reads and readers[before.writes[0].storage] == 1
        both = done(before, operation) if before and alone else None
        if both:
            forward[-1] = both
        else:
            forward.append(operation)
    return replace(plan, forward=tuple(forward))


def _is_open(operation: Operation, step: str) -> bool:
    """Return whether a convolution's kernel can take a step behind its sums: each once, in the order of `STEPS`."""
    return not any(operation.attributes.get(later) for later in STEPS[STEPS.index(step) :])


def _reads(operations: Iterable[Operation]) -> list[Tensor]:
    return [tensor for operation in operations for tensor in operation.reads if tensor is not None]


def widened(plan: Plan) -> Plan:
    """The plan with its large layers as operations of the whole batch, which threads share."""
    return replace(
        plan,
        forward=tuple(replace(each, scope="batch") if is_large(each) else each for each in plan.forward),
    )


def fitted(plan: Plan, itemsize: int) -> Plan:
    """The plan with every operation as the kernel that fits its shapes."""
    return replace(
        plan,
        forward=tuple(_fitted(each, itemsize) for each in plan.forward),
        backward=tuple(_fitted(each, itemsize) for each in plan.backward),
    )


def _fitted(operation: Operation, itemsize: int) -> Operation:
    return replace(operation, name=fitting(operation.name, operation.reads, operation.attributes, itemsize))


def pooled(plan: Plan) -> Plan:
    """The plan for inference with every max pooling 2×2 that alone reads a cross-correlation done by that.

    Not by the kernel of `convolution` if the bias is untied. In training the winners are needed, and all they won over.
    """
    if plan.backward:
        return plan

    def done(before: Operation, pool: Operation) -> Operation | None:
        if pool.name != "max_pool" or not (_pools(before) and _by_two(pool)):
            return None
        return replace(before, writes=pool.writes[:1], attributes={**before.attributes, "pooled": True})

    return _joined(plan, done)


def _pools(operation: Operation) -> bool:
    """Return whether a kernel can pool its results, and does not yet."""
    if operation.name not in ("correlate_filters", "cross_correlate") or not _is_open(operation, "pooled"):
        return False
    bias = operation.reads[-1]
    untied = bias is not None and len(bias.shape) > 1
    return operation.name == "correlate_filters" or not untied


def _by_two(operation: Operation) -> bool:
    """Whether windows are 2×2, side by side, without padding."""
    given = operation.attributes
    return (
        tuple(given["window"]) == (2, 2)
        and tuple(given.get("stride") or (2, 2)) == (2, 2)
        and not any(map(any, given.get("padding", ())))
    )
