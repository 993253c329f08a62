"""Pooling over windows."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import ceil_padding, extent, output_size
from chainrule.interop.assembly import MAX_FLOAT32, permuted, reshaped
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter, pads
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.arithmetic import p_norm
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.padding import pad_with_zeros
from chainrule.interop.onnx.operators.resampling import Positions, resample_axes
from chainrule.interop.onnx.operators.terms import ScaledTerm, unary
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
    if call.used_outputs > 1:
        raise call.unsupported("the positions of the maxima are read", "only their values to be read")
    return _read_pool(call, "MaxPool2D", {})


def read_average_pool(call: Call) -> Feature:
    """Return AveragePool2D."""
    return _read_pool(call, "AveragePool2D", {"count_padding": call.integer("count_include_pad", 0) != 0})


def _norms(x: ScaledTerm) -> ScaledTerm:
    return p_norm(x, lambda y: ScaledTerm(y.call, _read_pool(y.call, "SumPool2D", {}, y.feature)))


def _read_pool(call: Call, kind: str, options: dict[str, Any], x: Feature | None = None) -> Feature:
    x = x or call.feature()
    kernel = call.integers("kernel_shape")
    if not x.batched or len(x.shape) != 2 + len(kernel):
        x = call.batched_input(2 + len(kernel))
    window = window_of(call, kernel, x.node.shape[1:])
    if len(kernel) == 3:
        return _pool_of_volume(call, x, window, kind, options)
    return _pooled(call, x, window, kind, options)


def _pool_of_volume(call: Call, x: Feature, window: WindowOptions, kind: str, options: dict[str, Any]) -> Feature:
    """Return pooling over three axes, if the window has size 1 along the first or the last two; these are merged."""
    channels, *sizes = x.node.shape
    idle = [
        step == kernel == 1 and not any(pair)
        for kernel, step, pair in zip(window.kernel, window.stride, window.padding, strict=True)
    ]
    if idle[0]:
        shape, axes = (channels * sizes[0], *sizes[1:]), slice(1, 3)
    elif idle[1] and idle[2]:
        shape, axes = (channels, sizes[0], sizes[1] * sizes[2]), slice(0, 2)
    else:
        raise call.unsupported(f"an input of {len(x.shape)} axes", "(N, C, H, W) or (N, C, W)")
    plane = WindowOptions(
        window.kernel[axes], window.stride[axes], window.dilation[axes], window.padding[axes], window.ceil_mode
    )
    y = _pooled(call, call.reshape(x, shape), plane, kind, options)
    rows, columns = y.node.shape[1:]
    return call.reshape(y, (channels, sizes[0], rows, columns) if idle[0] else (channels, rows, *sizes[1:]))


def _pooled(call: Call, x: Feature, window: WindowOptions, kind: str, options: dict[str, Any]) -> Feature:
    """Return pooling over one or two axes."""
    if len(x.node.shape) not in (2, 3):
        raise call.unsupported(f"an input of {len(x.shape)} axes", "(N, C, H, W) or (N, C, W)")
    if max(window.dilation) > 1:
        return _dilated_pool(call, x, window, kind, options)
    own = window.options(2)
    options = {
        "window": own["kernel"],
        "padding": own["padding"],
        **({} if window.stride == window.kernel else {"stride": own["stride"]}),
        **options,
        **({"ceil_mode": True} if window.ceil_mode else {}),
    }
    if not any(map(sum, window.padding)) and not window.ceil_mode:
        options.pop("count_padding", None)
    return restore_rank(call, call.layer(kind, image(call, x), **options), x)


def _dilated_pool(call: Call, x: Feature, window: WindowOptions, kind: str, options: dict[str, Any]) -> Feature:
    """Return pooling with dilated windows, as pooling of images with every d-th row and column.

    Padding of a maximum is the lowest number. A mean that does not count padding is scaled accordingly.
    """
    size = x.node.shape[1:]
    extents, dilation = [*map(extent, window.kernel, window.dilation)], window.dilation
    padding = window.padding
    if window.ceil_mode:
        padding = tuple(map(ceil_padding, size, extents, window.stride, window.padding))
    counts = [output_size(*sizes) for sizes in zip(size, extents, window.stride, padding, strict=True)]
    ends = [-(length + sum(pair)) % d for length, pair, d in zip(size, padding, dilation, strict=True)]
    amounts = [(front, back + end) for (front, back), end in zip(padding, ends, strict=True)]
    y = pad_with_zeros(call, x, {axis: pair for axis, pair in enumerate(amounts, 1) if any(pair)})
    if kind == "MaxPool2D" and any(map(any, padding)):
        call.allocated(y.node.shape, 8)
        lowest = np.pad(np.zeros(x.node.shape), ((0, 0), *amounts), constant_values=-MAX_FLOAT32)
        y = (ScaledTerm(call, y) + lowest).feature
    y = _pool_parts(call, y, dilation, kind, window.kernel)
    steps = enumerate(zip(counts, window.stride, strict=True), 1)
    y = resample_axes(call, y, {axis: Positions(count, (step, 0, 1)) for axis, (count, step) in steps})
    if kind != "AveragePool2D":
        return y
    counted = window.padding if options.get("count_padding") else ((0, 0),) * len(size)
    factors = np.ones(())
    for axis, (front, back) in enumerate(counted):
        k = window.kernel[axis]
        call.allocated((counts[axis], k), 16)
        starts = np.arange(counts[axis])[:, None] * window.stride[axis] - padding[axis][0]
        places = starts + dilation[axis] * np.arange(k)
        cells = ((places >= -front) & (places < size[axis] + back)).sum(1)
        factors = factors[..., None] * (k / np.maximum(cells, 1))
    return (ScaledTerm(call, y) * factors).feature


def _pool_parts(call: Call, x: Feature, dilation: Sequence[int], kind: str, kernel: Sequence[int]) -> Feature:
    """Return an image pooled with dilated windows that begin at every row and column."""
    channels, *size = x.node.shape
    lengths, rank = [side // d for side, d in zip(size, dilation, strict=True)], len(size)
    split = reshaped(x.node, (channels, *(part for pair in zip(lengths, dilation, strict=True) for part in pair)))
    parts = permuted(split, [0, *range(2, 2 * rank + 1, 2), *range(1, 2 * rank, 2)])
    added = [1] * (2 - rank)
    rows = x.with_node(reshaped(parts, (channels * math.prod(dilation), *lengths, *added)))
    y = call.layer(kind, rows, window=(*kernel, *added), stride=1)
    lengths = [length - k + 1 for length, k in zip(lengths, kernel, strict=True)]
    joined = permuted(
        reshaped(y.node, (channels, *dilation, *lengths)),
        [0, *(axis for k in range(1, rank + 1) for axis in (rank + k, k))],
    )
    return x.with_node(reshaped(joined, (channels, *(n * d for n, d in zip(lengths, dilation, strict=True)))))


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


OPERATORS = (
    Operator("MaxPool", read_max_pool, {"max_pool": write_max_pool}),
    Operator("AveragePool", read_average_pool, {"average_pool": write_average_pool}),
    Operator("LpPool", unary("the p-th root of SumPool2D of |x| to the power of p", _norms)),
)
