"""Normalization and dropout."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.reductions import over
from chainrule.interop.onnx.operators.terms import ScaledTerm, unary


def read_batch_norm(call: Call) -> Feature:
    """Return BatchNorm2D with its running statistics."""
    training = _training_mode(call)
    if training is not None:
        raise call.unsupported(f"{training}: training mode", "normalization by running statistics")
    momentum = 1 - call.real("momentum", 0.9)
    options: dict[str, object] = {"epsilon": call.real("epsilon", 1e-5)}
    if 0 < momentum <= 1:  # other values occur in files for inference only
        options["momentum"] = round(momentum, 9)
    names = ("gamma", "beta", "running_mean", "running_variance")
    return _normalized_channels(call, "BatchNorm2D", options, names, (1, 3))


def _normalized_channels(
    call: Call, kind: str, options: Mapping[str, object], names: Sequence[str], ranks: Sequence[int]
) -> Feature:
    """Return a layer with parameters for each channel.

    names   names of the parameters, in the order of the inputs
    ranks   numbers of axes of a sample that the layer accepts
    """
    file_shape = call.feature().shape
    weights: dict[str, Array] = {}
    for index, name in enumerate(names, 1):
        value = call.constant(index)
        if len(file_shape) < 2 or value.shape != file_shape[1:2]:
            expected = "(N, C, …) and one number for each channel"
            raise call.invalid(f"input {index + 1} of shape {value.shape} for {file_shape}", expected)
        weights[name] = value
    x = call.batched_input()
    shape = x.node.shape
    channels, *positions = shape
    accepted_shape = shape
    if len(shape) not in ranks:
        accepted_shape = (channels, 1, math.prod(positions))
    y = call.weighted(kind, call.reshape(x, accepted_shape), options, weights)
    return call.reshape(y, shape)


def _training_mode(call: Call) -> str | None:
    """Describe the attribute or the outputs that request batch statistics, depending on the opset; None if none do."""
    if call.opset >= 14:
        return "training_mode 1" if call.integer("training_mode", 0) else None
    outputs = sum(map(bool, call.operation.outputs))
    if outputs > 1:
        return f"{outputs} outputs"
    return None


def write_batch_norm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return BatchNormalization."""
    x, *parameters = operation.reads
    weights = [graph.weight(parameter) for parameter in parameters]
    epsilon = operation.attributes["epsilon"]
    return graph.node("BatchNormalization", graph.channels(x), *weights, epsilon=epsilon)


def read_instance_norm(call: Call) -> Feature:
    """Return InstanceNorm2D."""
    options = {"epsilon": call.real("epsilon", 1e-5)}
    return _normalized_channels(call, "InstanceNorm2D", options, ("gamma", "beta"), (3,))


def read_group_norm(call: Call) -> Feature:
    """Return GroupNorm, with one γ and one β for each channel."""
    x = call.batched_input()
    groups = call.integer("num_groups")
    channels = x.node.shape[0]
    if groups < 1 or channels % groups:
        raise call.unsupported(f"num_groups {groups}", f"a divisor of {channels} channels")
    weights: dict[str, Array] = {}
    for name, value in (("gamma", call.constant(1)), ("beta", call.constant(2))):
        if value.shape != (channels,):
            raise call.unsupported(f"{name} of shape {value.shape}", f"({channels},), one for each channel")
        weights[name] = value
    options = {"groups": groups, "epsilon": call.real("epsilon", 1e-5)}
    return call.weighted("GroupNorm", x, options, weights)


