"""Layers that move values or change shapes, and upsampling of images."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from chainrule.core.shapes import is_whole
from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.layers.by_onnx import apply_in_order, bounded, moved, padded, resized
from chainrule.interop.keras.layouts import KerasValue
from chainrule.interop.keras.values import as_list

Translated = KerasValue | list[KerasValue]


def flatten(call: KerasCall) -> KerasValue:
    """Return Flatten, with Permute or Reshape if the weights of the next layer stay in Keras' order of the elements."""
    x = call.x
    if call.has_channels_first() and x.rank > 1:
        x = x.permuted([*range(1, x.rank), 0])
    return x.reshaped((prod(x.shape),))


def reshape(call: KerasCall) -> Translated:
    """Return Reshape, with a Permute if the order of elements requires it."""
    target: Any = call.option("target_shape")
    sizes = as_list(target) or []
    if not 1 <= len(sizes) <= 16 or not all(is_whole(size, 1) or size == -1 for size in sizes):
        raise call.unsupported(f"target_shape {quoted(target)}", "sizes of a sample")
    return moved(call, call.x, lambda x: x.reshape(len(x), *sizes))


def repeat_vector(call: KerasCall) -> Translated:
    """Return Broadcast that repeats a vector along a new axis."""
    count = call.integer("n")
    return moved(call, call.x, lambda x: np.repeat(bounded(call, x[:, None], count), count, 1))


def permute(call: KerasCall) -> Translated:
    """Return Permute."""
    dims = call.integers("dims", call.x.rank)
    return moved(call, call.x, lambda x: x.transpose(0, *dims))


def concatenate(call: KerasCall) -> KerasValue:
    """Return Concatenate."""
    return concatenated(call, call.inputs, call.axis("axis"))


def concatenated(call: KerasCall, inputs: list[KerasValue], axis: int) -> KerasValue:
    """Return Concatenate of values along an axis of a sample."""
    if len(inputs) < len(call.operands):
        raise call.unsupported("a constant among the inputs", "results of layers")
    order = inputs[0].order_of_axes
    return apply_in_order(call, "Concat", inputs, order=order, axis=1 + order.index(axis))


def resize_borders(kind: str, option: str, axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of padding with zeros, or of cropping.

    kind     "Pad2D" or "Crop2D"
    option   name of Keras' option with the numbers of elements
    axes     number of spatial axes
    """

    def translate(call: KerasCall) -> KerasValue:
        channels, sign = call.channel_axis(axes + 1), 1 if kind == "Pad2D" else -1
        borders = _pairs(call, option, axes, 0 if (kind, axes) == ("Crop2D", 2) else 1)
        mode = call.option("mode", "constant")
        if mode != "constant" or call.option("value", 0):
            raise call.unsupported(f"mode {quoted(mode)}, value {quoted(call.option('value', 0))}", "zeros")
        borders.insert(channels, [0, 0])
        return padded(call, call.x, [[sign * size for size in pair] for pair in borders])

    translate.__doc__ = f"Return {kind}{', of an image of width 1' if axes == 1 else ''}."
    return translate


def _pairs(call: KerasCall, option: str, axes: int, default: int) -> list[list[int]]:
    """Return the numbers of elements to add or crop at the start and end of each spatial axis."""
    value: Any = call.option(option, default)
    sizes = np.array(value)
    if sizes.ndim == 1 and axes > 1:
        sizes = sizes[:, None]  # the same at the start and end
    if sizes.dtype.kind not in "iu" or sizes.shape not in ((), (2,), (axes, 1), (axes, 2)) or sizes.min() < 0:
        raise call.unsupported(f"{option} {quoted(value)}", f"{axes} pairs of whole numbers")
    return np.broadcast_to(sizes, (axes, 2)).tolist()


def upsample(axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of upsampling by whole factors."""

    def translate(call: KerasCall) -> KerasValue:
        channels, factors = call.channel_axis(axes + 1), call.integers("size", axes, 2)
        mode = call.choice("interpolation", "nearest", ("nearest", "bilinear"))
        sizes = [size * k for size, k in zip(call.x.sides(channels), factors, strict=True)]
        return resized(call, call.x, channels, sizes, mode)

    translate.__doc__ = f"Return UpSample2D{', of an image of height 1' if axes == 1 else ', nearest or bilinear'}."
    return translate


LAYERS: dict[str, Callable[[KerasCall], Translated]] = {
    "Concatenate": concatenate,
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "RepeatVector": repeat_vector,
    **{f"ZeroPadding{axes}D": resize_borders("Pad2D", "padding", axes) for axes in (1, 2)},
    **{f"Cropping{axes}D": resize_borders("Crop2D", "cropping", axes) for axes in (1, 2)},
    **{f"UpSampling{axes}D": upsample(axes) for axes in (1, 2)},
}
