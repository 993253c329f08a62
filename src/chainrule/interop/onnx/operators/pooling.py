"""Pooling over windows and whole images, and reductions over spatial axes."""

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter, pads
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.arithmetic import combine, scale_and_shift
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.windows import (
    attributes_of,
    image,
    input_image,
    restore_rank,
    result_shape,
    simplify,
    simplify_padding,
    window_of,
)

GLOBAL = {"AveragePool2D": "GlobalAveragePool2D", "MaxPool2D": "GlobalMaxPool2D"}


def read_max_pool(call: Call) -> Feature:
    """Return MaxPool2D."""
    if call.used_outputs > 1:
        raise call.unsupported("the positions of the maxima are read", "only their values to be read")
    return _read_pool(call, "MaxPool2D", {})


def read_average_pool(call: Call) -> Feature:
    """Return AveragePool2D."""
    return _read_pool(call, "AveragePool2D", {"count_padding": call.integer("count_include_pad", 0) != 0})


def _read_pool(call: Call, kind: str, options: dict[str, Any]) -> Feature:
    x = call.batched_input(2 + len(call.integers("kernel_shape")))
    if len(x.node.shape) not in (2, 3):
        raise call.unsupported(f"an input of {len(x.shape)} axes", "(N, C, H, W) or (N, C, W)")
    window = window_of(call, call.integers("kernel_shape"), x.node.shape[1:])
    if max(window.dilation) > 1:
        raise call.unsupported(f"dilations {list(window.dilation)}", "1, the only dilation of pooling layers")
    added_axes = 3 - len(x.node.shape)
    options = {
        "window": simplify((*[1] * added_axes, *window.kernel)),
        "padding": simplify_padding((*[(0, 0)] * added_axes, *window.padding)),
        **({} if window.stride == window.kernel else {"stride": simplify((*[1] * added_axes, *window.stride))}),
        **options,
        **({"ceil_mode": True} if window.ceil_mode else {}),
    }
    if not any(map(sum, window.padding)) and not window.ceil_mode:
        options.pop("count_padding", None)
    return restore_rank(call, call.layer(kind, image(call, x), **options), x)


def write_max_pool(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return MaxPool, or GlobalMaxPool for a window that covers the whole image."""
    return _write_pool(graph, operation, "MaxPool")


def write_average_pool(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return AveragePool or GlobalAveragePool, multiplied by the number of elements in a window for sum pooling."""
    window, divisor = operation.attributes["window"], operation.attributes["divisor"]
    y = _write_pool(graph, operation, "AveragePool", count_include_pad=int(divisor != "cells"))
    if divisor != "one":
        return y
    return graph.node("Mul", y, graph.constant(graph.scalar(math.prod(window)), f"{graph.layer}.cells"))


def _write_pool(graph: GraphWriter, operation: Operation, operator: str, **more: int) -> GraphResult:
    window, padding = operation.attributes["window"], operation.attributes["padding"]
    x = input_image(graph, operation)
    shape = result_shape(x, operation.writes[0])
    if tuple(window[3 - len(x.shape) :]) == x.shape[1:] and not any(map(sum, padding)):
        return graph.node(f"Global{operator}", x, shape=shape)
    attributes: dict[str, Any] = attributes_of(x, operation, window="kernel_shape", stride="strides")
    attributes["pads"] = pads(padding[3 - len(x.shape) :])
    graph.prevent_pad_fusion(x)
    return graph.node(operator, x, shape=shape, **attributes, **more)


def read_global(kind: str) -> Callable[[Call], Feature]:
    """Return the reader of pooling over all positions. In the result, the spatial axes have size 1."""

    def read(call: Call) -> Feature:
        x = call.batched_input()
        return reduce_axes(call, x, list(range(2, len(x.shape))), kind, keep=True)

    read.__doc__ = f"Return {GLOBAL[kind]}."
    return read


def read_reduction(kind: str) -> Callable[[Call], Feature]:
    """Return the reader of a reduction over spatial axes."""

    def read(call: Call) -> Feature:
        x = call.feature()
        axes = call.input_or_attribute("axes", 1, 13 if kind == "SumPool2D" else 18)
        if not axes and call.integer("noop_with_empty_axes", 0):
            return x
        reduced_axes = sorted(call.normalize_axis(axis, len(x.shape)) for axis in axes or range(len(x.shape)))
        return reduce_axes(call, x, reduced_axes, kind, keep=call.integer("keepdims", 1) != 0)

    read.__doc__ = f"Return {kind} over adjacent axes of a sample{', or ' + GLOBAL[kind] if kind in GLOBAL else ''}."
    return read


def reduce_axes(call: Call, x: Feature, axes: list[int], kind: str, *, keep: bool) -> Feature:
    """Return the mean, maximum or sum over adjacent axes of a sample.

    axes   indices in the file, where the batch axis is axis 0
    kind   "AveragePool2D", "MaxPool2D" or "SumPool2D"
    keep   whether the result keeps these axes, with size 1
    """
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        raise call.unsupported(f"axes {axes} of {x.shape}", "adjacent axes of a sample")
    x, axes = call.sample_axes(x, axes)
    shape, first, last = x.node.shape, axes[0], axes[-1] + 1
    before, size, after = shape[:first], shape[first:last], shape[last:]
    kept = (*before, *([1] * len(size) if keep else []), *after)
    if not kept:
        kept = (1,)
        if not keep:
            raise call.unsupported(f"axes {axes} of {x.shape}", "at least one remaining axis of a sample, or keepdims")
    if math.prod(after) == 1 and kind in GLOBAL:
        positions = size if len(size) == 2 else (1, math.prod(size))
        y = call.layer(GLOBAL[kind], call.reshape(x, (math.prod(before), *positions)))
        return call.reshape(y, kept)
    stacked = call.reshape(x, (math.prod(before), math.prod(size), math.prod(after)))
    return call.reshape(call.layer(kind, stacked, window=(math.prod(size), 1)), kept)


def read_mean(call: Call) -> Feature:
    """Return Add of the inputs, and a 1×1 depthwise Conv2D that divides the sum by their number."""
    inputs = [call.feature(index) for index in range(len(call.values))]
    if len(inputs) == 1:
        return inputs[0]
    same_shapes = all(value.shape == inputs[0].shape and value.batched == inputs[0].batched for value in inputs)
    total = call.layer("Add", *inputs) if same_shapes else reduce(partial(combine, call, "Add"), inputs)
    return scale_and_shift(call, total, np.array(1 / len(inputs)))


OPERATORS = (
    Operator("MaxPool", read_max_pool, {"max_pool": write_max_pool}),
    Operator("AveragePool", read_average_pool, {"average_pool": write_average_pool}),
    Operator("GlobalMaxPool", read_global("MaxPool2D"), {"max_pool": write_max_pool}),
    Operator("GlobalAveragePool", read_global("AveragePool2D"), {"average_pool": write_average_pool}),
    Operator("ReduceMean", read_reduction("AveragePool2D")),
    Operator("ReduceMax", read_reduction("MaxPool2D")),
    Operator("ReduceSum", read_reduction("SumPool2D")),
    Operator("Mean", read_mean),
)
