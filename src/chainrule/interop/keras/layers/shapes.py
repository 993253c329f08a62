"""Layers that move values or change shapes, and upsampling of images."""

from math import prod

import numpy as np

from chainrule.core.arrays import Ints
from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import KerasCall, MultiTranslation, Translated, for_positions
from chainrule.interop.keras.layers.by_onnx import apply_in_order, bounded, moved, padded, resized
from chainrule.interop.keras.layouts import KerasValue
from chainrule.interop.keras.values import as_list, is_whole


def flatten(call: KerasCall) -> KerasValue:
    """Return Flatten, with Permute or Reshape if the weights of the next layer stay in Keras' order of the elements."""
    x = call.x
    if call.has_channels_first() and x.rank > 1:
        x = x.permuted([*range(1, x.rank), 0])
    return x.reshaped((prod(x.shape),))


def reshape(call: KerasCall) -> Translated:
    """Return Reshape, with a Permute if the order of elements requires it."""
    target: object = call.option("target_shape")
    sizes = as_list(target) or []
    are_valid = all(is_whole(size, 1) or size == -1 for size in sizes)
    if not are_valid or not 1 <= len(sizes) <= 16:
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


def zero_padding(call: KerasCall, channels: int) -> KerasValue:
    """Return Pad2D."""
    sizes = _sizes(call, "padding", 1)
    mode = call.option("mode", "constant")
    value = call.option("value", 0)
    if mode != "constant" or value:
        raise call.unsupported(f"mode {quoted(mode)}, value {quoted(value)}", "zeros")
    return _with_borders(call, channels, sizes)


def cropping(call: KerasCall, channels: int) -> KerasValue:
    """Return Crop2D."""
    default = 1
    if call.positions == 2:
        default = 0
    return _with_borders(call, channels, -_sizes(call, "cropping", default))


def _with_borders(call: KerasCall, channels: int, borders: Ints) -> KerasValue:
    return padded(call, call.x, np.insert(borders, channels, 0, axis=0).tolist())


def _sizes(call: KerasCall, option: str, default: int) -> Ints:
    """Return the numbers of elements to add or crop at the start and end of each spatial axis, (axes, 2)."""
    axes = call.positions
    value: object = call.option(option, default)
    sizes = np.array(value)
    if sizes.ndim == 1 and axes > 1:
        sizes = sizes[:, None]  # the same at the start and end
    if sizes.dtype.kind not in "iu" or sizes.shape not in ((), (2,), (axes, 1), (axes, 2)) or sizes.min() < 0:
        raise call.unsupported(f"{option} {quoted(value)}", f"{axes} pairs of whole numbers")
    return np.broadcast_to(sizes, (axes, 2))


def upsample(call: KerasCall, channels: int) -> KerasValue:
    """Return UpSample2D by whole factors."""
    factors = call.integers("size", call.positions, 2)
    mode = call.choice("interpolation", "nearest", ("nearest", "bilinear"))
    sizes = [side * factor for side, factor in zip(call.x.sides(channels), factors, strict=True)]
    return resized(call, call.x, channels, sizes, mode)


LAYERS: dict[str, MultiTranslation] = {
    "Concatenate": concatenate,
    "Flatten": flatten,
    "Reshape": reshape,
    "Permute": permute,
    "RepeatVector": repeat_vector,
}
for axes, size in ((1, ", of an image of width 1"), (2, "")):
    LAYERS[f"ZeroPadding{axes}D"] = for_positions(zero_padding, axes, f"Pad2D{size}")
    LAYERS[f"Cropping{axes}D"] = for_positions(cropping, axes, f"Crop2D{size}")
for axes, size in ((1, "of an image of height 1"), (2, "nearest or bilinear")):
    LAYERS[f"UpSampling{axes}D"] = for_positions(upsample, axes, f"UpSample2D, {size}")
