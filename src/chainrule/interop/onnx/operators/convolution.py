"""Convolutions and transposed convolutions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.core.plan import Operation, Tensor
from chainrule.core.shapes import Pair, extent, transposed_size
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter, pads
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.windows import (
    SAME,
    WindowOptions,
    attributes_of,
    halves,
    image,
    input_image,
    restore_rank,
    result_shape,
    simplify,
    window_of,
)


def read_conv(call: Call) -> Feature:
    """Return Conv2D or Conv1D; a constant added by the next node becomes the bias."""
    x, w, window = _inputs_and_window(call)
    filters = len(w)
    axes = len(window.kernel)
    is_fused = False
    if call.has_input(2):
        bias = _bias(call, filters)
    else:
        bias = _following_bias(call, (1, filters, *[1] * axes))
        is_fused = bias is not None
    options = {
        **window.options(axes),
        "filters": filters,
        "groups": call.integer("group", 1),
        "bias": bias is not None,
    }
    weights = {"w": w}
    if bias is not None:
        weights["b"] = bias
    kind = "Conv2D" if axes == 2 else "Conv1D"
    return call.weighted(kind, x, options, weights, shared=not is_fused)


def _inputs_and_window(call: Call) -> tuple[Feature, Array, WindowOptions]:
    """Return the image, the kernels and the window; FormatError unless there are one or two axes of positions."""
    w = call.constant(1)
    x = call.batched_input(w.ndim)
    if w.ndim not in (3, 4):
        raise call.unsupported(f"an input of {len(x.shape)} axes, kernels of {w.ndim}", "(N, C, H, W) or (N, C, W)")
    return x, w, window_of(call, call.integers("kernel_shape", w.shape[2:]), x.node.shape[1:])


def _bias(call: Call, filters: int) -> Array:
    """Return the input with the bias (filters,)."""
    bias = call.constant(2)
    if bias.shape != (filters,):
        raise call.unsupported(f"a bias of shape {bias.shape}", f"({filters},)")
    return bias


def _following_bias(call: Call, shape: Shape) -> Array | None:
    """Return the constant that the next node adds to each channel, if any.

    shape   shape that this constant must fit
    """
    addend = call.fuse_following_add(shape)
    if addend is None:
        return None
    return np.broadcast_to(addend, shape).reshape(-1)


def write_conv(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Conv; a bias for each position is a separate Add."""
    _, w, b = operation.reads
    kernel, x, attributes = _kernel_image_attributes(graph, operation, w)
    shape = result_shape(x, operation.result)
    if b is None:
        return graph.node("Conv", x, kernel, shape=shape, **attributes)
    if len(b.shape) == 1:
        return graph.node("Conv", x, kernel, graph.weight(b), shape=shape, **attributes)
    y = graph.node("Conv", x, kernel, shape=shape, **attributes)
    return graph.node("Add", y, graph.weight(b, shape))


def read_conv_transpose(call: Call) -> Feature:
    """Return ConvTranspose2D."""
    x, w, window = _inputs_and_window(call)
    axes = len(window.kernel)
    groups = call.integer("group", 1)
    padding, output_padding = _transposed_padding(call, window, x.node.shape[1:])
    for extra, step in zip(output_padding, window.stride, strict=True):
        if extra >= step:
            raise call.unsupported(f"an output padding of {extra} for a stride of {step}", "less than the stride")
    added_axes = [1] * (2 - axes)
    options = {
        **replace(window, padding=padding).options(2),
        "filters": w.shape[1] * groups,
        "groups": groups,
        "bias": call.has_input(2),
        "output_padding": simplify((*[0] * len(added_axes), *output_padding)),
    }
    weights = {"w": w.reshape(*w.shape[:2], *added_axes, *w.shape[2:])}
    if call.has_input(2):
        weights["b"] = call.constant(2)
    return restore_rank(call, call.weighted("ConvTranspose2D", image(call, x), options, weights), x)


def _transposed_padding(call: Call, window: WindowOptions, size: Sequence[int]) -> tuple[tuple[Pair, ...], list[int]]:
    """Return the padding that `pads`, `auto_pad` or `output_shape` crop from each axis, and the output padding.

    If the requested output is larger than the area covered by the kernel, the output padding of the file is increased.
    """
    rule = call.text("auto_pad", "NOTSET")
    output_padding = [*call.integers("output_padding", [0] * len(size))]
    outputs = None
    if call.attribute("output_shape"):
        outputs = call.integers("output_shape")[-len(size) :]
    elif rule not in SAME:
        return window.padding, output_padding
    padding: list[Pair] = []
    for axis, length in enumerate(size):
        step = window.stride[axis]
        output = length * step if outputs is None else outputs[axis]
        covered = step * (length - 1) + extent(window.kernel[axis], window.dilation[axis])
        surplus = covered + output_padding[axis] - output
        padding.append(halves(rule, surplus))
        output_padding[axis] += max(-surplus, 0)
    return tuple(padding), output_padding


def write_conv_transpose(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return ConvTranspose, with the output padding that leads to the size of the result."""
    _, w = operation.reads
    kernel, x, attributes = _kernel_image_attributes(graph, operation, w)
    shape = result_shape(x, operation.result)
    smallest = map(
        transposed_size,
        x.shape[1:],
        attributes["kernel_shape"],
        attributes["strides"],
        _padding(x, operation),
        attributes["dilations"],
    )
    output_padding = [size - smallest_size for size, smallest_size in zip(shape[1:], smallest, strict=True)]
    return graph.node("ConvTranspose", x, kernel, shape=shape, **attributes, output_padding=output_padding)


def _kernel_image_attributes(
    graph: GraphWriter, operation: Operation, w: Tensor | None
) -> tuple[GraphResult | str, GraphResult, dict[str, Any]]:
    """Return the kernels, the image, and the attributes.

    The kernels are rotated by 180° if the operation flips them.
    """
    assert w is not None
    x = input_image(graph, operation)
    axes = len(x.shape) - 1
    shape = (*w.shape[:2], *w.shape[-axes:])
    array = graph.network.weights[w.storage].reshape(shape)
    if operation.attributes["flip"]:
        array = np.flip(array, tuple(range(2, len(shape))))
    attributes = attributes_of(x, operation, stride="strides", dilation="dilations")
    attributes["kernel_shape"] = shape[2:]
    attributes["pads"] = pads(_padding(x, operation))
    attributes["group"] = operation.attributes["groups"]
    b = operation.reads[2] if len(operation.reads) > 2 else None
    if b is not None and len(b.shape) > 1:
        b = None
    return graph.kernel(array, w.storage, x, b), x, attributes


def _padding(x: GraphResult, operation: Operation) -> Sequence[Pair]:
    axes = len(x.shape) - 1
    return operation.attributes["padding"][-axes:]


OPERATORS = (
    Operator("Conv", read_conv, {"cross_correlate": write_conv}),
    Operator("ConvTranspose", read_conv_transpose, {"cross_correlate_dx": write_conv_transpose}),
)
