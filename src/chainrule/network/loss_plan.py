"""The loss operations of a training plan: the loss and the metric of each sample, and the gradient of the mean loss."""

import math
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from chainrule.core.arrays import Array, Arrays
from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import NO_PADDING
from chainrule.network import losses
from chainrule.network.losses import CustomLoss, JointLoss, SingleLoss
from chainrule.network.tasks import Task


class _Weights(Protocol):
    @property
    def ndim(self) -> int: ...


class Weighting(Enum):
    """What has a weight in the loss. The values are numbers of axes of the weights of a batch.

    SAMPLES     each sample, (N,)
    LABELS      each label of a sample, (N, K)
    POSITIONS   each position of dense predictions, for the loss and for the metric, (N, 2, …): three or more axes
    """

    SAMPLES = 1
    LABELS = 2
    POSITIONS = 3

    @staticmethod
    def of(weights: _Weights | None) -> "Weighting | None":
        """Return what the weights of a batch belong to; None if there are no weights."""
        if weights is None:
            return None
        return Weighting(min(weights.ndim, 3))


def emit(
    builder: Builder,
    loss: SingleLoss,
    p: Tensor,
    task: Task,
    measured: Tensor,
    weighting: Weighting | None = None,
) -> dict[str, Tensor]:
    """Add operations for each sample's loss and metric, and for the gradient of the mean loss, to a training plan.

    p         predictions, or scores for a loss that includes their activation. The gradient is that with respect to p
    measured  predictions for the metric
    weighting   what has a weight by which losses and gradients are multiplied; None: nothing

    Return a dictionary of the tensors "target", "loss", "correct" (the metric) and, if weighted, "weights".
    """
    builder.begin("loss")
    target = Tensor("t", p.shape, "target")
    value = builder.activation("y", ())
    tensors = {"target": target, "loss": value}
    metric_weights = None
    if weighting is None:
        _emit_loss(builder, loss, (p, target), value, None, p.gradient())
    else:
        weights = _emit_weighted_loss(builder, loss, (p, target), value, weighting)
        tensors["weights"] = weights
        if weighting is Weighting.POSITIONS:
            metric_weights = weights
    tensors["correct"] = _emit_metric(builder, task, (measured, target), metric_weights)
    return tensors


def emit_joint(
    builder: Builder,
    loss: JointLoss,
    outputs: Sequence[tuple[SingleLoss, Tensor]],
    task: Task,
    measured: Tensor,
    weighting: Weighting | None = None,
) -> dict[str, Tensor]:
    """Add the operations of `emit` for several outputs. Their weighted losses are added.

    outputs   loss and p of each output, in the order of the terms of the loss
    measured  predictions of the first output for the metric
    weighting   SAMPLES if all losses of a sample, and their gradients, are multiplied by its weight; None if not

    Return a dictionary of the tensors "target" (all targets, packed), "loss", "correct" (the metric of the first
    output) and, if weighted, "weights".
    """
    target = Tensor("t", (sum(p.size for _, p in outputs),), "target")
    tensors = {"target": target}
    weights = None
    if weighting is not None:
        weights = Tensor("weights", (), "target")
        tensors["weights"] = weights
    values = list[Tensor]()
    end = 0
    for number, ((name, p), term) in enumerate(zip(outputs, loss.terms, strict=True), 1):
        builder.begin(f"loss_{number}")
        start = end
        end += p.size
        t = builder.activation("t", p.shape)
        builder.forward("crop", (target,), (t.viewed((t.size,)),), before=(start,), after=(target.size - end,))
        values.append(_emit_term(builder, name, (p, t), term.weight, weights))
        if number == 1:
            tensors["correct"] = _emit_metric(builder, task, (measured, t))
    builder.begin("loss")
    if weights is None:
        tensors["loss"] = _emit_sum(builder, values, "y")
    else:
        unweighted = _emit_sum(builder, values, "unweighted")
        tensors["loss"] = _emit_product(builder, unweighted, weights, "y")
    return tensors


def _emit_term(
    builder: Builder, loss: SingleLoss, arrays: tuple[Tensor, Tensor], weight: float, weights: Tensor | None
) -> Tensor:
    """Emit the loss of one output, and its gradient multiplied by the output's weight and the weights of the samples.

    Return the loss multiplied by the output's weight.
    """
    p, _ = arrays
    value = builder.activation("y", ())
    factors = (weight != 1) + (weights is not None)
    steps = [builder.activation(f"dp{number}", p.shape) for number in range(1, factors + 1)]
    steps.append(p.gradient())
    _emit_loss(builder, loss, arrays, value, None, steps[0])
    if weight != 1:
        builder.backward("rescaling", (steps[0],), (steps[1],), scale=weight, shift=0.0)
        weighted = builder.activation("weighted", ())
        builder.forward("rescaling", (value,), (weighted,), scale=weight, shift=0.0)
        value = weighted
    if weights is not None:
        _emit_weights(builder, weights, steps[-2].viewed((p.size,)), p.viewed((p.size,)))
    return value


