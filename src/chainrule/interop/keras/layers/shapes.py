"""Layers that move values or change shapes, and upsampling of images."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.shapes import is_whole
from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.layers.by_onnx import bounded, moved
from chainrule.interop.keras.layers.convolution import add_axis, remove_axis, simplify
from chainrule.interop.keras.values import as_list
from chainrule.interop.keras.weights import KerasValue, axis_first, from_layout

FORMATS = ("channels_last", "channels_first")


def flatten(call: KerasCall) -> KerasValue:
    """Return Flatten, preceded by Permute for Keras' order of the elements unless the next layer is Dense."""
    x = call.x
    first = call.choice("data_format", "channels_last", ("channels_last", "channels_first")) == "channels_first"
    if first and x.rank > 1:
        x = x.permuted([*range(1, x.rank), 0])
    return x.reshaped((math.prod(x.shape),))


def reshape(call: KerasCall) -> KerasValue:
    """Return Reshape, with a Permute if the order of elements requires it."""
    return reshaped(call, call.x, call.option("target_shape"))


def reshaped(call: KerasCall, x: KerasValue, target: Any) -> KerasValue:
    """Return a value in another shape of a sample, where one size may be −1."""
    sizes = as_list(target) or []
    if not 1 <= len(sizes) <= 16 or not all(is_whole(size, 1) or size == -1 for size in sizes):
        raise call.unsupported(f"target_shape {quoted(target)}", "sizes of a sample")
    count, known_size = math.prod(x.shape), math.prod(size for size in sizes if size != -1)
    shape = tuple(count // known_size if size == -1 else size for size in sizes)
    if math.prod(shape) != count or sizes.count(-1) > 1:
        raise call.unsupported(f"target_shape {quoted(target)} for {x.shape}", "the same number of elements")
    return x.reshaped(shape)


def repeat_vector(call: KerasCall) -> KerasValue | list[KerasValue]:
    """Return Resample2D that repeats a vector along a new axis."""
    count = call.integer("n")
    return moved(call, call.x, lambda places: np.repeat(bounded(call, places[:, None], count), count, 1))


def permute(call: KerasCall) -> KerasValue:
    """Return Permute."""
    dims = call.integers("dims", call.x.rank)
    if sorted(dims) != list(range(1, call.x.rank + 1)):
        raise call.unsupported(f"dims {dims}", f"each of 1 to {call.x.rank} once")
    return call.x.permuted([axis - 1 for axis in dims])


def concatenate(call: KerasCall) -> KerasValue:
    """Return Concatenate."""
    return concatenated(call, call.inputs, call.axis("axis"))


def concatenated(call: KerasCall, inputs: Sequence[KerasValue], axis: int) -> KerasValue:
    """Return Concatenate of values along an axis of a sample."""
    rank = inputs[0].rank
    if any(value.rank != rank for value in inputs):
        raise call.unsupported(f"inputs {[value.shape for value in inputs]}", "the same number of axes")
    order = axis_first(rank - 1, rank)
    node = call.assembly.apply("Concatenate", *(value.arranged(order) for value in inputs), axis=order.index(axis))
    return from_layout(node, order)


def resize_borders(kind: str, option: str, axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of padding with zeros, or of cropping.

    kind     "Pad2D" or "Crop2D"
    option   name of Keras' option with the numbers of elements
    axes     number of spatial axes
    """

    def translate(call: KerasCall) -> KerasValue:
        pairs = _pairs(call, option, axes, 0 if (kind, axes) == ("Crop2D", 2) else 1)
        mode = call.option("mode", "constant")
        if mode != "constant" or call.option("value", 0):
            raise call.unsupported(f"mode {quoted(mode)}, value {quoted(call.option('value', 0))}", "zeros")
        x, channels = add_axis(call.x, call.channel_axis(axes + 1), axes)
        y = call.spatial(x, kind, channels, **{"padding" if kind == "Pad2D" else "cropping": pairs})
        return remove_axis(y, channels, axes)

    translate.__doc__ = f"Return {kind}{', of an image of height 1' if axes == 1 else ''}."
    return translate


def _pairs(call: KerasCall, option: str, axes: int, default: int) -> tuple[tuple[int, int], ...]:
    """Return the numbers of elements to add or crop at the start and end of each spatial axis."""
    value: Any = call.option(option, default)
    value_list = as_list(value)
    entries = [value] * axes if value_list is None else value_list
    if axes == 1 and len(entries) == 2:
        entries = [entries]
    pairs: list[list[Any]] = [[entry, entry] if (pair := as_list(entry)) is None else pair for entry in entries]
    if len(pairs) != axes or not all(len(pair) == 2 and all(is_whole(end, 0) for end in pair) for pair in pairs):
        raise call.unsupported(f"{option} {quoted(value)}", f"{axes} pairs of whole numbers")
    return ((0, 0),) * (2 - axes) + tuple((pair[0], pair[1]) for pair in pairs)


def upsample(axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of upsampling by whole factors."""

    def translate(call: KerasCall) -> KerasValue:
        factor = call.integers("size", axes, 2)
        mode = call.choice("interpolation", "nearest", ("nearest", "bilinear")) if axes == 2 else "nearest"
        first = axes == 2 and call.choice("data_format", "channels_last", FORMATS) == "channels_first"
        x, channels = add_axis(call.x, 0 if first else axes, axes)
        y = call.spatial(x, "UpSample2D", channels, factor=simplify((1,) * (2 - axes) + factor), mode=mode)
        return remove_axis(y, channels, axes)

    translate.__doc__ = f"Return UpSample2D{', of an image of height 1' if axes == 1 else ', nearest or bilinear'}."
    return translate


LAYERS: dict[str, Callable[[KerasCall], KerasValue | list[KerasValue]]] = {
    "Concatenate": concatenate,
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "RepeatVector": repeat_vector,
    **{f"ZeroPadding{axes}D": resize_borders("Pad2D", "padding", axes) for axes in (1, 2)},
    **{f"Cropping{axes}D": resize_borders("Crop2D", "cropping", axes) for axes in (1, 2)},
    **{f"UpSampling{axes}D": upsample(axes) for axes in (1, 2)},
}
