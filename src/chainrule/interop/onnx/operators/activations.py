"""Element-wise functions, softmax and the parametric ReLU."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.assembly import permuted, reshaped
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.constants import rescale
from chainrule.interop.onnx.operators.operator import Operator, Writer, read_as, write_as
from chainrule.layers.activations import ELEMENTWISE, SELU


def read_leaky_relu(call: Call) -> Feature:
    """Return LeakyReLU with the slope α."""
    return call.layer("LeakyReLU", call.feature(), slope=call.real("alpha", 0.01))


def read_elu(call: Call) -> Feature:
    """Return ELU."""
    return call.layer("ELU", call.feature(), alpha=call.real("alpha", 1.0))


def write_with_option(operator: str, onnx_option: str, plan_option: str) -> Writer:
    """Return the writer of an element-wise operation with one option.

    onnx_option   name of the option in ONNX
    plan_option   name of the option in the plan
    """

    def write(graph: GraphWriter, operation: Operation) -> GraphResult:
        options: dict[str, Any] = {onnx_option: float(operation.attributes[plan_option])}
        return graph.node(operator, graph.stored(operation.reads[0]), **options)

    return write


def read_celu(call: Call) -> Feature:
    """Return ELU; for α other than 1, α · ELU(x/α)."""
    x, alpha = call.feature(), call.real("alpha", 1.0)
    if alpha == 1:
        return call.layer("ELU", x)
    if not alpha > 0:
        raise call.unsupported(f"alpha {alpha}", "a number above 0")
    return rescale(call, call.layer("ELU", rescale(call, x, 1 / alpha)), alpha)


def read_selu(call: Call) -> Feature:
    """Return SELU."""
    alpha, gamma = call.real("alpha", SELU.alpha), call.real("gamma", SELU.gamma)
    return call.layer("SELU", call.feature(), alpha=alpha, gamma=gamma)


def write_selu(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Selu."""
    options: dict[str, Any] = {name: float(operation.attributes[name]) for name in ("alpha", "gamma")}
    return graph.node("Selu", graph.stored(operation.reads[0]), **options)


