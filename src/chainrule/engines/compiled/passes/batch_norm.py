"""Passes for batch normalization that reduce the number of times the batch is read.

The gradients of its parameters and of its input, and the gradient of the activation after it, become one step. Over
long channels (at least `SHORT_CHANNEL` elements per sample), normalization is split into three steps: sums for each
sample, their sum over the batch, and the normalization itself. Only the second step needs the whole batch. In
inference, the preceding convolution normalizes its own result.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chainrule.core.plan import Scope, Tensor
from chainrule.engines.compiled.kernels.activations import leaky_relu_slope
from chainrule.engines.compiled.kernels.normalization import SHORT_CHANNEL
from chainrule.engines.compiled.kernels.registry import KERNELS
from chainrule.engines.compiled.passes.steps import PlanStep, StepPlan, reader_counts


def take_signs_from_results(plan: StepPlan) -> StepPlan:
    """Return the plan in which each leaky ReLU's gradient takes the sign of the input x from the result y.

        norm1.dy = leaky_relu_dx(leaky1.dy, norm1.y)    →    norm1.dy = leaky_relu_dx(leaky1.dy, leaky1.y)

    If nothing else reads x, the leaky ReLU can then be fused with the operation before it. A leaky ReLU with slope 0 is
    not changed, because y = 0 · −∞ = NaN where x is −∞.
    """
    result_of = {
        operation.reads[0].storage: operation.writes[0]
        for operation in plan.forward
        if operation.name == "leaky_relu" and leaky_relu_slope(operation.attributes) and operation.reads[0]
    }
    return replace(plan, backward=tuple(_with_sign(step, result_of) for step in plan.backward))


def _with_sign(operation: PlanStep, kept: Mapping[str, Tensor]) -> PlanStep:
    x = operation.reads[1] if operation.name == "leaky_relu_dx" else None
    if x is None or x.storage not in kept:
        return operation
    return replace(operation, reads=(operation.reads[0], kept[x.storage].viewed(x.shape)))


def join_norm_gradients(plan: StepPlan) -> StepPlan:
    """Return the plan with one step for the gradients of each batch normalization and of the activation after it.

        norm1.dy = relu_dx(relu1.dy, relu1.y)                         →    norm1.dgamma, norm1.dbeta, conv1.dy =
        norm1.dgamma, norm1.dbeta = batch_norm_dw(norm1.dy, …)             batch_norm_backward(relu1.dy, …, relu1.y)
        conv1.dy = batch_norm_dx(norm1.dy, …)                              with {"slope": 0.0}

    The gradients of the parameters and of the input must be consecutive and read the same dy and x. The gradient of a
    ReLU or leaky ReLU immediately before them is included if nothing else reads its result.
    """
    readers = reader_counts(plan)
    backward = list[PlanStep]()
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


def _same_sums(before: PlanStep, operation: PlanStep) -> bool:
    names = KERNELS["batch_norm_backward"].joins
    return (before.name, operation.name) == names and before.reads[:2] == operation.reads[:2]


def _slope(activation: PlanStep | None, norm: PlanStep, readers: Mapping[str, int]) -> float | None:
    """Return the slope of an activation for negative x, or None if its gradient cannot be part of the joint step."""
    dy = norm.reads[0]
    if activation is None or dy is None or activation.writes[0].storage != dy.storage or readers[dy.storage] != 2:
        return None
    if activation.name == "relu_dx":
        return 0.0
    return leaky_relu_slope(activation.attributes) or None if activation.name == "leaky_relu_dx" else None


def _joint(dw: PlanStep, dx: PlanStep, signed: tuple[Tensor | None, ...], slope: float) -> PlanStep:
    """Return the step for both gradients of a batch normalization, and for the gradient of the activation after it.

    dw, dx  steps for the gradients of the parameters and of the input
    signed  upstream gradient, and the array whose sign selects the factor: the slope or 1
    slope   slope of the activation for negative x; 1 without an activation
    """
    shape = dx.writes[0].shape
    upstream, sign = (tensor and tensor.viewed(shape) for tensor in signed)
    return replace(
        dx,
        name="batch_norm_backward",
        kernel="batch_norm_backward",
        reads=(upstream, *dx.reads[1:], sign),
        writes=(*dw.writes, *dx.writes),
        attributes={**dx.attributes, "slope": slope},
    )


def scale_convolutions(plan: StepPlan) -> StepPlan:
    """Return the plan in which convolutions apply the normalization that follows them in inference.

    Nothing else may read the result of the convolution.

    conv1.y = cross_correlate(x, conv1.w, conv1.b)             →    norm1.y_scale = batch_norm_scale(norm1.gamma, …)
    norm1.y = batch_norm_inference(conv1.y, norm1.gamma, …)    →    norm1.y = cross_correlate(x, conv1.w,
                                                                              norm1.y_scale) with {"scaled": True}
    """
    readers = reader_counts(plan)
    scales, forward = list[PlanStep](), list[PlanStep]()
    for operation in plan.forward:
        before = forward[-1] if forward else None
        alone = before and operation.reads[:1] == before.writes and readers[before.writes[0].storage] == 1
        can = before and before.entry.epilogues.get("scaled")
        if operation.name != "batch_norm_inference" or not before or not alone or not can or not can(before.reads):
            forward.append(operation)
            continue
        (x, w, b), y = before.reads, operation.writes[0]
        scale = Tensor(f"{y.storage}_scale", (2, y.shape[0]), "statistic")
        reads = (*operation.reads[1:], b)
        scales.append(_step("batch_norm_scale", reads, (scale,), operation.attributes, scope="batch"))
        scaled = {**before.epilogue, "scaled": True}
        forward[-1] = replace(before, reads=(x, w, scale), writes=(y,), epilogue=scaled)
    return replace(plan, forward=(*scales, *forward))


def divide_norms(plan: StepPlan) -> StepPlan:
    """Return the plan with each batch normalization over long channels split into three steps.

    The second step combines the statistics of the samples; the others treat each sample separately.

        norm1.y, norm1.mean, norm1.variance =        →    moments = batch_norm_moments(conv1.y)    of each sample
            batch_norm(conv1.y, …)                        norm1.mean, norm1.variance = batch_norm_statistics(moments)
                                                          norm1.y = batch_norm_inference(conv1.y, …, norm1.mean, …)

    The gradients are split in the same way; see `kernels/divided_normalization.py`. In a sharded plan, normalizations
    over short channels are split too, because shards exchange statistics after the second step.
    """
    least = 0 if plan.sharded else SHORT_CHANNEL
    name = "batch_norm"
    forward = tuple(part for step in plan.forward for part in _divided(step, name, _forward_parts, least))
    joint = "batch_norm_backward"
    backward = tuple(part for operation in plan.backward for part in _divided(operation, joint, _backward_parts, least))
    return replace(plan, forward=forward, backward=backward)


def _divided(
    operation: PlanStep, name: str, parts: Callable[[PlanStep, Tensor], tuple[PlanStep, ...]], least: int
) -> tuple[PlanStep, ...]:
    """Return the parts of an operation that has this name and large channels, or else the operation itself.

    parts  function that returns the parts of an operation with input x
    least  minimum number of elements per channel in one sample of x
    """
    x = operation.reads[1 if name == "batch_norm_backward" else 0] if operation.name == name else None
    return (operation,) if x is None or math.prod(x.shape[1:]) < least else parts(operation, x)


def _forward_parts(operation: PlanStep, x: Tensor) -> tuple[PlanStep, ...]:
    (_, gamma, beta), (y, mean, variance) = operation.reads, operation.writes
    name = f"{mean.storage}_by_sample"
    moments = Tensor(name, (2, x.shape[0]))
    return (
        _step("batch_norm_moments", (x,), (moments,)),
        _step("batch_norm_statistics", (moments,), (mean, variance), scope="batch"),
        replace(
            _step("batch_norm_inference", (x, gamma, beta, mean, variance), (y,), operation.attributes),
            epilogue=operation.epilogue,
        ),
    )


def _backward_parts(operation: PlanStep, x: Tensor) -> tuple[PlanStep, ...]:
    (dy, _, gamma, mean, variance, y), (dgamma, dbeta, dx) = operation.reads, operation.writes
    products = Tensor(f"{dgamma.storage}_by_sample", (2, x.shape[0]))
    coefficients = Tensor(f"{dgamma.storage}_coefficients", (3, x.shape[0]), "statistic")
    slope = {"slope": operation.attributes["slope"]}
    attributes = {"epsilon": operation.attributes["epsilon"], "cells": math.prod(x.shape[1:])}
    written = (dgamma, dbeta, coefficients)
    return (
        _step("batch_norm_products", (dy, x, mean, y), (products,), slope),
        _step("batch_norm_coefficients", (products, gamma, variance), written, attributes, scope="batch"),
        _step("batch_norm_combination", (dy, x, mean, y, coefficients), (dx,), slope),
    )


def _step(
    kernel: str,
    reads: tuple[Tensor | None, ...],
    writes: tuple[Tensor, ...],
    attributes: Mapping[str, Any] | None = None,
    scope: Scope = "sample",
) -> PlanStep:
    """Return a step that corresponds to no operation of a layer. Its name is the name of its kernel."""
    return PlanStep(kernel, reads, writes, attributes or {}, scope=scope, kernel=kernel)
