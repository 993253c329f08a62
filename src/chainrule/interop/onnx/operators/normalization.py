"""Normalization and dropout."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import Shape
from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Array, Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.reductions import over
from chainrule.interop.onnx.operators.terms import ScaledTerm, binary


def read_batch_norm(call: Call) -> Feature:
    """Return BatchNorm2D with its running statistics."""
    if call.integer("spatial", 1) != 1:
        raise call.unsupported("spatial 0", "normalization by channel")
    if training := _training_mode(call):
        raise call.unsupported(f"{training}: training mode", "normalization by running statistics")
    momentum = 1 - call.real("momentum", 0.9)
    options: dict[str, Any] = {"epsilon": call.real("epsilon", 1e-5)}
    if 0 < momentum <= 1:  # other values occur in files for inference only
        options["momentum"] = round(momentum, 9)
    names = ("gamma", "beta", "running_mean", "running_variance")
    return _normalized_channels(call, "BatchNorm2D", options, names, (1, 3))


def _normalized_channels(
    call: Call, kind: str, options: dict[str, Any], names: Sequence[str], ranks: Sequence[int]
) -> Feature:
    """Return a layer with parameters for each channel.

    names   names of the parameters, in the order of the inputs
    ranks   numbers of axes of a sample that the layer accepts
    """
    file_shape = call.feature().shape
    weights = {name: call.constant(index) for index, name in enumerate(names, 1)}
    for index, value in enumerate(weights.values(), 2):
        if len(file_shape) < 2 or value.shape != file_shape[1:2]:
            expected = "(N, C, …) and one number for each channel"
            raise call.invalid(f"input {index} of shape {value.shape} for {file_shape}", expected)
    x = call.batched_input()
    shape = x.node.shape
    lifted = shape if len(shape) in ranks else (shape[0], 1, math.prod(shape[1:]))
    return call.reshape(call.weighted(kind, call.reshape(x, lifted), options, weights), shape)


def _training_mode(call: Call) -> str:
    """Describe the attribute or the outputs that request batch statistics, depending on the opset; "" if none do."""
    if call.opset < 7:
        return "" if call.integer("is_test", 0) else "is_test 0"
    if call.opset < 14:
        outputs = sum(map(bool, call.operation.outputs))
        return f"{outputs} outputs" if outputs > 1 else ""
    return "training_mode 1" if call.integer("training_mode", 0) else ""


def write_batch_norm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return BatchNormalization."""
    x, *weights = operation.reads
    names, epsilon = map(graph.weight, weights), operation.attributes["epsilon"]
    return graph.node("BatchNormalization", graph.channels(x), *names, epsilon=epsilon)


def read_instance_norm(call: Call) -> Feature:
    """Return InstanceNorm2D."""
    options = {"epsilon": call.real("epsilon", 1e-5)}
    return _normalized_channels(call, "InstanceNorm2D", options, ("gamma", "beta"), (3,))


