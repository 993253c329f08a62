"""Padding and cropping of values, with numbers or with copies of their own elements."""

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import Pair
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import INDEX_TYPE, Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.shapes import moved
from chainrule.interop.onnx.operators.terms import ScaledTerm

REPEATING_MODES = ("edge", "reflect", "wrap")  # of ONNX and of numpy.pad


def read_pad(call: Call) -> Feature:
    """Return Pad2D, Crop2D for negative numbers, and Concatenate of Slices for repeated elements.

    The layers pad with zeros. Another number is added afterwards, in the borders only.
    """
    x = call.feature()
    borders = _border_sizes(call, len(x.shape))
    value = _fill_value(call)
    mode = call.choice("mode", "constant", *REPEATING_MODES)
    if mode != "constant":
        padded_shape = [size + sum(border) for size, border in zip(x.shape, borders, strict=True)]
        call.allocated(padded_shape, INDEX_TYPE.itemsize)
        return moved(call, x, lambda indices: np.pad(indices, borders, cast("Any", mode)))
    changed = {axis: border for axis, border in enumerate(borders) if any(border)}
    sample, axes = call.sample_axes(x, [*changed])
    return pad_with(call, sample, dict(zip(axes, changed.values(), strict=True)), value)


def pad_with(call: Call, x: Feature, pairs: Mapping[int, Pair], value: float) -> Feature:
    """Return a value with a number before and after its elements along axes of a sample. Negative numbers crop."""
    y = pad_with_zeros(call, x, pairs)
    if not value or not pairs:
        return y
    border = np.full(call.allocated(y.node.shape, 8), value)
    inside = [slice(None)] * border.ndim
    for axis, (before, after) in pairs.items():
        inside[axis] = slice(max(before, 0), border.shape[axis] - max(after, 0))
    border[tuple(inside)] = 0
    return (ScaledTerm(call, y) + border).feature


def pad_with_zeros(call: Call, x: Feature, pairs: Mapping[int, Pair]) -> Feature:
    """Return a value with zeros before and after its elements along axes of a sample. Negative numbers crop."""
    if len(x.node.shape) != 3 or not {*pairs} <= {1, 2}:
        for axis, pair in pairs.items():
            x = _pad_axis(call, x, axis, pair)
        return x
    cropping: list[Pair] = []
    padding: list[Pair] = []
    for axis in (1, 2):
        before, after = pairs.get(axis, (0, 0))
        cropping.append((max(-before, 0), max(-after, 0)))
        padding.append((max(before, 0), max(after, 0)))
    if any(map(any, cropping)):
        x = call.layer("Crop2D", x, cropping=tuple(cropping))
    if any(map(any, padding)):
        x = call.layer("Pad2D", x, padding=tuple(padding))
    return x


def _pad_axis(call: Call, x: Feature, axis: int, pair: Pair) -> Feature:
    """Return a value padded along an axis, as the rows of images, which consist of all later axes."""
    shape = x.node.shape
    before = shape[:axis]
    after = shape[axis + 1 :]
    y = pad_with_zeros(call, call.reshape(x, (math.prod(before), shape[axis], math.prod(after))), {1: pair})
    return call.reshape(y, (*before, y.node.shape[1], *after))


def _border_sizes(call: Call, rank: int) -> list[Pair]:
    """Return the numbers of elements added before and after each axis; negative numbers crop."""
    pads = call.input_or_attribute("pads", 1, 11) or []
    axes = [*range(rank)]
    if call.opset >= 18 and call.has_input(3):
        axes = call.integer_input(3)
    count = len(axes)
    if len(pads) != 2 * count:
        raise call.unsupported(f"pads {pads}", f"{2 * count} numbers")
    borders = [(0, 0)] * rank
    for axis, before, after in zip(axes, pads[:count], pads[count:], strict=True):
        borders[call.normalize_axis(axis, rank)] = (before, after)
    return borders


def _fill_value(call: Call) -> float:
    if call.opset < 11:
        return call.real("value", 0.0)
    value = call.optional_constant(2)
    if value is None or not value.size:
        return 0.0
    return float(value.reshape(-1)[0])


def write_pad(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Pad with zeros."""
    amounts = graph.integer_constant((0, *operation.attributes["before"], 0, *operation.attributes["after"]))
    return graph.node("Pad", graph.view(operation.reads[0]), amounts, shape=operation.result.shape)


OPERATORS = (Operator("Pad", read_pad, {"pad": write_pad}),)
