"""Sliding windows of convolutions and pooling: conversion between ONNX attributes and options of layers.

Operations have two spatial axes. A value with one spatial axis, (C, W), is read as an image of height 1, and written as
(C, W) if it was computed in that shape.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.core.arrays import Shape
from chainrule.core.plan import Operation, Tensor
from chainrule.core.shapes import Pair, extent
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature

SAME = ("SAME_UPPER", "SAME_LOWER")  # values of auto_pad for as many outputs as the stride allows


@dataclass(frozen=True)
class WindowOptions:
    """A window that slides over one or more axes: sizes, strides, dilations, padding, rounding of the output size."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: tuple[Pair, ...]
    ceil_mode: bool = False

    def options(self, axes: int) -> dict[str, Any]:
        """Return the options of a layer with this number of axes; the axes of the window are the last ones."""
        ones = [1] * (axes - len(self.kernel))
        return {
            "kernel": simplify((*ones, *self.kernel)),
            "stride": simplify((*ones, *self.stride)),
            "padding": simplify_padding((*[(0, 0)] * len(ones), *self.padding)),
            "dilation": simplify((*ones, *self.dilation)),
        }


def window_of(call: Call, kernel: Sequence[int], size: Sequence[int]) -> WindowOptions:
    """Return the window of a node; FormatError for attributes with another number of axes or invalid values.

    Padding is none for VALID, as much as ⌈size / stride⌉ outputs need for SAME_UPPER and SAME_LOWER, and otherwise
    `pads`: the zeros before all axes, then those after them. ceil_mode is ignored if no size is rounded.

    kernel   size of the window along each axis
    size     sizes of the axes, such as height and width of an image
    """
    axes = len(size)
    stride = call.integers("strides", [1] * axes)
    dilation = call.integers("dilations", [1] * axes)
    if not len(kernel) == len(stride) == len(dilation) == axes or min(*kernel, *stride, *dilation) < 1:
        raise call.unsupported(
            f"kernel {list(kernel)}, strides {stride}, dilations {dilation}", f"{axes} sizes of 1 or more"
        )
    rule = call.choice("auto_pad", "NOTSET", "VALID", *SAME)
    pads = call.integers("pads", [0] * 2 * axes)
    if rule == "VALID":
        pads = [0] * 2 * axes
    if len(pads) != 2 * axes or min(pads) < 0:
        raise call.unsupported(f"pads {pads}", f"{2 * axes} numbers of at least 0")
    padding: list[Pair] = []
    is_rounded = False
    for axis, length in enumerate(size):
        step = stride[axis]
        covered = extent(kernel[axis], dilation[axis])
        pair = (pads[axis], pads[axes + axis])
        if rule in SAME:
            outputs = -(-length // step)
            pair = halves(rule, (outputs - 1) * step + covered - length)
        padding.append(pair)
        is_rounded |= (length + sum(pair) - covered) % step != 0
    ceil_mode = rule == "NOTSET" and call.integer("ceil_mode", 0) != 0 and is_rounded
    return WindowOptions(tuple(kernel), tuple(stride), tuple(dilation), tuple(padding), ceil_mode)


def halves(rule: str, total: int) -> Pair:
    """Return padding before and after an axis. Of an odd total, one more is after it for the rule SAME_UPPER."""
    total = max(total, 0)
    smaller = total // 2
    larger = total - smaller
    if rule == "SAME_UPPER":
        return smaller, larger
    return larger, smaller


def simplify(values: Sequence[int]) -> int | tuple[int, ...]:
    """Return a single number if all values are equal, otherwise a tuple: the shortest form of an option."""
    if len(set(values)) == 1:
        return values[0]
    return tuple(values)


def simplify_padding(padding: Sequence[Pair]) -> str | int | tuple[Pair, ...]:
    """Return "valid" for no padding, one number for equal padding on all sides, otherwise the pairs."""
    amounts = {*itertools.chain(*padding)}
    if len(amounts) > 1:
        return tuple(padding)
    return amounts.pop() or "valid"


def image(call: Call, x: Feature) -> Feature:
    """Return a value with two spatial axes, where (C, W) becomes an image of height 1; FormatError for other shapes."""
    if len(x.node.shape) == 3:
        return x
    if len(x.node.shape) != 2:
        raise call.unsupported(f"an input of {len(x.shape)} axes", "(N, C, H, W) or (N, C, W)")
    return call.reshape(x, (x.node.shape[0], 1, x.node.shape[1]))


def restore_rank(call: Call, y: Feature, x: Feature) -> Feature:
    """Return y, which was computed from `image(call, x)`, with as many spatial axes as x."""
    if len(x.node.shape) == 3:
        return y
    channels, _, *positions = y.node.shape
    return call.reshape(y, (channels, *positions))


def input_image(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return the input of a convolution or pooling operation as a value of the graph.

    Its shape is (C, W) if it was computed in that shape and the window covers one row, otherwise (C, H, W).
    """
    tensor = operation.reads[0]
    assert tensor is not None
    value = graph.stored(tensor)
    is_row = len(value.shape) == 2 and tensor.shape == (value.shape[0], 1, value.shape[1])
    # If image and result have one row each, and there is no padding, the window has one row too.
    has_padding = any(operation.attributes["padding"][0])
    if is_row and operation.result.shape[1] == 1 and not has_padding:
        return value
    return graph.view(tensor)


def result_shape(x: GraphResult, result: Tensor) -> Shape:
    """Return the shape of an operation's result, with the same number of axes as the image x."""
    return (result.shape[0], *result.shape[4 - len(x.shape) :])


def attributes_of(x: GraphResult, operation: Operation, **names: str) -> dict[str, Any]:
    """Return attributes of an operation under their ONNX names, for the spatial axes of the image x.

    names   name in the plan → name in ONNX
    """
    axes = len(x.shape) - 1
    return {onnx_name: operation.attributes[plan_name][-axes:] for plan_name, onnx_name in names.items()}
