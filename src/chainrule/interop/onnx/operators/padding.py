"""Padding and cropping of values, with numbers or with copies of their own elements."""

import math
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import Pair
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import POSITION, Array, Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.shapes import moved
from chainrule.interop.onnx.operators.terms import ScaledTerm

REPEATING_MODES = ("edge", "reflect", "wrap")  # of ONNX and of numpy.pad


def read_pad(call: Call) -> Feature:
    """Return Pad2D, Crop2D for negative numbers, and Concatenate of Slices for repeated elements."""
    x = call.feature()
    borders, value = _border_sizes(call, len(x.shape)), _fill_value(call)
    mode = call.choice("mode", "constant", *REPEATING_MODES)
    padded_axes = [axis for axis, border in enumerate(borders) if any(border)]
    if mode != "constant":
        call.allocated([size + sum(border) for size, border in zip(x.shape, borders, strict=True)], POSITION.itemsize)
        return moved(call, x, lambda places: np.pad(places, borders, cast("Any", mode)))
    if not np.isfinite(value):
        raise call.unsupported(f"value {value}", "a finite number")
    x, sample_axes = call.sample_axes(x, padded_axes)
    pairs = {axis: borders[file_axis] for axis, file_axis in zip(sample_axes, padded_axes, strict=True)}
    y = pad_with_zeros(call, x, pairs)
    if not value or not padded_axes:
        return y
    cropped = [size + sum(min(amount, 0) for amount in pairs.get(axis, ())) for axis, size in enumerate(x.node.shape)]
    amounts = [tuple(max(amount, 0) for amount in pairs.get(axis, (0, 0))) for axis in range(len(cropped))]
    call.allocated(y.node.shape, 8)
    return (ScaledTerm(call, y) + np.pad(np.zeros(cropped), amounts, constant_values=value)).feature


def pad_with_zeros(call: Call, x: Feature, pairs: Mapping[int, Pair]) -> Feature:
    """Return a value with zeros before and after its elements along axes of a sample. Negative numbers crop."""
    shape = x.node.shape
    if not pairs:
        return x
    first, last = min(pairs), max(pairs)
    if len(shape) != 3 or first == 0 or last - first > 1:
        if first != last:
            for axis, pair in pairs.items():
                x = pad_with_zeros(call, x, {axis: pair})
            return x
        size = shape[first] + sum(pairs[first])
        parts = (math.prod(shape[:first]), shape[first], math.prod(shape[first + 1 :]))
        y = pad_with_zeros(call, call.reshape(x, parts), {1: pairs[first]})
        return call.reshape(y, (*shape[:first], size, *shape[first + 1 :]))
    sides = [pairs.get(axis, (0, 0)) for axis in (1, 2)]
    for kind, option, sign in (("Crop2D", "cropping", -1), ("Pad2D", "padding", 1)):
        amounts = tuple(tuple(max(sign * amount, 0) for amount in side) for side in sides)
        x = call.layer(kind, x, **{option: amounts}) if any(map(any, amounts)) else x
    return x


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