def read_group_norm(call: Call) -> Feature:
    """Return GroupNorm.

    Before opset 21, there may be one γ and one β for each group instead of each channel.
    """
    x, groups = call.batched_input(), call.integer("num_groups")
    channels = x.node.shape[0]
    if groups < 1 or channels % groups:
        raise call.unsupported(f"num_groups {groups}", f"a divisor of {channels} channels")
    by_channel = (channels, *[1] * (len(x.node.shape) - 1))
    beta = call.constant(2) if call.has_input(2) else _following_shift(call, by_channel)
    weights: dict[str, Array] = {}
    for name, value in (("gamma", call.constant(1)), ("beta", beta)):
        if value.shape == (groups,) and call.opset < 21 and call.has_input(2):
            value = np.repeat(value, channels // groups)
        if value.shape != (channels,):
            raise call.unsupported(f"{name} of shape {value.shape}", f"({channels},), one for each channel")
        weights[name] = value
    options = {"groups": groups, "epsilon": call.real("epsilon", 1e-5)}
    return call.weighted("GroupNorm", x, options, weights)


def _following_shift(call: Call, shape: Shape) -> Array:
    """Return the constant (C,) that a following Add adds to each channel; zeros without an Add."""
    shift = call.fuse_following_add((1, *shape))
    return np.broadcast_to(0.0 if shift is None else shift, (1, *shape)).reshape(shape[0])


def read_layer_norm(call: Call) -> Any:
    """Return LayerNorm over the last axes, which are merged into one; mean and deviation are computed separately."""
    x = call.feature()
    axis = call.axis("axis", -1, len(x.shape))
    if call.used_outputs > 1:
        moments = _moments(ScaledTerm(call, x), range(axis, len(x.shape)))
        return (_layer_norm(call, x, axis), *(moment.feature for moment in moments))
    return _layer_norm(call, x, axis)


def _layer_norm(call: Call, x: Feature, file_axis: int) -> Feature:
    """Return LayerNorm over all axes from an axis of the file on. A constant that is added next becomes β.

    The layer normalizes over the last axis, so the axes before and the normalized ones are merged to (rows, size). A
    following Add is not fused if the mean or the variance is also read.
    """
    sample, (axis,) = call.sample_axes(x, [file_axis])
    shape, normalized = sample.node.shape, sample.node.shape[axis:]
    rows, size = math.prod(shape[:axis]), math.prod(normalized)
    beta: Array | None = call.constant(2) if call.has_input(2) else None
    if beta is None and call.used_outputs == 1:
        beta = call.fuse_following_add((*[1] * (len(x.shape) - len(normalized)), *normalized))
    offsets = np.zeros(1) if beta is None else beta.reshape(beta.shape[-len(normalized) :])
    weights = {
        name: np.broadcast_to(values, normalized).reshape(size)
        for name, values in (("gamma", call.constant(1)), ("beta", offsets))
    }
    lifted = call.reshape(sample, (size,) if rows == 1 else (rows, size))
    options = {"epsilon": call.real("epsilon", 1e-5)}
    return call.reshape(call.weighted("LayerNorm", lifted, options, weights, shared=call.has_input(2)), shape)


def _moments(x: ScaledTerm, axes: range) -> tuple[ScaledTerm, ScaledTerm]:
    """Return the mean of values, and the reciprocal of their standard deviation."""
    mean = over(x, axes, "AveragePool2D")
    centered = x - mean
    return mean, _inverse_root(over(centered * centered, axes, "AveragePool2D"))


def _inverse_root(variance: ScaledTerm) -> ScaledTerm:
    """Return 1/√(variance + ε)."""
    return (variance + variance.call.real("epsilon", 1e-5)).layer("Sqrt").layer("Reciprocal")


def _rms_norm(x: ScaledTerm, gamma: ScaledTerm) -> ScaledTerm:
    rank = len(x.feature.shape)
    squares = over(x * x, range(x.call.axis("axis", -1, rank), rank), "AveragePool2D")
    return x * _inverse_root(squares) * gamma


def write_group_norm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return LayerNormalization if all groups have the same γ and β, otherwise InstanceNormalization, Mul and Add."""
    x, gamma, beta = operation.reads
    groups, epsilon = operation.attributes["groups"], operation.attributes["epsilon"]
    value = graph.stored(x)
    assert x is not None
    size = x.size // groups
    if operation.attributes["shared"]:
        rows = value if value.shape[-1] == size else graph.reshaped(value, (groups, size))
        return graph.node("LayerNormalization", rows, graph.weight(gamma), graph.weight(beta), epsilon=epsilon)
    rows = graph.reshaped(value, (groups, size))
    ones, zeros = (
        graph.constant(np.full((groups,), number, graph.network.dtype), f"{graph.layer}.{name}")
        for number, name in ((1, "ones"), (0, "zeros"))
    )
    y = graph.reshaped(graph.node("InstanceNormalization", rows, ones, zeros, epsilon=epsilon), x.shape)
    return graph.node("Add", graph.node("Mul", y, graph.channel_weight(gamma, y)), graph.channel_weight(beta, y))


def read_local_response_norm(call: Call) -> Feature:
    """Return LocalResponseNorm."""
    x, size = call.batched_input(), call.integer("size")
    options = {"alpha": call.real("alpha", 1e-4), "beta": call.real("beta", 0.75), "k": call.real("bias", 1.0)}
    return call.layer("LocalResponseNorm", x, size=size, **options)


def write_local_response_norm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return LRN."""
    options = operation.attributes
    attributes = {"size": options["size"], "alpha": options["alpha"], "beta": options["beta"], "bias": options["k"]}
    return graph.node("LRN", graph.view(operation.reads[0]), **attributes)


def read_dropout(call: Call) -> Feature:
    """Return Dropout, which does nothing in inference."""
    if call.used_outputs > 1:
        raise call.unsupported("the mask is read", "only the values to be read")
    rate, x = dropout_rate(call), call.feature()
    return call.layer("Dropout", x, rate=round(rate, 7)) if 0 < rate < 1 else x


def dropout_rate(call: Call) -> float:
    """Return the rate of a Dropout node; FormatError for a positive rate in training mode."""
    if call.opset < 12:
        rate, training = call.real("ratio", 0.5), call.opset < 7 and not call.integer("is_test", 0)
    else:
        rate = float(call.constant(1).reshape(-1)[0]) if call.has_input(1) else 0.5
        training = call.has_input(2) and bool(call.constant(2).any())
    if training and rate:
        stated = "is_test 0" if call.opset < 7 else "training_mode true"
        raise call.unsupported(f"{stated}, ratio {rate:g}: training mode", "inference, or the ratio 0")
    return rate


OPERATORS = (
    Operator("BatchNormalization", read_batch_norm, {"batch_norm_inference": write_batch_norm}),
    Operator("InstanceNormalization", read_instance_norm, {"group_norm": write_group_norm}),
    Operator("GroupNormalization", read_group_norm),
    Operator("LayerNormalization", read_layer_norm, {"group_norm": write_group_norm}),
    Operator("RMSNormalization", binary("γ · x/√(mean of x² + ε)", _rms_norm)),
    Operator("LRN", read_local_response_norm, {"local_response_norm": write_local_response_norm}),
    Operator("Dropout", read_dropout),
)
