"""Convolutions, their transposes, biases and dense layers."""

from typing import Any

from chainrule.core.plan import Operation, Tensor
from chainrule.core.shapes import transposed_size
from chainrule.interop.onnx.export_graph import GraphResult, GraphWriter, pads
from chainrule.interop.onnx.writers.windows import image, options, result_shape


def cross_correlate(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Conv; a bias for each position is added behind it."""
    _, w, b = operation.reads
    result = operation.writes[0]
    kernel, x, given = _prepared(graph, operation, w)
    tied = b is not None and len(b.shape) == 1
    bias = [graph.weight(b)] if tied else []
    shape = result_shape(x, result)
    y = graph.node("Conv", x, kernel, *bias, shape=shape, **given)
    return y if b is None or tied else graph.node("Add", y, graph.weight(b, shape))


def cross_correlate_dx(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return ConvTranspose, with the output padding that leads to the size of the result."""
    _, w = operation.reads
    kernel, x, given = _prepared(graph, operation, w)
    shape = result_shape(x, operation.writes[0])
    kept = given["kernel_shape"], given["strides"], _padding(x, operation), given["dilations"]
    smallest = map(transposed_size, x.shape[1:], *kept)
    given["output_padding"] = [size - least for size, least in zip(shape[1:], smallest, strict=True)]
    return graph.node("ConvTranspose", x, kernel, shape=shape, **given)


def _prepared(graph: GraphWriter, operation: Operation, w: Tensor | None) -> tuple[str, GraphResult, dict[str, Any]]:
    """Return the name of the kernels, rotated where the operation rotates them, the image, and the attributes."""
    assert w is not None
    x = image(graph, operation)
    shape = (*w.shape[:2], *w.shape[5 - len(x.shape) :])
    array = graph.network.weights[w.storage].reshape(shape)
    if operation.attributes["flip"]:
        array = array[(..., *[slice(None, None, -1)] * (len(shape) - 2))]
    given = options(x, operation, stride="strides", dilation="dilations")
    given |= {"kernel_shape": shape[2:], "pads": pads(_padding(x, operation)), "group": operation.attributes["groups"]}
    return graph.constant(array, w.storage), x, given


def _padding(x: GraphResult, operation: Operation) -> Any:
    return operation.attributes["padding"][3 - len(x.shape) :]


def add_bias(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Add of a bias for each channel or each position."""
    _, b = operation.reads
    assert b is not None
    if len(b.shape) > 1:
        return graph.node("Add", graph.view(operation.reads[0]), graph.weight(b))
    x = graph.channels(operation.reads[0])
    return graph.node("Add", x, graph.weight(b, (x.shape[0], *(1,) * (len(x.shape) - 1))))


def dense(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Gemm."""
    x, *weights = operation.reads
    names = [graph.weight(tensor) for tensor in weights if tensor is not None]
    return graph.node("Gemm", graph.view(x), *names, shape=operation.writes[0].shape, transB=1)


OPERATORS = {
    "cross_correlate": cross_correlate,
    "cross_correlate_dx": cross_correlate_dx,
    "add_bias": add_bias,
    "dense": dense,
}
