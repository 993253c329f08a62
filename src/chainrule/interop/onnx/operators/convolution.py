"""Convolutions and transposed convolutions."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Shape
from chainrule.core.plan import Operation, Tensor
from chainrule.core.shapes import Pair, extent, transposed_size
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter, pads
from chainrule.interop.onnx.operator_call import Array, Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.padding import pad_with_zeros
from chainrule.interop.onnx.operators.terms import ScaledTerm
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
    axes = len(window.kernel)
    bias, is_node_bias = _bias(call, w.shape[0], (w.shape[0], *[1] * axes))
    options = {
        **window.options(axes),
        "filters": w.shape[0],
        "groups": call.integer("group", 1),
        "bias": bias is not None,
    }
    weights = {"w": w} | ({} if bias is None else {"b": bias})
    return call.weighted("Conv2D" if axes == 2 else "Conv1D", x, options, weights, shared=is_node_bias)


def _inputs_and_window(call: Call) -> tuple[Feature, Array, WindowOptions]:
    """Return the image, the kernels and the window; FormatError unless there are one or two axes of positions."""
    w = call.constant(1)
    x = call.batched_input(w.ndim)
    if w.ndim not in (3, 4):
        raise call.unsupported(f"an input of {len(x.shape)} axes, kernels of {w.ndim}", "(N, C, H, W) or (N, C, W)")
    return x, w, window_of(call, call.integers("kernel_shape", w.shape[2:]), x.node.shape[1:])


def _bias(call: Call, filters: int, shape: Shape) -> tuple[Array | None, bool]:
    """Return the bias (filters,), or None, and whether all weights of the layer are inputs of this node.

    If the node has no input for the bias, the bias is the constant that the next node adds, if any.

    shape   shape that this constant must fit, without the batch axis
    """
    if call.has_input(2):
        bias = call.constant(2)
        if bias.shape != (filters,):
            raise call.unsupported(f"a bias of shape {bias.shape}", f"({filters},)")
        return bias, True
    addend = call.fuse_following_add((1, *shape))
    return (None, True) if addend is None else (np.broadcast_to(addend, (1, *shape)).reshape(filters), False)


def write_conv(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Conv; a bias for each position is a separate Add."""
    _, w, b = operation.reads
    result = operation.writes[0]
    kernel, x, attributes = _kernel_image_attributes(graph, operation, w)
    tied = b is not None and len(b.shape) == 1
    bias = [graph.weight(b)] if tied else []
    shape = result_shape(x, result)
    y = graph.node("Conv", x, kernel, *bias, shape=shape, **attributes)
    return y if b is None or tied else graph.node("Add", y, graph.weight(b, shape))


def read_conv_transpose(call: Call) -> Feature:
    """Return ConvTranspose2D; Pad2D if the output is larger than that of the largest output padding.

    The output padding of a layer is smaller than the stride. The rest, `missing`, is padded with zeros. The bias is
    then added after the padding, because it belongs to all elements.
    """
    x, w, window = _inputs_and_window(call)
    axes, groups = len(window.kernel), call.integer("group", 1)
    padding, output_padding = _transposed_padding(call, window, x.node.shape[1:])
    missing = [max(extra - step + 1, 0) for extra, step in zip(output_padding, window.stride, strict=True)]
    output_padding = [extra - zeros for extra, zeros in zip(output_padding, missing, strict=True)]
    added_axes, has_bias = 2 - axes, call.has_input(2) and not any(missing)
    options = {
        **replace(window, padding=padding).options(2),
        "filters": w.shape[1] * groups,
        "groups": groups,
        "bias": has_bias,
        "output_padding": simplify((*[0] * added_axes, *output_padding)),
    }
    weights = {"w": w.reshape(*w.shape[:2], *[1] * added_axes, *w.shape[2:])}
    weights |= {"b": call.constant(2)} if has_bias else {}
    y = restore_rank(call, call.weighted("ConvTranspose2D", image(call, x), options, weights), x)
    if not any(missing):
        return y
    y = pad_with_zeros(call, y, {axis: (0, zeros) for axis, zeros in enumerate(missing, 1) if zeros})
    return (ScaledTerm(call, y) + call.constant(2).reshape(-1, *[1] * axes)).feature if call.has_input(2) else y


def _transposed_padding(call: Call, window: WindowOptions, size: Sequence[int]) -> tuple[tuple[Pair, ...], list[int]]:
    """Return the padding that `pads`, `auto_pad` or `output_shape` crop from each axis, and the output padding.

    If the requested output is larger than the area covered by the kernel, the output padding of the file is increased.
    """
    rule, extra = call.text("auto_pad", "NOTSET"), call.integers("output_padding", [0] * len(size))
    outputs = [length * step for length, step in zip(size, window.stride, strict=True)]
    if call.attribute("output_shape"):
        outputs = call.integers("output_shape")[-len(size) :]
    elif rule not in SAME:
        return window.padding, extra
    lines = zip(size, window.kernel, window.stride, window.dilation, outputs, extra, strict=True)
    totals = [step * (length - 1) + extent(k, d) + added - out for length, k, step, d, out, added in lines]
    padding = tuple(halves(rule, total) for total in totals)
    return padding, [added + max(-total, 0) for added, total in zip(extra, totals, strict=True)]


def write_conv_transpose(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return ConvTranspose, with the output padding that leads to the size of the result."""
    _, w = operation.reads
    kernel, x, attributes = _kernel_image_attributes(graph, operation, w)
    shape = result_shape(x, operation.writes[0])
    window = attributes["kernel_shape"], attributes["strides"], _padding(x, operation), attributes["dilations"]
    smallest = map(transposed_size, x.shape[1:], *window)
    attributes["output_padding"] = [
        size - smallest_size for size, smallest_size in zip(shape[1:], smallest, strict=True)
    ]
    return graph.node("ConvTranspose", x, kernel, shape=shape, **attributes)


def _kernel_image_attributes(
    graph: GraphWriter, operation: Operation, w: Tensor | None
) -> tuple[str, GraphResult, dict[str, Any]]:
    """Return the name of the constant with the kernels, the image, and the attributes.

    The kernels are rotated by 180° if the operation flips them.
    """
    assert w is not None
    x = input_image(graph, operation)
    shape = (*w.shape[:2], *w.shape[5 - len(x.shape) :])
    array = graph.network.weights[w.storage].reshape(shape)
    if operation.attributes["flip"]:
        array = array[(..., *[slice(None, None, -1)] * (len(shape) - 2))]
    attributes = attributes_of(x, operation, stride="strides", dilation="dilations")
    attributes |= {
        "kernel_shape": shape[2:],
        "pads": pads(_padding(x, operation)),
        "group": operation.attributes["groups"],
    }
    return graph.constant(array, w.storage), x, attributes


def _padding(x: GraphResult, operation: Operation) -> Any:
    return operation.attributes["padding"][3 - len(x.shape) :]


OPERATORS = (
    Operator("Conv", read_conv, {"cross_correlate": write_conv}),
    Operator("ConvTranspose", read_conv_transpose, {"cross_correlate_dx": write_conv_transpose}),
)
