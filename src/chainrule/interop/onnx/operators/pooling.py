"""Pooling over windows."""

import math
from typing import Any

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter, pads
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.windows import (
    attributes_of,
    image,
    input_image,
    restore_rank,
    result_shape,
    window_of,
)


def read_max_pool(call: Call) -> Feature:
    """Return MaxPool2D."""
    if call.last_used_output > 0:
        raise call.unsupported("the positions of the maxima are read", "only their values to be read")
    return _read_pool(call, "MaxPool2D", {})


def read_average_pool(call: Call) -> Feature:
    """Return AveragePool2D."""
    return _read_pool(call, "AveragePool2D", {"count_padding": call.integer("count_include_pad", 0) != 0})


def _read_pool(call: Call, kind: str, options: dict[str, Any]) -> Feature:
    """Return a pooling of the first input, whose options besides the windows are `options`.

    A value that already has a batch axis, a channel axis and one axis for each axis of the window is pooled as it is.
    For any other, `batched_input` finds the batch axis, or raises the error about the number of axes.
    """
    kernel = call.integers("kernel_shape")
    x = call.feature()
    rank = 2 + len(kernel)
    if not x.batched or len(x.shape) != rank:
        x = call.batched_input(rank)
    window = window_of(call, kernel, x.node.shape[1:])
    if max(window.dilation) > 1 or len(kernel) > 2:
        raise call.unsupported(f"kernel {kernel}, dilations {[*window.dilation]}", "one or two axes, and dilations 1")
    sizes = window.options(2)
    layer_options = {"window": sizes["kernel"], "padding": sizes["padding"], **options}
    if window.stride != window.kernel:  # the default of layers
        layer_options["stride"] = sizes["stride"]
    if window.ceil_mode:
        layer_options["ceil_mode"] = True
    elif not any(map(sum, window.padding)):  # no zeros to count: the layer is the one without the option
        layer_options.pop("count_padding", None)
    return restore_rank(call, call.layer(kind, image(call, x), **layer_options), x)


def write_max_pool(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return MaxPool, or GlobalMaxPool for a window that covers the whole image."""
    return _write_pool(graph, operation, "MaxPool")


def write_average_pool(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return AveragePool or GlobalAveragePool, multiplied by the number of elements in a window for sum pooling."""
    window = operation.attributes["window"]
    divisor = operation.attributes["divisor"]
    y = _write_pool(graph, operation, "AveragePool", count_include_pad=int(divisor != "cells"))
    if divisor != "one":
        return y
    return graph.node("Mul", y, graph.constant(graph.scalar(math.prod(window)), f"{graph.layer}.cells"))


def _write_pool(graph: GraphWriter, operation: Operation, operator: str, **more: Any) -> GraphResult:
    x = input_image(graph, operation)
    shape = result_shape(x, operation.result)
    attributes = attributes_of(x, operation, window="kernel_shape", stride="strides", padding="pads")
    padding = attributes["pads"]
    if tuple(attributes["kernel_shape"]) == x.shape[1:] and not any(map(sum, operation.attributes["padding"])):
        return graph.node(f"Global{operator}", x, shape=shape)
    attributes["pads"] = pads(padding)
    graph.prevent_pad_fusion(x)
    return graph.node(operator, x, shape=shape, **attributes, **more)


OPERATORS = (
    Operator("MaxPool", read_max_pool, {"max_pool": write_max_pool}),
    Operator("AveragePool", read_average_pool, {"average_pool": write_average_pool}),
)
