"""Constants that inputs are scaled and shifted by."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import quoted
from chainrule.interop.keras.call import KerasCall
from chainrule.interop.keras.config import entries_of
from chainrule.interop.keras.layout import KerasValue

Array = NDArray[Any]
SMALLEST_DEVIATION = 1e-7  # that Normalization divides by


def rescaling(call: KerasCall) -> KerasValue:
    """Return a scale and a shift: a convolution of 1×1 for each channel."""
    scale, offset = _constant(call, "scale", 1.0), _constant(call, "offset", 0.0)
    return call.affine(call.x, scale, offset)


def normalization(call: KerasCall) -> KerasValue:
    """Return a scale and a shift, of every channel or of all values."""
    x, axis = call.x, call.option("axis", -1)
    per_channel = axis not in (None, [])
    if per_channel and call.axis("axis") != x.rank - 1:
        raise call.refusal(f"axis {quoted(axis)}", "the last axis")
    if call.flag("invert", False):
        raise call.refusal("invert true", "normalization")
    shape = x.shape[-1:] if per_channel else ()
    if call.option("mean") is None:
        found = call.weights(mean=shape, variance=shape, count=None)
    else:
        found = {name: _constant(call, name, 0.0) for name in ("mean", "variance")}
    scale = 1 / np.maximum(np.sqrt(np.maximum(found["variance"], 0)), SMALLEST_DEVIATION)
    return call.affine(x, scale, -found["mean"] * scale)


def layer_scale(call: KerasCall) -> KerasValue:
    """Return a scale of every channel: a convolution of 1×1 for each.

    It belongs to ConvNeXt, in `keras.applications`.
    """
    call.real("init_values", 1.0)
    return call.affine(call.x, call.weights(gamma=(call.whole("projection_dim"),))["gamma"])


def _constant(call: KerasCall, name: str, default: float) -> Array:
    """Return an option that is a number, or one for each entry of the last axis."""
    found: Any = call.option(name, default)
    entries = [found]
    while len(entries) == 1 and (inner := entries_of(entries[0])) is not None:
        entries = inner
    if not all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in entries):
        raise call.refusal(f"{name} {quoted(found)}", "a number, or one for each channel")
    if len(entries) not in (1, call.x.shape[-1]):
        raise call.refusal(f"{len(entries)} entries of {name}", f"one, or {call.x.shape[-1]}")
    value = np.array(entries, np.float64)
    return value.reshape(()) if len(entries) == 1 else value


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {
    "LayerScale": layer_scale,
    "Normalization": normalization,
    "Rescaling": rescaling,
}
