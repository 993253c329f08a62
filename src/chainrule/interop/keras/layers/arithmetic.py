"""Sums and products of results and constants, as layers and as functions of keras.ops.

Multiplication by a constant and addition of a constant become FixedAffine, which training leaves unchanged.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import quoted
from chainrule.interop.keras.config import as_list
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.weights import KerasValue, axis_first, from_layout

Array = NDArray[Any]
SMALLEST_DEVIATION = 1e-7  # lower limit of the standard deviation in Normalization


def combine(call: KerasCall, kind: str, inputs: Sequence[KerasValue]) -> KerasValue:
    """Return a sum or product of values, which are broadcast along axes of size 1."""
    first, rank = inputs[0], max(value.rank for value in inputs)
    if all((value.shape, value.inner, value.axes) == (first.shape, first.inner, first.axes) for value in inputs):
        same_shapes = len({value.node.shape for value in inputs}) == 1
        return first.with_node(
            call.assembly.apply(kind, *(value.node if same_shapes else value.flat() for value in inputs))
        )
    add_axis = [value.reshaped((1,) * (rank - value.rank) + value.shape) for value in inputs]
    nodes = [value.with_first(rank - 1) for value in add_axis]
    return from_layout(call.assembly.apply(kind, *nodes), axis_first(rank - 1, rank))


def merge_layer(kind: str) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of a sum or product of several inputs."""

    def translate(call: KerasCall) -> KerasValue:
        return combine(call, kind, call.inputs)

    translate.__doc__ = f"Return {kind}."
    return translate


def subtract(call: KerasCall) -> KerasValue:
    """Return Add of the first input and −1 times the second."""
    if len(call.inputs) != 2:
        raise call.unsupported(f"{len(call.inputs)} inputs", "two")
    return combine(call, "Add", [call.inputs[0], call.affine(call.inputs[1], np.array(-1.0))])


def average(call: KerasCall) -> KerasValue:
    """Return Add of the inputs, and FixedAffine that divides the sum by their number."""
    return call.affine(combine(call, "Add", call.inputs), np.array(1 / len(call.inputs)))


def _with_constant(kind: str, call: KerasCall) -> KerasValue:
    """Return x + a, x − a, a − x, x · a or x / a for a result x and a number a; FormatError for a / x and x / 0."""
    x, is_first = call.x, isinstance(call.operands[0], KerasValue)
    number = next(operand for operand in call.operands if not isinstance(operand, KerasValue))
    if kind == "TrueDivide" and is_first and number:
        return call.affine(x, np.array(1 / number))
    if kind == "Multiply":
        return call.affine(x, np.array(number))
    if kind == "Subtract":
        return call.affine(x, np.array(1.0 if is_first else -1.0), np.array(-number if is_first else number))
    if kind == "Add":
        return call.affine(x, np.array(1.0), np.array(number))
    raise call.unsupported(f"{number} and a result", "a result divided by a number that is not 0")


def operation(kind: str) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of an operation on two results, or on a result and a number."""

    def translate(call: KerasCall) -> KerasValue:
        if len(call.operands) != 2:
            raise call.unsupported(f"{len(call.operands)} operands", "two")
        if len(call.inputs) == 1:
            return _with_constant(kind, call)
        if kind not in LAYERS:
            raise call.unsupported("two results", "a number to divide by")
        return LAYERS[kind](call)

    return translate


def rescaling(call: KerasCall) -> KerasValue:
    """Return FixedAffine, which multiplies by `scale` and adds `offset`."""
    scale, offset = _constant(call, "scale", 1.0), _constant(call, "offset", 0.0)
    return call.affine(call.x, scale, offset)


def normalization(call: KerasCall) -> KerasValue:
    """Return FixedAffine that normalizes each channel, or all values with the same mean and variance."""
    x, axis = call.x, call.option("axis", -1)
    per_channel = axis not in (None, [])
    if per_channel and call.axis("axis") != x.rank - 1:
        raise call.unsupported(f"axis {quoted(axis)}", "the last axis")
    if call.flag("invert", False):
        raise call.unsupported("invert true", "normalization")
    shape = x.shape[-1:] if per_channel else ()
    if call.option("mean") is None:
        statistics = call.weights(mean=shape, variance=shape, count=None)
    else:
        statistics = {name: _constant(call, name, 0.0) for name in ("mean", "variance")}
    scale = 1 / np.maximum(np.sqrt(np.maximum(statistics["variance"], 0)), SMALLEST_DEVIATION)
    return call.affine(x, scale, -statistics["mean"] * scale)


def layer_scale(call: KerasCall) -> KerasValue:
    """Return a 1×1 depthwise Conv2D with one factor for each channel.

    The layer belongs to ConvNeXt in `keras.applications`.
    """
    call.number("init_values", 1.0)
    x, channels = call.x, call.integer("projection_dim")
    gamma = call.weights(gamma=(channels,))["gamma"]
    node = call.assembly.affine(x.with_first(x.rank - 1), gamma, stem=call.stem)
    return from_layout(node, axis_first(x.rank - 1, x.rank))


def _constant(call: KerasCall, name: str, default: float) -> Array:
    """Return an option with a single number, or one number per element of the last axis."""
    value: Any = call.option(name, default)
    entries = [value]
    while len(entries) == 1 and (inner := as_list(entries[0])) is not None:
        entries = inner
    if not all(isinstance(entry, (int, float)) and not isinstance(entry, bool) for entry in entries):
        raise call.unsupported(f"{name} {quoted(value)}", "a number, or one for each channel")
    if len(entries) not in (1, call.x.shape[-1]):
        raise call.unsupported(f"{len(entries)} elements of {name}", f"one, or {call.x.shape[-1]}")
    constant = np.array(entries, np.float64)
    return constant.reshape(()) if len(entries) == 1 else constant


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {
    "Add": merge_layer("Add"),
    "Multiply": merge_layer("Multiply"),
    "Subtract": subtract,
    "Average": average,
    "LayerScale": layer_scale,
    "Normalization": normalization,
    "Rescaling": rescaling,
}
OPERATIONS = {kind: operation(kind) for kind in ("Add", "Multiply", "Subtract", "TrueDivide")}
