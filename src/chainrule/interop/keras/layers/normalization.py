"""Normalization, dropout, and layers without effect in inference."""

import math
from collections.abc import Sequence
from typing import Any, cast

from chainrule.core.arrays import Array
from chainrule.errors import quoted
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.keras.layer_call import KerasCall, Translation
from chainrule.interop.keras.layers.by_onnx import apply_operator, clipped, reduced
from chainrule.interop.keras.layouts import KerasValue, from_layout
from chainrule.interop.keras.values import as_list
from chainrule.interop.names import NAMES

SQUARED_EPSILON = 1e-14  # lower limit of a squared norm in Dot
SQUARED_LIMIT, SQUARED_LIMIT_OF_KERAS_2 = 1e-24, 1e-12  # lower limits in UnitNormalization


def _affine_weights(call: KerasCall, shape: Sequence[int], *more: str) -> dict[str, Array]:
    """Return γ and β (ones and zeros if the layer has none), and the weights called ``more``, as vectors by name."""
    names: list[str] = []
    if call.flag("scale", True):
        names.append("gamma")
    if call.flag("center", True):
        names.append("beta")
    count = math.prod(shape)
    stored = call.weights(**dict.fromkeys((*names, *more), shape))
    weights = {name: array.reshape(count) for name, array in stored.items()}
    if "gamma" not in weights:
        weights["gamma"] = call.filled(count, 1.0)
    if "beta" not in weights:
        weights["beta"] = call.filled(count, 0.0)
    return weights


def batch_normalization(call: KerasCall) -> KerasValue:
    """Return BatchNorm2D or BatchNorm1D with its running statistics; chainrule's momentum is 1 minus that of Keras."""
    x = call.x
    axis = call.axis("axis")
    if call.flag("renorm", False):
        raise call.unsupported("renorm true", "normalization by batch statistics")
    weights = _affine_weights(call, (x.shape[axis],), "moving_mean", "moving_variance")
    weights["running_mean"] = weights.pop("moving_mean")
    weights["running_variance"] = weights.pop("moving_variance")
    options: dict[str, Any] = {"epsilon": call.number("epsilon", 1e-3)}
    momentum = 1 - call.number("momentum", 0.99)
    if 0 < momentum <= 1:  # in Keras, momentum 1 means constant running statistics
        options["momentum"] = round(momentum, 9)
    kind = "BatchNorm2D" if x.rank > 2 else "BatchNorm1D"
    return call.weighted(kind, x, axis, options, weights)


def group_normalization(call: KerasCall) -> KerasValue:
    """Return GroupNorm."""
    x = call.x
    axis = call.axis("axis")
    groups = call.integer("groups", 32, -1)
    if groups == -1:
        groups = x.shape[axis]
    if x.rank == 1:
        x = from_layout(x.plain(), [0])  # groups consist of neighbors
    weights = _affine_weights(call, (x.shape[axis],))
    return call.weighted("GroupNorm", x, axis, {"groups": groups, "epsilon": call.number("epsilon", 1e-3)}, weights)


def layer_normalization(call: KerasCall) -> KerasValue:
    """Return LayerNorm over the last axes, which are merged into one."""
    x = call.x
    axes = call.axes("axis", -1)
    axis_option = call.option("axis", -1)
    axis_numbers = cast("list[int]", as_list(axis_option) or [])
    signs = {axis > 0 for axis in axis_numbers}  # Keras sorts axes with both signs in another order
    first = x.rank - len(axes)
    if axes != [*range(first, x.rank)] or len(signs) > 1 or call.flag("rms_scaling", False):
        raise call.unsupported(f"axis {quoted(axis_option)}", "the last axes, with mean and variance")
    shape = x.shape[first:]
    weights = _affine_weights(call, shape)
    merged = (math.prod(shape),)
    if first > 0:
        merged = (math.prod(x.shape[:first]), *merged)
    options = {"epsilon": call.number("epsilon", 1e-3)}
    return call.weighted("LayerNorm", x.reshaped(merged), 0, options, weights).reshaped(x.shape)


def unit_normalization(call: KerasCall) -> KerasValue:
    """Return x divided by its Euclidean norm along axes of a sample."""
    least = SQUARED_LIMIT if call.version >= 3 else SQUARED_LIMIT_OF_KERAS_2
    return _normalized(call, call.x, call.axes("axis", -1), least)


def _normalized(call: KerasCall, x: KerasValue, axes: Sequence[int], least: float) -> KerasValue:
    """Return x divided by its norm.

    least   lower limit of the squared norm
    """
    total = reduced(call, x, "ReduceSumSquare", axes, keep=True)
    norm = call.elementwise(clipped(call, total, least, MAX_FLOAT32), "Sqrt")
    return apply_operator(call, "Div", [x, norm])


def dot(call: KerasCall) -> KerasValue:
    """Return the sum of the product of two vectors, which `normalize` divides by their norms."""
    if len(call.inputs) != 2:
        raise call.unsupported(f"{len(call.inputs)} inputs", "two vectors")
    a, b = call.inputs
    if a.rank != 1 or a.shape != b.shape or call.axes("axes") != [0]:
        raise call.unsupported(f"inputs {[a.shape, b.shape]}", "two vectors, multiplied along axis 1")
    if call.flag("normalize", False):
        a = _normalized(call, a, [0], SQUARED_EPSILON)
        b = _normalized(call, b, [0], SQUARED_EPSILON)
    return reduced(call, apply_operator(call, "Mul", [a, b]), "ReduceSum", [0], keep=True)


def dropout(call: KerasCall) -> KerasValue:
    """Return Dropout, or the input for a rate of 0 or if noise_shape is set; all do nothing in inference."""
    rate = call.number("rate", 0.5)
    if not rate or call.option("noise_shape") is not None:
        return call.x
    return call.elementwise(call.x, "Dropout", rate=rate)


def identity(call: KerasCall) -> KerasValue:
    """Return the input: the layer does nothing in inference."""
    for name in call.layer.options:
        call.option(name)
    return call.x


LAYERS: dict[str, Translation] = {
    "BatchNormalization": batch_normalization,
    "GroupNormalization": group_normalization,
    "LayerNormalization": layer_normalization,
    **dict.fromkeys(("BatchNormalizationV1", "BatchNormalizationV2"), batch_normalization),
    "Dot": dot,
    "Dropout": dropout,
    "UnitNormalization": unit_normalization,
    **dict.fromkeys(NAMES.groups["keras_identity"], identity),
}
