"""Sliding windows of convolutions and pooling: conversion between ONNX attributes and options of layers.

Operations have two spatial axes. A value with one spatial axis, (C, W), is read as an image of height 1, and written as
(C, W) if it was computed in that shape.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.core.plan import Operation, Tensor
from chainrule.core.shapes import Pair, extent
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature


@dataclass(frozen=True)
class WindowOptions:
    """A window that slides over one or two axes: sizes, strides, dilations, padding, rounding of the output size."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[Pair, ...]
    ceil_mode: bool


def window_of(call: Call, kernel: Sequence[int], size: Sequence[int]) -> WindowOptions:
    """Return the window of a node; FormatError for attributes with another number of axes or invalid values.

    kernel   size of the window along each axis
    size     height and width of the image, or only its width
    """
    axes = len(size)
    stride, dilation = call.integers("strides", [1] * axes), call.integers("dilations", [1] * axes)
    if not len(kernel) == len(stride) == len(dilation) == axes or min(*kernel, *stride, *dilation) < 1:
        raise call.unsupported(
            f"kernel {list(kernel)}, strides {stride}, dilations {dilation}", f"{axes} sizes of 1 or more"
        )
    rule = call.text("auto_pad", "NOTSET")
    if rule == "NOTSET":
        padding = _explicit_padding(call, axes)
    elif rule in ("VALID", "SAME_UPPER", "SAME_LOWER"):
        padding = tuple(_automatic_padding(rule, *sizes) for sizes in zip(size, kernel, stride, dilation, strict=True))
    else:
        raise call.unsupported(f"auto_pad {rule!r}", "NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    rounds_up = rule == "NOTSET" and call.integer("ceil_mode", 0) != 0
    axis_sizes = zip(size, kernel, stride, padding, dilation, strict=True)
    is_exact = all((length + sum(pad) - extent(k, d)) % step == 0 for length, k, step, pad, d in axis_sizes)
    return WindowOptions(tuple(kernel), tuple(stride), tuple(dilation), padding, rounds_up and not is_exact)


def _explicit_padding(call: Call, axes: int) -> tuple[Pair, ...]:
    pads = call.integers("pads", [0] * 2 * axes)
    if len(pads) != 2 * axes or min(pads) < 0:
        raise call.unsupported(f"pads {pads}", f"{2 * axes} numbers of at least 0")
    return tuple(zip(pads[:axes], pads[axes:], strict=True))


def _automatic_padding(rule: str, size: int, kernel: int, stride: int, dilation: int) -> Pair:
    """Return the padding for an `auto_pad` rule: none for VALID, otherwise the padding for ⌈size/stride⌉ outputs.

    If the amount is odd, there is one more zero at the end for SAME_UPPER, and at the beginning for SAME_LOWER.
    """
    if rule == "VALID":
        return (0, 0)
    total = max((-(-size // stride) - 1) * stride + extent(kernel, dilation) - size, 0)
    smaller, larger = total // 2, total - total // 2
    return (smaller, larger) if rule == "SAME_UPPER" else (larger, smaller)


def simplify(values: Sequence[int]) -> int | tuple[int, ...]:
    """Return a single number if all values are equal, otherwise a tuple: the shortest form of an option."""
    return values[0] if len(set(values)) == 1 else tuple(values)


def simplify_padding(padding: Sequence[Pair]) -> str | int | tuple[Pair, ...]:
    """Return "valid" for no padding, one number for equal padding on all sides, otherwise the pairs."""
    amounts = {amount for pair in padding for amount in pair}
    return tuple(padding) if len(amounts) > 1 else max(amounts) or "valid"


def image(call: Call, x: Feature) -> Feature:
    """Return a value with two spatial axes, where (C, W) becomes an image of height 1; FormatError for other shapes."""
    if len(x.node.shape) == 3:
        return x
    if len(x.node.shape) != 2:
        raise call.unsupported(f"an input of {len(x.shape)} axes", "(N, C, H, W) or (N, C, W)")
    return call.reshape(x, (x.node.shape[0], 1, x.node.shape[1]))


def restore_rank(call: Call, y: Feature, x: Feature) -> Feature:
    """Return y, which was computed from `image(call, x)`, with as many spatial axes as x."""
    return y if len(x.node.shape) == 3 else call.reshape(y, (y.node.shape[0], *y.node.shape[2:]))


def input_image(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return the input of a convolution or pooling operation as a value of the graph.

    Its shape is (C, W) if it was computed in that shape and the window covers one row, otherwise (C, H, W).
    """
    tensor, value = operation.reads[0], graph.stored(operation.reads[0])
    is_row = tensor is not None and len(value.shape) == 2 and tensor.shape == (value.shape[0], 1, value.shape[1])
    # If image and result have one row each, and there is no padding, the window has one row too.
    one_row = not any(operation.attributes["padding"][0]) and operation.writes[0].shape[1] == 1
    return value if is_row and one_row else graph.view(tensor)


def result_shape(x: GraphResult, result: Tensor) -> tuple[int, ...]:
    """Return the shape of an operation's result, with the same number of axes as the image x."""
    return (result.shape[0], *result.shape[4 - len(x.shape) :])


def attributes_of(x: GraphResult, operation: Operation, **names: str) -> dict[str, Any]:
    """Return attributes of an operation under their ONNX names, for the spatial axes of the image x.

    names   name in the plan → name in ONNX
    """
    axes = len(x.shape) - 1
    return {onnx_name: operation.attributes[plan_name][-axes:] for plan_name, onnx_name in names.items()}
