"""Batch normalization in a program: the sums over the batch made once, and the batch seldom passed through.

Its gradients, and the activation around it, are joined to one operation; where channels are long, this is divided.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

from chainrule.core.plan import Operation, Plan, Tensor
from chainrule.engines.compiled.kernels.activations import leak_of
from chainrule.engines.compiled.kernels.normalization import SHORT
from chainrule.engines.compiled.kernels.registry import KERNELS


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
    """Return the plan with the gradients of each batch normalization, and of the activation after it, as one operation.

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


def scale_convolutions(plan: Plan, readers: Counter[str]) -> Plan:
    """Return the plan in which convolutions do the normalization in inference that alone reads their results.

    readers  how often the plan reads each storage
    """
    scales: list[Operation] = []
    forward: list[Operation] = []
    for operation in plan.forward:
        before = forward[-1] if forward else None
        alone = before and operation.reads[:1] == before.writes and readers[before.writes[0].storage] == 1
        can = before and not before.call and KERNELS[before.name].epilogues.get("scaled")
        if operation.name != "batch_norm_inference" or not before or not alone or not can or not can(before.reads):
            forward.append(operation)
            continue
        (x, w, b), y = before.reads, operation.writes[0]
        scale = Tensor(f"{y.storage}_scale", (2, y.shape[0]), "statistic")
        reads = (*operation.reads[1:], b)
        scales.append(Operation("batch_norm_scale", reads, (scale,), operation.attributes, scope="batch"))
        scaled = {**before.attributes, "scaled": True}
        forward[-1] = replace(before, reads=(x, w, scale), writes=(y,), attributes=scaled)
    return replace(plan, forward=(*scales, *forward))


def divide_norms(plan: Plan) -> Plan:
    """Return the plan with each batch normalization of long channels divided into what samples can do alone, and the
    sums over the batch between; see `divided_normalization.py`. In a sharded plan short channels are divided too.
    """
    least = 0 if plan.sharded else SHORT
    forward = tuple(part for each in plan.forward for part in _divided(each, "batch_norm", _forward_parts, least))
    joint = "batch_norm_backward"
    backward = tuple(part for each in plan.backward for part in _divided(each, joint, _backward_parts, least))
    return replace(plan, forward=forward, backward=backward)


def _divided(
    operation: Operation, name: str, parts: Callable[[Operation, Tensor], tuple[Operation, ...]], least: int
) -> tuple[Operation, ...]:
    """Return the parts of an operation of that name whose channels, those of x, have `least` cells; else itself."""
    x = operation.reads[1 if name == "batch_norm_backward" else 0] if operation.name == name else None
    return (operation,) if x is None or math.prod(x.shape[1:]) < least else parts(operation, x)


def _forward_parts(operation: Operation, x: Tensor) -> tuple[Operation, ...]:
    (_, gamma, beta), (y, mean, variance) = operation.reads, operation.writes
    name = f"{mean.storage}_by_sample"
    moments = Tensor(name, (2, x.shape[0]))
    return (
        Operation("batch_norm_moments", (x,), (moments,)),
        Operation("batch_norm_statistics", (moments,), (mean, variance), scope="batch"),
        Operation("batch_norm_inference", (x, gamma, beta, mean, variance), (y,), operation.attributes),
    )


def _backward_parts(operation: Operation, x: Tensor) -> tuple[Operation, ...]:
    (dy, _, gamma, mean, variance, y), (dgamma, dbeta, dx) = operation.reads, operation.writes
    products = Tensor(f"{dgamma.storage}_by_sample", (2, x.shape[0]))
    coefficients = Tensor(f"{dgamma.storage}_coefficients", (3, x.shape[0]), "statistic")
    slope = {"slope": operation.attributes["slope"]}
    known = {"epsilon": operation.attributes["epsilon"], "cells": math.prod(x.shape[1:])}
    written = (dgamma, dbeta, coefficients)
    return (
        Operation("batch_norm_products", (dy, x, mean, y), (products,), slope),
        Operation("batch_norm_coefficients", (products, gamma, variance), written, known, scope="batch"),
        Operation("batch_norm_combination", (dy, x, mean, y, coefficients), (dx,), slope),
    )
