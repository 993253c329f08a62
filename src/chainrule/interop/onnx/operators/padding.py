"""Padding and cropping of values, with numbers or with copies of their own elements."""

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import Pair
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import POSITION, Array, Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.resampling import along_axes
from chainrule.interop.onnx.operators.shapes import moved
from chainrule.interop.onnx.operators.terms import ScaledTerm

REPEATING_MODES = ("edge", "reflect", "wrap")  # of ONNX and of numpy.pad


def read_pad(call: Call) -> Feature:
    """Return Pad2D, Crop2D for negative numbers, and Concatenate of Slices for repeated elements.

    The layers pad with zeros. Another number is added afterwards, in the borders only.
    """
    x = call.feature()
    borders, value = _border_sizes(call, len(x.shape)), _fill_value(call)
    mode = call.choice("mode", "constant", *REPEATING_MODES)
    if mode != "constant":
        call.allocated([size + sum(border) for size, border in zip(x.shape, borders, strict=True)], POSITION.itemsize)
        return moved(call, x, lambda places: np.pad(places, borders, cast("Any", mode)))
    file_axes = [axis for axis, border in enumerate(borders) if any(border)]
    sample, axes = call.sample_axes(x, file_axes)
    return pad_with(call, sample, {axis: borders[k] for axis, k in zip(axes, file_axes, strict=True)}, value)


def pad_with(call: Call, x: Feature, pairs: Mapping[int, Pair], value: float) -> Feature:
    """Return a value with a number before and after its elements along axes of a sample. Negative numbers crop."""
    y = pad_with_zeros(call, x, pairs)
    if not (value and pairs):
        return y
    before = [max(pairs.get(axis, (0, 0))[0], 0) for axis in range(len(x.node.shape))]
    after = [max(pairs.get(axis, (0, 0))[1], 0) for axis in range(len(x.node.shape))]
    border = np.full(call.allocated(y.node.shape, 8), value)
    border[tuple(slice(first, size - last) for first, size, last in zip(before, border.shape, after, strict=True))] = 0
    return (ScaledTerm(call, y) + border).feature


def pad_with_zeros(call: Call, x: Feature, pairs: Mapping[int, Pair]) -> Feature:
    """Return a value with zeros before and after its elements along axes of a sample. Negative numbers crop."""
    if len(x.node.shape) == 3 and {*pairs} <= {1, 2}:
        sides, y = [pairs.get(axis, (0, 0)) for axis in (1, 2)], x
        for kind, option, sign in (("Crop2D", "cropping", -1), ("Pad2D", "padding", 1)):
            amounts = tuple(tuple(max(sign * amount, 0) for amount in side) for side in sides)
            y = call.layer(kind, y, **{option: amounts}) if any(map(any, amounts)) else y
        return y
    return along_axes(call, x, pairs, partial(pad_with_zeros, call))


def _border_sizes(call: Call, rank: int) -> list[Pair]:
    """Return the numbers of elements added before and after each axis; negative numbers crop."""
    pads = call.input_or_attribute("pads", 1, 11) or call.integers("paddings", [])
    axes = call.integer_input(3) if call.opset >= 18 and call.has_input(3) else [*range(rank)]
    if len(pads) != 2 * len(axes):
        raise call.unsupported(f"pads {pads}", f"{2 * len(axes)} numbers")
    borders = [(0, 0)] * rank
    for index, axis in enumerate(axes):
        borders[call.normalize_axis(axis, rank)] = (pads[index], pads[index + len(axes)])
    return borders


def _fill_value(call: Call) -> float:
    if call.opset < 11:
        return call.real("value", 0.0)
    value: Array | None = call.constant(2) if call.has_input(2) else None
    return float(value.reshape(-1)[0]) if value is not None and value.size else 0.0


def write_pad(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Pad with zeros."""
    amounts = graph.integer_constant((0, *operation.attributes["before"], 0, *operation.attributes["after"]))
    return graph.node("Pad", graph.view(operation.reads[0]), amounts, shape=operation.writes[0].shape)


OPERATORS = (Operator("Pad", read_pad, {"pad": write_pad}),)
