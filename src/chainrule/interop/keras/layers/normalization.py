"""Normalization, dropout, and layers without effect in inference."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.core.arrays import Array
from chainrule.errors import quoted
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.layers.by_onnx import apply_operator, clipped, reduced
from chainrule.interop.keras.layouts import KerasValue, from_layout
from chainrule.interop.keras.values import as_list
from chainrule.interop.names import NAMES

SQUARED_EPSILON = 1e-14  # lower limit of a squared norm in Dot


def _affine_weights(call: KerasCall, shape: Sequence[int], *more: str) -> dict[str, Array]:
    """Return γ and β (ones and zeros if the layer has none), and the weights called ``more``, as vectors by name."""
    names = [name for name, option in (("gamma", "scale"), ("beta", "center")) if call.flag(option, True)]
    weights = call.weights(**dict.fromkeys((*names, *more), shape))
    count = math.prod(shape)
    for name, value in (("gamma", 1.0), ("beta", 0.0)):
        weights[name] = weights[name] if name in weights else call.filled(count, value)
    return {name: array.reshape(count) for name, array in weights.items()}


def batch_normalization(call: KerasCall) -> KerasValue:
    """Return BatchNorm2D or BatchNorm1D with its running statistics; chainrule's momentum is 1 minus that of Keras."""
    x, axis = call.x, call.axis("axis")
    if call.flag("renorm", False):
        raise call.unsupported("renorm true", "normalization by batch statistics")
    weights = _affine_weights(call, (x.shape[axis],), "moving_mean", "moving_variance")
    weights = {name.replace("moving", "running"): array for name, array in weights.items()}
    options: dict[str, Any] = {"epsilon": call.number("epsilon", 1e-3)}
    momentum = 1 - call.number("momentum", 0.99)
    if 0 < momentum <= 1:  # in Keras, momentum 1 means constant running statistics
        options["momentum"] = round(momentum, 9)
    return call.weighted("BatchNorm2D" if x.rank > 2 else "BatchNorm1D", x, axis, options, weights)


def group_normalization(call: KerasCall) -> KerasValue:
    """Return GroupNorm."""
    x, axis, groups = call.x, call.axis("axis"), call.integer("groups", 32, -1)
    groups = x.shape[axis] if groups == -1 else groups
    x = x if x.rank > 1 else from_layout(x.plain(), [0])  # groups consist of neighbors
    weights = _affine_weights(call, (x.shape[axis],))
    return call.weighted("GroupNorm", x, axis, {"groups": groups, "epsilon": call.number("epsilon", 1e-3)}, weights)


def layer_normalization(call: KerasCall) -> KerasValue:
    """Return LayerNorm over the last axes, which are merged into one."""
    x, axes, axis_option = call.x, call.axes("axis", -1), call.option("axis", -1)
    has_signs = len({axis > 0 for axis in as_list(axis_option) or ()}) > 1  # Keras sorts these in another order
    if axes != list(range(x.rank - len(axes), x.rank)) or has_signs or call.flag("rms_scaling", False):
        raise call.unsupported(f"axis {quoted(axis_option)}", "the last axes, with mean and variance")
    shape = x.shape[axes[0] :]
    weights, options = _affine_weights(call, shape), {"epsilon": call.number("epsilon", 1e-3)}
    merged = (math.prod(shape),) if axes[0] == 0 else (math.prod(x.shape[: axes[0]]), math.prod(shape))
    return call.weighted("LayerNorm", x.reshaped(merged), 0, options, weights).reshaped(x.shape)


def unit_normalization(call: KerasCall) -> KerasValue:
    """Return x divided by its Euclidean norm along axes of a sample."""
    return _normalized(call, call.x, call.axes("axis", -1), 1e-24 if call.version >= 3 else 1e-12)


def _normalized(call: KerasCall, x: KerasValue, axes: Sequence[int], least: float) -> KerasValue:
    """Return x divided by its norm.

    least   lower limit of the squared norm
    """
    total = reduced(call, x, "ReduceSumSquare", axes, keep=True)
    norm = call.elementwise(clipped(call, total, least, MAX_FLOAT32), "Sqrt")
    return apply_operator(call, "Div", [x, norm])


def dot(call: KerasCall) -> KerasValue:
    """Return the sum of the product of two vectors, which `normalize` divides by their norms."""
    x = call.inputs
    if [value.rank for value in x] != [1, 1] or call.axes("axes") != [0] or x[0].shape != x[1].shape:
        raise call.unsupported(f"inputs {[value.shape for value in x]}", "two vectors, multiplied along axis 1")
    if call.flag("normalize", False):
        x = [_normalized(call, value, [0], SQUARED_EPSILON) for value in x]
    return reduced(call, apply_operator(call, "Mul", x), "ReduceSum", [0], keep=True)


def dropout(call: KerasCall) -> KerasValue:
    """Return Dropout, or the input for a rate of 0 or if noise_shape is set; all do nothing in inference."""
    rate, shape = call.number("rate", 0.5), call.option("noise_shape")
    return call.elementwise(call.x, "Dropout", rate=rate) if rate and shape is None else call.x


def identity(call: KerasCall) -> KerasValue:
    """Return the input: the layer does nothing in inference."""
    for name in call.layer.options:
        call.option(name)
    return call.x


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {
    "BatchNormalization": batch_normalization,
    "GroupNormalization": group_normalization,
    "LayerNormalization": layer_normalization,
    **dict.fromkeys(("BatchNormalizationV1", "BatchNormalizationV2"), batch_normalization),
    "Dot": dot,
    "Dropout": dropout,
    "UnitNormalization": unit_normalization,
    **dict.fromkeys(NAMES.groups["keras_identity"], identity),
}