def write_shrink(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Shrink."""
    options: dict[str, Any] = {
        "lambd": float(operation.attributes["threshold"]),
        "bias": float(operation.attributes["bias"]),
    }
    return graph.node("Shrink", graph.stored(operation.reads[0]), **options)


def read_thresholded_relu(call: Call) -> Feature:
    """Return ThresholdedReLU."""
    return call.layer("ThresholdedReLU", call.feature(), threshold=call.real("alpha", 1.0))


def read_shrink(call: Call) -> Feature:
    """Return Shrink."""
    return call.layer("Shrink", call.feature(), threshold=call.real("lambd", 0.5), bias=call.real("bias", 0.0))


def read_prelu(call: Call) -> Feature:
    """Return PReLU with one slope for each channel, or for each element of a sample."""
    x, slope = call.feature(), call.constant(1)
    shape = x.node.shape
    # Before opset 7, and in some later files, slopes (C,) are meant for channels instead of the last axis.
    if slope.shape == shape[:1] and (call.opset < 7 or shape[0] != shape[-1]):
        slope = slope.reshape(-1, *[1] * (len(shape) - 1))
    slope = slope[0] if slope.ndim == len(x.shape) and x.batched and len(slope) == 1 else slope
    aligned = slope.reshape((1,) * (len(shape) - slope.ndim) + slope.shape) if slope.ndim <= len(shape) else slope
    if slope.ndim > len(shape) or any(own not in (1, size) for own, size in zip(aligned.shape, shape, strict=True)):
        raise call.unsupported(f"slopes of shape {slope.shape}", f"slopes that can be broadcast to {x.shape}")
    if aligned.size == len(aligned):
        return call.weighted("PReLU", x, {}, {"slope": np.broadcast_to(aligned.reshape(-1), shape[:1])})
    slopes = np.broadcast_to(aligned, shape).reshape(-1)
    return call.reshape(call.weighted("PReLU", call.reshape(x, slopes.shape), {}, {"slope": slopes}), shape)


def write_prelu(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return PRelu with a slope for each channel."""
    x = graph.channels(operation.reads[0])
    ones = (1,) * (len(x.shape) - 1)
    return graph.node("PRelu", x, graph.weight(operation.reads[1], (x.shape[0], *ones)))


def read_gelu(call: Call) -> Feature:
    """Return ExactGELU, or GELU for the tanh approximation."""
    if (form := call.text("approximate", "none")) not in ("none", "tanh"):
        raise call.unsupported(f"approximate {form!r}", "'none' or 'tanh'")
    return call.layer("GELU" if form == "tanh" else "ExactGELU", call.feature())


def read_swish(call: Call) -> Feature:
    """Return SiLU; for α other than 1, the product of x and σ(α x)."""
    x, alpha = call.feature(), call.real("alpha", 1.0)
    if alpha == 1:
        return call.layer("SiLU", x)
    return call.layer("Multiply", x, call.layer("Sigmoid", rescale(call, x, alpha)))


def write_silu(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Mul of x and Sigmoid(x)."""
    x = graph.stored(operation.reads[0])
    return graph.node("Mul", x, graph.node("Sigmoid", x))


def read_hard_sigmoid(call: Call) -> Feature:
    """Return HardSigmoid for α = 1/6 and β = 1/2, otherwise Clip of α x + β to [0, 1]."""
    alpha, beta = call.real("alpha", 0.2), call.real("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:
        return call.layer("HardSigmoid", call.feature())
    return call.layer("Clip", rescale(call, call.feature(), alpha, beta), low=0.0, high=1.0)


def read_softmax(call: Call) -> Feature:
    """Return Softmax or LogSoftmax along one axis of a sample.

    Before opset 13, they normalize over `axis` and all later axes together.
    """
    x = call.feature()
    x, (axis,) = call.sample_axes(x, [call.axis("axis", -1 if call.opset >= 13 else 1, len(x.shape))])
    shape = x.node.shape
    before, along = shape[:axis], shape[axis : axis + 1] if call.opset >= 13 else shape[axis:]
    parts = (math.prod(before), math.prod(along), math.prod(shape[axis + len(along) :]))
    first = permuted(reshaped(x.node, parts), (1, 0, 2))
    flat = (parts[1],) if parts[0] * parts[2] == 1 else (parts[1], parts[0] * parts[2])
    y = call.layer(call.operation.operator, x.with_node(reshaped(first, flat)))
    back = permuted(reshaped(y.node, (parts[1], parts[0], parts[2])), (1, 0, 2))
    return call.reshape(x.with_node(back), shape)


def write_over_channels(operator: str) -> Callable[[GraphWriter, Operation], GraphResult]:
    """Return the writer of an operator over the channels."""
    return lambda graph, operation: graph.node(operator, graph.channels(operation.reads[0]), axis=1)


SEVERAL = {"sigmoid": {"silu": write_silu}}  # operation → writers of other operations that also use its operator

OPERATORS = (
    *(
        Operator(kind.names.onnx, read_as(kind.__name__), {name: write_as(kind.names.onnx), **SEVERAL.get(name, {})})
        for name, kind in ELEMENTWISE.items()
        if kind.names.onnx
    ),
    Operator("LeakyRelu", read_leaky_relu, {"leaky_relu": write_with_option("LeakyRelu", "alpha", "slope")}),
    Operator("Elu", read_elu, {"elu": write_with_option("Elu", "alpha", "alpha")}),
    Operator("Celu", read_celu),
    Operator("Selu", read_selu, {"selu": write_selu}),
    Operator(
        "ThresholdedRelu",
        read_thresholded_relu,
        {"thresholded_relu": write_with_option("ThresholdedRelu", "alpha", "threshold")},
    ),
    Operator("Shrink", read_shrink, {"shrink": write_shrink}),
    Operator("PRelu", read_prelu, {"prelu": write_prelu}),
    Operator(
        "Gelu",
        read_gelu,
        {"gelu": write_as("Gelu", approximate="tanh"), "exact_gelu": write_as("Gelu", approximate="none")},
    ),
    Operator("Swish", read_swish),
    Operator("HardSigmoid", read_hard_sigmoid, {"hard_sigmoid": write_as("HardSigmoid", alpha=1 / 6, beta=0.5)}),
    Operator("Softmax", read_softmax, {"softmax": write_over_channels("Softmax")}),
    Operator("LogSoftmax", read_softmax, {"log_softmax": write_over_channels("LogSoftmax")}),
)
