"""Functions of keras.ops that reduce, move, add or select axes."""

from collections.abc import Callable
from math import prod
from typing import Any, cast

import numpy as np

from chainrule._io.files import expect_object
from chainrule.core.arrays import Array
from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import KerasCall, MultiTranslation, Translated, Translation
from chainrule.interop.keras.layers import shapes
from chainrule.interop.keras.layers.by_onnx import bounded, moved, padded, reduced
from chainrule.interop.keras.layouts import KerasValue
from chainrule.interop.keras.values import as_dict, as_list, is_whole
from chainrule.interop.onnx.operators.padding import REPEATING_MODES

Move = Callable[[KerasCall, Array], object]

ALL = range(1 << 31)  # samples


def reduction(operator: str) -> Translation:
    """Return the translation of a reduction over axes of a sample, such as the mean."""

    return lambda call: reduced(call, call.x, operator, call.axes(), keep=call.flag("keepdims", False))


def movement(move: Move) -> MultiTranslation:
    """Return the translation of a function that permutes, selects or repeats elements of an array."""

    return lambda call: moved(call, call.x, lambda indices: move(call, indices))


def take(call: KerasCall) -> Translated:
    """Return the elements of an axis at constant positions."""
    x, *positions = call.operands
    if not isinstance(x, KerasValue) or len(positions) != 1 or isinstance(positions[0], KerasValue):
        raise call.unsupported("computed positions", "an input and constant positions")
    chosen = positions[0].astype(int)
    return moved(call, x, lambda indices: np.take(indices, chosen, _axis(call)))


def _axis(call: KerasCall, name: str = "axis") -> Any:
    """Return an option that is an axis, or several axes; axis 0 is the batch axis."""
    axes = call.option(name)
    entries = as_list(axes)
    if entries is None:
        return axes
    return tuple(entries)


def reshape(call: KerasCall, x: Array) -> Array:
    """Return an array in another shape."""
    target = call.option("newshape")
    sizes = as_list(target) or []
    if len(sizes) < 2 or sizes[0] not in (-1, None):
        raise call.unsupported(f"newshape {quoted(target)}", "−1 for the batch axis, and sizes of a sample")
    return x.reshape(len(x), *sizes[1:])


def stack(call: KerasCall) -> KerasValue:
    """Return Concatenate of the inputs along an additional axis."""
    axis = call.sample_axis(call.option("axis", 0), call.inputs[0].rank + 1)
    parts = [value.reshaped((*value.shape[:axis], 1, *value.shape[axis:])) for value in call.inputs]
    return shapes.concatenated(call, parts, axis)


def split(call: KerasCall, x: Array) -> list[Array]:
    """Divide an axis into equal parts, or at the given indices."""
    parts = _axis(call, "indices_or_sections")
    return np.split(x, parts, _axis(call))


def unstack(call: KerasCall, x: Array) -> list[Array]:
    """Return the elements along an axis, without the axis."""
    call.option("num")
    return [*np.moveaxis(x, _axis(call), 0)]


def get_item(call: KerasCall, x: Array) -> Array:
    """Select elements by an index or a range for each axis."""
    index = tuple(_index(call, entry) for entry in as_list(call.option("index")) or [])
    if index and isinstance(index[0], slice) and ALL[index[0]] != ALL:
        raise call.unsupported(f"index {quoted(call.option('index'))}", "all samples")
    return x[index]


def _index(call: KerasCall, entry: object) -> Any:
    """Return an entry of an index of NumPy: a whole number, a range, None for a new axis, or an ellipsis."""
    kind = as_dict(entry).get("class_name")
    if kind is None and (isinstance(entry, slice | None) or is_whole(entry)):
        return cast("Any", entry)
    if kind == "__slice__":
        bounds = expect_object(as_dict(entry).get("config"), "config of a slice")
        return slice(bounds.get("start"), bounds.get("stop"), bounds.get("step"))
    if kind == "__ellipsis__":
        return ...
    raise call.unsupported(f"index {quoted(entry)}", "whole numbers and ranges")


def pad(call: KerasCall) -> Translated:
    """Return Pad2D for zeros, FixedAffine for other numbers, and Concatenate of Slices for repeated elements."""
    x = call.x
    mode: Any = call.choice("mode", "constant", ("constant", *REPEATING_MODES, "symmetric"))
    pad_width = call.option("pad_width")
    widths: list[tuple[int, int]] = []
    growth = 1
    for entry in as_list(pad_width) or []:
        match as_list(entry):
            case [before, after] if is_whole(before, 0) and is_whole(after, 0):
                widths.append((before, after))
                growth *= 1 + before + after
            case _:
                pass
    if len(widths) != len(as_list(pad_width) or []) or len(widths) != x.rank + 1 or any(widths[0]):
        raise call.unsupported(f"pad_width {quoted(pad_width)}", "two numbers for each axis, 0 for the batch axis")
    if mode != "constant":
        return moved(call, x, lambda indices: np.pad(bounded(call, indices, growth), widths, mode))
    value = 0.0
    if call.option("constant_values") is not None:
        value = call.number("constant_values", 0.0)
    return padded(call, x, widths[1:], value)


def repeat(call: KerasCall, x: Array) -> Array:
    """Repeat each element along an axis."""
    count = call.integer("repeats")
    return np.repeat(bounded(call, x, count), count, _axis(call))


def tile(call: KerasCall, x: Array) -> Array:
    """Repeat an array along its axes."""
    counts = _axis(call, "repeats")
    return np.tile(bounded(call, x, prod(counts)), counts)


MOVEMENTS: dict[str, Move] = {
    "ExpandDims": lambda call, x: np.expand_dims(x, _axis(call)),
    "Flip": lambda call, x: np.flip(x, _axis(call)),
    "GetItem": get_item,
    "Moveaxis": lambda call, x: np.moveaxis(x, _axis(call, "source"), _axis(call, "destination")),
    "Repeat": repeat,
    "Reshape": reshape,
    "Roll": lambda call, x: np.roll(x, _axis(call, "shift"), _axis(call)),
    "Split": split,
    "Squeeze": lambda call, x: np.squeeze(x, _axis(call)),
    "Swapaxes": lambda call, x: x.swapaxes(_axis(call, "axis1"), _axis(call, "axis2")),
    "Tile": tile,
    "Transpose": lambda call, x: x.transpose(_axis(call, "axes")),
    "Unstack": unstack,
}
OPERATIONS: dict[str, MultiTranslation] = {
    **{name: reduction(f"Reduce{name}") for name in ("Mean", "Sum", "Max", "Min", "Prod")},
    "Concatenate": shapes.concatenate,
    "Stack": stack,
    "Pad": pad,
    **{name: movement(move) for name, move in MOVEMENTS.items()},
    "Take": take,
}
