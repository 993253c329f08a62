"""Layers that compute sums, products and other functions of results and constants.

Multiplication by a constant and addition of a constant become Rescaling or FixedAffine, which training does not change.
"""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import KerasCall, Translation
from chainrule.interop.keras.layers.by_onnx import affine, apply_operator
from chainrule.interop.keras.layouts import KerasValue, axis_first, from_layout, stored_alike
from chainrule.layers import MERGING

SMALLEST_DEVIATION = 1e-7  # lower limit of the standard deviation in Normalization


def combine(call: KerasCall, kind: str, inputs: Sequence[KerasValue]) -> KerasValue:
    """Return a layer of several values, such as a sum, which are broadcast along axes of size 1."""
    stored = stored_alike(inputs)
    if stored is not None:
        return inputs[0].with_node(call.assembly.apply(kind, *(value.node for value in stored)))
    operator = {"Maximum": "Max", "Minimum": "Min", "Multiply": "Mul"}.get(kind, kind)
    return reduce(lambda a, b: apply_operator(call, operator, [a, b]), inputs)


def merge_layer(kind: str) -> Translation:
    """Return the translation of a sum, product, maximum or minimum of several inputs."""

    def translate(call: KerasCall) -> KerasValue:
        return combine(call, kind, call.inputs)

    translate.__doc__ = f"Return {kind}."
    return translate


def subtract(call: KerasCall) -> KerasValue:
    """Return Add of the first input and −1 times the second."""
    if len(call.inputs) != 2:
        raise call.unsupported(f"{len(call.inputs)} inputs", "two")
    return apply_operator(call, "Sub", call.inputs)


def average(call: KerasCall) -> KerasValue:
    """Return Add of the inputs, and Rescaling that divides the sum by their number."""
    return apply_operator(call, "Mean", call.inputs)


def rescaling(call: KerasCall) -> KerasValue:
    """Return Rescaling, or FixedAffine for several numbers, which multiplies by `scale` and adds `offset`."""
    scale = _constant(call, "scale", 1.0)
    offset = _constant(call, "offset", 0.0)
    return affine(call, call.x, scale, offset)


def normalization(call: KerasCall) -> KerasValue:
    """Return FixedAffine that normalizes each channel, or Rescaling for a single mean and variance."""
    x = call.x
    axis = call.option("axis", -1)
    shape = ()
    if axis not in (None, []):
        if call.axis("axis") != x.rank - 1:
            raise call.unsupported(f"axis {quoted(axis)}", "the last axis")
        shape = x.shape[-1:]
    if call.flag("invert", False):
        raise call.unsupported("invert true", "normalization")
    if call.option("mean") is None:
        statistics = call.weights(mean=shape, variance=shape, count=None)
    else:
        statistics = {name: _constant(call, name, 0.0) for name in ("mean", "variance")}
    scale = 1 / np.maximum(np.sqrt(np.maximum(statistics["variance"], 0)), SMALLEST_DEVIATION)
    return affine(call, x, scale, -statistics["mean"] * scale)


def layer_scale(call: KerasCall) -> KerasValue:
    """Return a 1×1 depthwise Conv2D with one factor for each channel.

    The layer belongs to ConvNeXt in `keras.applications`.
    """
    call.number("init_values", 1.0)
    x = call.x
    last = x.rank - 1
    weights = call.weights(gamma=(call.integer("projection_dim"),))
    node = call.assembly.affine(x.with_first(last), weights["gamma"], None, call.layer_name)
    return from_layout(node, axis_first(last, x.rank))


def _constant(call: KerasCall, name: str, default: float) -> Array:
    """Return an option with a single number, or one number per element of the last axis."""
    value: object = call.option(name, default)
    constant = np.array(value)
    channels = call.x.shape[-1]
    if constant.dtype.kind not in "iuf" or constant.size not in (1, channels):
        raise call.unsupported(f"{name} {quoted(value)}", f"a number, or one for each of {channels} channels")
    numbers = constant.astype(np.float64)
    if numbers.size == 1:
        return numbers.reshape(())
    return numbers.reshape(-1)


LAYERS: dict[str, Translation] = {
    **{kind.peers.keras.name: merge_layer(kind.__name__) for kind in MERGING if kind.peers.keras},
    "Subtract": subtract,
    "Average": average,
    "LayerScale": layer_scale,
    "Normalization": normalization,
    "Rescaling": rescaling,
}
