"""Joining of the gradients around a batch normalisation: the sums over the batch made once, in one operation."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from chainrule.engines.numba.activations import leak_of
from chainrule.engines.numba.registry import KERNELS
from chainrule.plan import Operation, Plan, Tensor


def keep_signs(plan: Plan) -> Plan:
    """Return the plan in which the gradient of a leaky ReLU reads y for x: it needs the sign, which is the same.

    Often nothing else reads x then, so that the leaky ReLU can be joined with the operation before it. A slope of 0 is
    left out: y is NaN then where x is −∞.
    """
    kept = {
        operation.reads[0].storage: operation.writes[0]
        for operation in plan.forward
        if operation.name == "leaky_relu" and leak_of(operation.attributes) and operation.reads[0]
    }
    return replace(plan, backward=tuple(_with_sign(each, kept) for each in plan.backward))


def _with_sign(operation: Operation, kept: Mapping[str, Tensor]) -> Operation:
    x = operation.reads[1] if operation.name == "leaky_relu_dx" else None
    if x is None or x.storage not in kept:
        return operation
    return replace(operation, reads=(operation.reads[0], kept[x.storage].viewed(x.shape)))


def join_norm_gradients(plan: Plan, readers: Counter[str]) -> Plan:
    """Return the plan with the gradients of each batch normalisation, and of the activation after it, as one operation.

    The gradients of the parameters and of the input must stand just after one another and read the same arrays. The
    gradient of a ReLU or leaky ReLU just before them joins if what it writes is read by these two alone.

    readers  how often the plan reads each storage
    """
    backward: list[Operation] = []
    for operation in plan.backward:
        before = backward[-1] if backward else None
        if before is None or not _same_sums(before, operation):
            backward.append(operation)
            continue
        dw, activation = backward.pop(), backward[-1] if backward else None
        slope = _slope(activation, operation, readers)
        if activation is None or slope is None:
            backward.append(_joint(dw, operation, operation.reads[:2], 1.0))
        else:
            backward[-1] = _joint(dw, operation, activation.reads, slope)
    return replace(plan, backward=tuple(backward))


def _same_sums(before: Operation, operation: Operation) -> bool:
    names = KERNELS["batch_norm_backward"].joins
    return (before.name, operation.name) == names and before.reads[:2] == operation.reads[:2]


def _slope(activation: Operation | None, norm: Operation, readers: Counter[str]) -> float | None:
    """Return the slope below zero of the activation whose gradient can join; None where there is none."""
    dy = norm.reads[0]
    if activation is None or dy is None or activation.writes[0].storage != dy.storage or readers[dy.storage] != 2:
        return None
    if activation.name == "relu_dx":
        return 0.0
    return leak_of(activation.attributes) or None if activation.name == "leaky_relu_dx" else None


def _joint(dw: Operation, dx: Operation, signed: tuple[Tensor | None, ...], slope: float) -> Operation:
    """Return the joint operation; `signed`: the upstream gradient, and the array whose sign decides about the slope."""
    shape = dx.writes[0].shape
    upstream, sign = (tensor and tensor.viewed(shape) for tensor in signed)
    return replace(
        dx,
        name="batch_norm_backward",
        reads=(upstream, *dx.reads[1:], sign),
        writes=(*dw.writes, *dx.writes),
        attributes={**dx.attributes, "slope": slope},
    )