def read_layer_norm(call: Call) -> Feature:
    """Return LayerNorm over the last axes, which are merged into one.

    The layer normalizes over the last axis, so the axes before and the normalized ones are merged to (rows, size).
    """
    if call.last_used_output > 0:
        raise call.unsupported("the mean or the deviation is read", "only the values to be read")
    x = call.feature()
    sample, (axis,) = call.sample_axes(x, [call.axis("axis", -1, len(x.shape))])
    shape = sample.node.shape
    normalized = shape[axis:]
    rows = math.prod(shape[:axis])
    size = math.prod(normalized)
    beta = call.optional_constant(2)
    if beta is None:
        beta = np.zeros(1)
    gamma = np.broadcast_to(call.constant(1), normalized)
    beta = np.broadcast_to(beta.reshape(beta.shape[-len(normalized) :]), normalized)
    merged_shape = (size,) if rows == 1 else (rows, size)
    merged = call.reshape(sample, merged_shape)
    weights = {"gamma": gamma.reshape(size), "beta": beta.reshape(size)}
    options = {"epsilon": call.real("epsilon", 1e-5)}
    y = call.weighted("LayerNorm", merged, options, weights)
    return call.reshape(y, shape)


def _standardized(x: ScaledTerm) -> ScaledTerm:
    call = x.call
    rank = len(x.feature.shape)
    axes = sorted(call.normalize_axis(axis, rank) for axis in call.integers("axes", (0, 2, 3)))
    centered = x - over(x, axes, "AveragePool2D")
    deviation = over(centered * centered, axes, "AveragePool2D").layer("Sqrt")
    return centered / (deviation + 1e-9)


def write_group_norm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return LayerNormalization if all groups have the same γ and β, otherwise InstanceNormalization, Mul and Add."""
    x, gamma, beta = operation.reads
    assert x is not None
    groups = operation.attributes["groups"]
    epsilon = operation.attributes["epsilon"]
    rows = graph.stored(x)
    size = x.size // groups
    if operation.attributes["shared"]:
        if rows.shape[-1] != size:
            rows = graph.reshaped(rows, (groups, size))
        return graph.node("LayerNormalization", rows, graph.weight(gamma), graph.weight(beta), epsilon=epsilon)
    rows = graph.reshaped(rows, (groups, size))
    ones = graph.constant(np.full((groups,), 1, graph.network.dtype), f"{graph.layer}.ones")
    zeros = graph.constant(np.full((groups,), 0, graph.network.dtype), f"{graph.layer}.zeros")
    y = graph.reshaped(graph.node("InstanceNormalization", rows, ones, zeros, epsilon=epsilon), x.shape)
    y = graph.node("Mul", y, graph.channel_weight(gamma, y))
    return graph.node("Add", y, graph.channel_weight(beta, y))


def read_local_response_norm(call: Call) -> Feature:
    """Return LocalResponseNorm."""
    x = call.batched_input()
    size = call.integer("size")
    options = {"alpha": call.real("alpha", 1e-4), "beta": call.real("beta", 0.75), "k": call.real("bias", 1.0)}
    return call.layer("LocalResponseNorm", x, size=size, **options)


def write_local_response_norm(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return LRN."""
    options = operation.attributes
    attributes = {"size": options["size"], "alpha": options["alpha"], "beta": options["beta"], "bias": options["k"]}
    return graph.node("LRN", graph.view(operation.reads[0]), **attributes)


def read_dropout(call: Call) -> Feature:
    """Return the input: dropout does nothing in inference."""
    if call.last_used_output > 0:
        raise call.unsupported("the mask is read", "only the values to be read")
    check_inference(call)
    return call.feature()


def check_inference(call: Call) -> None:
    """Raise FormatError for a Dropout node in training mode with a positive rate."""
    rate = 0.0
    if call.opset >= 12 and call.has_input(2) and call.constant(2).any():
        rate = call.number_input(1, 0.5)
    if rate:
        raise call.unsupported(f"training_mode true, ratio {rate:g}: training mode", "inference, or the ratio 0")


OPERATORS = (
    Operator("BatchNormalization", read_batch_norm, {"batch_norm_inference": write_batch_norm}),
    Operator("InstanceNormalization", read_instance_norm, {"group_norm": write_group_norm}),
    Operator("GroupNormalization", read_group_norm),
    Operator("LayerNormalization", read_layer_norm, {"group_norm": write_group_norm}),
    Operator("MeanVarianceNormalization", unary("the quotient of x − mean and the deviation over axes", _standardized)),
    Operator("LRN", read_local_response_norm, {"local_response_norm": write_local_response_norm}),
    Operator("Dropout", read_dropout),
)