def _emit_weighted_loss(
    builder: Builder, loss: SingleLoss, arrays: tuple[Tensor, Tensor], result: Tensor, weighting: Weighting
) -> Tensor:
    """Emit the loss of one output and its gradient, multiplied by weights. Return the tensor of the weights."""
    p, target = arrays
    if weighting is Weighting.LABELS:  # each label is a position with a single output
        p = p.viewed((1, p.size))
        target = target.viewed(p.shape)
    positions = p.shape[1:]
    losses.check_weights(loss, bool(positions))
    shapes = {Weighting.SAMPLES: (), Weighting.LABELS: positions, Weighting.POSITIONS: (2, *positions)}
    weights = Tensor("weights", shapes[weighting], "target")
    loss_weights = weights
    if weighting is Weighting.POSITIONS:
        loss_weights = _plane(builder, weights, 0)
    dp = builder.activation("unweighted_dp", p.shape)
    _emit_loss(builder, loss, (p, target), result, loss_weights, dp)
    return weights


def _emit_metric(builder: Builder, task: Task, arrays: tuple[Tensor, Tensor], weights: Tensor | None = None) -> Tensor:
    """Emit the metric of one output. Weights of positions have two planes, of which the second one is the metric's."""
    predictions, _ = arrays
    positions = predictions.shape[1:]
    metric = "error" if task.operation == "mean_absolute_error" else "correct"
    result = builder.activation(metric, ())
    if not positions:
        builder.forward(task.operation, arrays, (result,))
        return result
    values = builder.activation(f"{metric}_positions", positions)
    builder.forward(task.operation, arrays, (values,))
    if weights is not None:
        values = _emit_product(builder, values, _plane(builder, weights, 1), f"{metric}_weighted")
    _emit_mean(builder, values, result)
    return result


def _emit_sum(builder: Builder, values: Sequence[Tensor], name: str) -> Tensor:
    """Emit the sum of values of the samples, and return it."""
    total = values[0]
    for number, value in enumerate(values[1:], 2):
        result_name = name if number == len(values) else f"sum{number}"
        result = builder.activation(result_name, ())
        builder.forward("add", (total, value), (result,))
        total = result
    return total


def _emit_loss(
    builder: Builder,
    loss: SingleLoss,
    arrays: tuple[Tensor, Tensor],
    result: Tensor,
    weights: Tensor | None,
    dp: Tensor,
) -> None:
    """Add operations for each sample's loss and for the gradient of the mean loss with respect to the predictions.

    arrays   predictions and targets
    result   loss of each sample
    weights  weight of each sample, (), or of each position; None: all are 1
    dp       tensor for the gradient without weights
    """
    p, _ = arrays
    positions = p.shape[1:]
    is_of_sample = isinstance(loss, CustomLoss) or loss in losses.OF_SAMPLES
    unweighted = result
    if positions and not is_of_sample:
        unweighted = builder.activation("positions", positions)
    elif weights is not None:
        unweighted = builder.activation("unweighted", ())
    if isinstance(loss, CustomLoss):
        options = {"scope": "batch"}
        builder.forward(f"{loss.name}.forward", arrays, (unweighted,), call=_as_tuple_function(loss.losses), **options)
        builder.backward(f"{loss.name}.backward", arrays, (dp,), call=_as_tuple_function(loss.gradient), **options)
    else:
        rows = math.prod(unweighted.shape)
        name, attributes = losses.operation(loss)
        builder.forward(name, arrays, (unweighted,), **attributes)
        builder.backward(f"{name}_dp", arrays, (dp,), runtime={"batch": ("batch", rows)}, **attributes)
    values = unweighted
    if weights is not None:
        _emit_weights(builder, weights, dp, p)
        product = None if positions else result
        values = _emit_product(builder, unweighted, weights, "weighted", product)
    if positions and values is not result:
        _emit_mean(builder, values, result)


def _plane(builder: Builder, weights: Tensor, number: int) -> Tensor:
    """Emit and return one of the two planes of weights (2, …)."""
    rows = (1, math.prod(weights.shape[1:]))
    plane = builder.activation(f"weights{number + 1}", (1, *rows))
    ends = {"before": (number, 0, 0), "after": (1 - number, 0, 0)}
    builder.forward("crop", (weights.viewed((2, *rows)),), (plane,), **ends)
    return plane.viewed(weights.shape[1:])


def _emit_product(builder: Builder, values: Tensor, weights: Tensor, name: str, result: Tensor | None = None) -> Tensor:
    """Multiply values by weights of the same shape, and return the result, by default a new tensor."""
    product = result or builder.activation(name, values.shape)
    builder.forward("multiply", (values, weights), (product,))
    return product


def _emit_weights(builder: Builder, weights: Tensor, dp: Tensor, p: Tensor) -> None:
    """Multiply each row of the gradient by its weight."""
    all_weights = builder.activation("weights", p.shape)
    single = (1,) * (len(p.shape) - len(weights.shape)) + weights.shape
    builder.backward("broadcast", (weights.viewed(single),), (all_weights,), shape=p.shape)
    builder.backward("multiply", (dp, all_weights), (p.gradient(),))


def _emit_mean(builder: Builder, values: Tensor, result: Tensor) -> None:
    """Emit the mean of the values at all positions of a sample."""
    window = values.shape
    if len(window) != 2:
        window = (1, math.prod(window))
    options = {"window": window, "stride": window, "padding": NO_PADDING, "divisor": "cells"}
    builder.forward("average_pool", (values.viewed((1, *window)),), (result.viewed((1, 1, 1)),), **options)


def _as_tuple_function(function: Callable[[Array, Array], Array]) -> Callable[[Array, Array], Arrays]:
    """Wrap a function so that it returns a tuple, like an operation."""

    def call(p: Array, t: Array) -> Arrays:
        return (function(p, t),)

    return call
