"""Passes for batch normalization that reduce the number of times the batch is read.

The gradients of its parameters and of its input become one step. Over long channels, normalization is split into three
steps: sums for each sample, their sum over the batch, and the rest. Only the second one needs the whole batch. In
inference, the preceding convolution normalizes its own result.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chainrule.core.plan import Scope, Tensor
from chainrule.engines.native.kernels.normalization import SHORT_CHANNEL
from chainrule.engines.native.kernels.registry import KERNELS
from chainrule.engines.native.passes.steps import PlanStep, StepPlan, reader_counts


def join_norm_gradients(plan: StepPlan) -> StepPlan:
    """Return the plan with one step for the gradients of the parameters and of the input of each batch normalization.

        norm1.dgamma, norm1.dbeta = batch_norm_dw(norm1.dy, …)    →    norm1.dgamma, norm1.dbeta, conv1.dy =
        conv1.dy = batch_norm_dx(norm1.dy, …)                              batch_norm_backward(norm1.dy, …)

    The two gradients must be consecutive and read the same arrays.
    """
    backward = list[PlanStep]()
    for operation in plan.backward:
        before = None
        if backward:
            before = backward[-1]
        if before is not None and _same_sums(before, operation):
            name = "batch_norm_backward"
            writes = (*before.writes, *operation.writes)
            backward[-1] = replace(operation, name=name, kernel=name, writes=writes)
        else:
            backward.append(operation)
    return replace(plan, backward=tuple(backward))


def _same_sums(before: PlanStep, operation: PlanStep) -> bool:
    names = KERNELS["batch_norm_backward"].joins
    return (before.name, operation.name) == names and before.reads[:2] == operation.reads[:2]


def scale_convolutions(plan: StepPlan) -> StepPlan:
    """Return the plan in which convolutions apply the normalization that follows them in inference.

    Nothing else may read the result of the convolution.

    conv1.y = cross_correlate(x, conv1.w, conv1.b)             →    norm1.y_scale = batch_norm_scale(norm1.gamma, …)
    norm1.y = batch_norm_inference(conv1.y, norm1.gamma, …)    →    norm1.y = cross_correlate(x, conv1.w,
                                                                              norm1.y_scale) with {"scaled": True}
    """
    readers = reader_counts(plan)
    scales = list[PlanStep]()
    forward = list[PlanStep]()
    for operation in plan.forward:
        before = None
        if forward:
            before = forward[-1]
        alone = before and operation.reads[:1] == before.writes and readers[before.writes[0].storage] == 1
        can = before and before.entry.epilogues.get("scaled")
        if operation.name != "batch_norm_inference" or not before or not alone or not can or not can(before.reads):
            forward.append(operation)
            continue
        x, w, b = before.reads
        y = operation.writes[0]
        scale = Tensor(f"{y.storage}_scale", (2, y.shape[0]), "statistic")
        reads = (*operation.reads[1:], b)
        scales.append(_step(operation, "batch_norm_scale", reads, (scale,), operation.attributes, scope="batch"))
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
    least = SHORT_CHANNEL
    if plan.sharded:
        least = 0
    name = "batch_norm"
    forward = list[PlanStep]()
    backward = list[PlanStep]()
    for step in plan.forward:
        forward += _divided(step, name, _forward_parts, least)
    joint = "batch_norm_backward"
    for step in plan.backward:
        backward += _divided(step, joint, _backward_parts, least)
    return replace(plan, forward=tuple(forward), backward=tuple(backward))


def _divided(
    operation: PlanStep, name: str, parts: Callable[[PlanStep, Tensor], tuple[PlanStep, ...]], least: int
) -> tuple[PlanStep, ...]:
    """Return the parts of an operation that has this name and large channels, or else the operation itself.

    parts  function that returns the parts of an operation with input x
    least  minimum number of elements per channel in one sample of x
    """
    x = None
    if operation.name == name:
        x = operation.reads[1 if name == "batch_norm_backward" else 0]
    if x is None or math.prod(x.shape[1:]) < least:
        return (operation,)
    return parts(operation, x)


def _forward_parts(operation: PlanStep, x: Tensor) -> tuple[PlanStep, ...]:
    _, gamma, beta = operation.reads
    y, mean, variance = operation.writes
    name = f"{mean.storage}_by_sample"
    moments = Tensor(name, (2, x.shape[0]))
    return (
        _step(operation, "batch_norm_moments", (x,), (moments,)),
        _step(operation, "batch_norm_statistics", (moments,), (mean, variance), scope="batch"),
        replace(
            _step(operation, "batch_norm_inference", (x, gamma, beta, mean, variance), (y,), operation.attributes),
            epilogue=operation.epilogue,
        ),
    )


def _backward_parts(operation: PlanStep, x: Tensor) -> tuple[PlanStep, ...]:
    dy, _, gamma, mean, variance = operation.reads
    dgamma, dbeta, dx = operation.writes
    products = Tensor(f"{dgamma.storage}_by_sample", (2, x.shape[0]))
    coefficients = Tensor(f"{dgamma.storage}_coefficients", (3, x.shape[0]), "statistic")
    attributes = {"epsilon": operation.attributes["epsilon"], "cells": math.prod(x.shape[1:])}
    written = (dgamma, dbeta, coefficients)
    return (
        _step(operation, "batch_norm_products", (dy, x, mean), (products,)),
        _step(operation, "batch_norm_coefficients", (products, gamma, variance), written, attributes, scope="batch"),
        _step(operation, "batch_norm_combination", (dy, x, mean, coefficients), (dx,)),
    )


def _step(
    operation: PlanStep,
    kernel: str,
    reads: tuple[Tensor | None, ...],
    writes: tuple[Tensor, ...],
    attributes: Mapping[str, Any] | None = None,
    scope: Scope = "sample",
) -> PlanStep:
    """Return a step that computes a part of an operation. Its name is the name of its kernel."""
    return PlanStep(kernel, reads, writes, attributes or {}, scope=scope, layer=operation.layer, kernel=kernel)
