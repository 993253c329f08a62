"""Pooling over windows."""

import math
from collections.abc import Sequence
from functools import partial, reduce
from itertools import product
from typing import Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.plan import Operation
from chainrule.core.shapes import Pair, ceil_padding, extent, output_size
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter, pads
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.moved_elements import materialized
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.padding import pad_with
from chainrule.interop.onnx.operators.shapes import moved_parts
from chainrule.interop.onnx.operators.terms import ScaledTerm
from chainrule.interop.onnx.operators.windows import (
    WindowOptions,
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


def _read_pool(call: Call, kind: str, options: dict[str, Any], source: Feature | None = None) -> Feature:
    """Return a pooling of `source`, by default the first input, whose options besides the windows are `options`.

    A value that already has a batch axis, a channel axis and one axis for each axis of the window is pooled as it is.
    For any other, `batched_input` finds the batch axis, or raises the error about the number of axes.
    """
    kernel = call.integers("kernel_shape")
    x = source or call.feature()
    rank = 2 + len(kernel)
    if not x.batched or len(x.shape) != rank:
        x = call.batched_input(rank)
    window = window_of(call, kernel, x.node.shape[1:])
    if max(window.dilation) > 1 or len(kernel) > 2:  # no layer has such windows
        return _pool_of_parts(call, x, window, kind, options)
    sizes = window.options(2)
    layer_options = {"window": sizes["kernel"], "padding": sizes["padding"], **options}
    if window.stride != window.kernel:  # the default of layers
        layer_options["stride"] = sizes["stride"]
    if window.ceil_mode:
        layer_options["ceil_mode"] = True
    elif not any(map(sum, window.padding)):  # no zeros to count: the layer is the one without the option
        layer_options.pop("count_padding", None)
    return restore_rank(call, call.layer(kind, image(call, x), **layer_options), x)


def _pool_of_parts(call: Call, x: Feature, window: WindowOptions, kind: str, options: dict[str, Any]) -> Feature:
    """Return pooling with dilated windows, or over more than two axes, as the maximum or the sum of images.

    There is an image for each element of a window: image (u, v) contains that element of all windows. For windows of 2
    elements at distance 3, with stride 1, y[i] = max(x[i], x[i + 3]). Padding of a maximum is the lowest number. The
    sum for an average is divided by the number of counted elements in each window.
    """
    size = x.node.shape[1:]
    extents = [*map(extent, window.kernel, window.dilation)]
    padding = window.padding
    if window.ceil_mode:
        padding = tuple(map(ceil_padding, size, extents, window.stride, window.padding))
    outputs = [*map(output_size, size, extents, window.stride, padding)]
    call.visit(math.prod(window.kernel))
    is_maximum = kind == "MaxPool2D"
    pairs = {axis: pair for axis, pair in enumerate(padding, 1) if any(pair)}
    padded = pad_with(call, x, pairs, -MAX_FLOAT32 if is_maximum else 0.0)

    def elements(indices: Array) -> tuple[Array, ...]:
        """Return the elements that are at the same place in all windows, for each place in a window."""
        offsets_by_axis = [range(0, reach, step) for reach, step in zip(extents, window.dilation, strict=True)]
        parts: list[Array] = []
        for offsets in product(*offsets_by_axis):
            cuts: list[slice] = []
            for start, count, step in zip(offsets, outputs, window.stride, strict=True):
                cuts.append(slice(start, start + (count - 1) * step + 1, step))
            parts.append(indices[:, :, *cuts])
        return tuple(parts)

    images = map(materialized, moved_parts(call, padded, elements))
    pooled = reduce(partial(call.layer, "Maximum" if is_maximum else "Add"), images)
    if kind != "AveragePool2D":
        return pooled
    counted = np.zeros(call.allocated(padded.node.shape[1:], 8))
    counted[_counted_region(size, window, padding, options)] = 1
    counts = elements(counted[None, None])
    weights = 1 / np.maximum(sum(counts), 1)[0]
    return (ScaledTerm(call, pooled) * weights).feature


def _counted_region(
    size: Sequence[int], window: WindowOptions, padding: Sequence[Pair], options: dict[str, Any]
) -> tuple[slice, ...]:
    """Return the positions of a padded image that means count, along each axis.

    padding   positions before and after those of the image
    """
    region: list[slice] = []
    for (before, _), (own_before, own_after), length in zip(padding, window.padding, size, strict=True):
        counted = slice(before, before + length)
        if options.get("count_padding"):
            counted = slice(before - own_before, before + length + own_after)
        region.append(counted)
    return tuple(region)


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
