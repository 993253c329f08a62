"""Functions of keras.ops that reduce, move, add or select axes."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from chainrule.core.shapes import is_whole
from chainrule.errors import quoted
from chainrule.interop.assembly import reshaped
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.layers import shapes
from chainrule.interop.keras.layers.convolution import add_axis, remove_axis
from chainrule.interop.keras.values import as_dict, as_list
from chainrule.interop.keras.weights import KerasValue, axis_first, from_layout


def reduction(kind: str) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of the mean, sum, maximum or minimum over axes of a sample."""

    def translate(call: KerasCall) -> KerasValue:
        x, axes = call.x, call.axes()
        if call.option("initial") is not None:
            raise call.unsupported(f"initial {quoted(call.option('initial'))}", "none")
        return reduced(call, x, kind, axes, keep=call.flag("keepdims", False))

    return translate


def reduced(call: KerasCall, x: KerasValue, kind: str, axes: Sequence[int], *, keep: bool) -> KerasValue:
    """Return the mean, sum, maximum or minimum over axes of a sample.

    keep   whether the axes remain, with size 1
    """
    kept = [axis for axis in range(x.rank) if axis not in axes]
    if not kept and not keep:
        raise call.unsupported("a reduction over all axes of a sample", "one axis more than the batch axis")
    rows, count = prod(x.shape[axis] for axis in kept), prod(x.shape[axis] for axis in axes)
    sides = [x.shape[axis] for axis in axes]
    image = (rows, *sides) if len(axes) == 2 else (rows, count, 1)
    node = reshaped(x.arranged([*kept, *axes]), image)
    if kind == "Minimum":
        node = call.assembly.apply("Rescaling", node, scale=-1.0)
    layer = "GlobalAveragePool2D" if kind in ("Mean", "Sum") else "GlobalMaxPool2D"
    y = call.assembly.apply(layer, node)
    factor = {"Minimum": -1.0, "Sum": float(count)}.get(kind, 1.0)
    y = y if factor == 1 else call.assembly.apply("Rescaling", y, scale=factor)
    kept_shape = tuple(x.shape[axis] for axis in kept) or (1,)
    result = from_layout(reshaped(y, kept_shape), range(len(kept_shape)))
    if keep:
        return result.reshaped(tuple(1 if axis in axes else size for axis, size in enumerate(x.shape)))
    return result


def reshape(call: KerasCall) -> KerasValue:
    """Return Reshape."""
    target: Any = call.option("newshape")
    sizes = as_list(target) or []
    if len(sizes) < 2 or sizes[0] not in (-1, None):
        raise call.unsupported(f"newshape {quoted(target)}", "−1 for the batch axis, and sizes of a sample")
    return shapes.reshaped(call, call.x, sizes[1:])


def transpose(call: KerasCall) -> KerasValue:
    """Return Permute."""
    axes = as_list(call.option("axes")) or []
    rank = call.x.rank
    if not all(is_whole(axis) for axis in axes) or sorted(axes) != list(range(rank + 1)) or axes[0] != 0:
        raise call.unsupported(f"axes {quoted(axes)}", f"0 for the batch axis, and each of 1 to {rank} once")
    return call.x.permuted([axis - 1 for axis in axes[1:]])


def swap_axes(call: KerasCall) -> KerasValue:
    """Return Permute of two axes."""
    first, second = call.axis("axis1", 1), call.axis("axis2", 2)
    order = list(range(call.x.rank))
    order[first], order[second] = second, first
    return call.x.permuted(order)


def move_axis(call: KerasCall) -> KerasValue:
    """Return Permute that moves one axis."""
    source, destination = call.axis("source"), call.axis("destination")
    order = [axis for axis in range(call.x.rank) if axis != source]
    order.insert(destination, source)
    return call.x.permuted(order)


def expand_dims(call: KerasCall) -> KerasValue:
    """Return the input with another axis of size 1."""
    x, axis = call.x, call.option("axis")
    if not is_whole(axis):
        raise call.unsupported(f"axis {quoted(axis)}", "one axis")
    at = call.sample_axis(axis, x.rank + 1)
    return x.reshaped((*x.shape[:at], 1, *x.shape[at:]))


def squeeze(call: KerasCall) -> KerasValue:
    """Return the input without axes of size 1."""
    x, axes = call.x, call.axes()
    shape = tuple(size for axis, size in enumerate(x.shape) if axis not in axes)
    if prod(shape) != prod(x.shape) or not shape:
        raise call.unsupported(f"axes {axes} of {x.shape}", "axes of size 1, and another axis")
    return x.reshaped(shape)


def stack(call: KerasCall) -> KerasValue:
    """Return Concatenate of the inputs along an additional axis."""
    first, axis = call.inputs[0], call.option("axis", 0)
    if not is_whole(axis) or any(value.shape != first.shape for value in call.inputs):
        raise call.unsupported(f"axis {quoted(axis)}, inputs {[value.shape for value in call.inputs]}", "equal shapes")
    at = call.sample_axis(axis, first.rank + 1)
    order = axis_first(at, first.rank + 1)
    parts = [value.reshaped((*first.shape[:at], 1, *first.shape[at:])).arranged(order) for value in call.inputs]
    return from_layout(call.assembly.apply("Concatenate", *parts, axis=0), order)


def flip(call: KerasCall) -> KerasValue:
    """Return Resample2D that reverses an axis."""
    x, (axis, *others) = call.x, call.axes()
    if others:
        raise call.unsupported("several axes", "one axis")
    return _every(call, x, axis, range(x.shape[axis])[::-1])


def _every(call: KerasCall, x: KerasValue, axis: int, indices: range) -> KerasValue:
    """Return the elements at some indices along an axis: Slice, or Resample2D for steps other than 1."""
    if indices == range(x.shape[axis]):
        return x
    if not indices:
        raise call.unsupported(f"no element of axis {axis}", "at least one")
    order, start = axis_first(axis, x.rank), indices[0]
    node = x.arranged(order)
    if indices.step == 1:
        return from_layout(call.assembly.apply("Slice", node, axis=0, start=start, stop=start + len(indices)), order)
    count, rest = len(indices), prod(node.shape[1:])
    lines = {"rows": (indices.step, start, 1), "columns": (1, 0, 1)}
    image = reshaped(node, (1, node.shape[0], rest))
    y = call.assembly.apply("Resample2D", image, outputs=(count, rest), **lines)
    return from_layout(reshaped(y, (count, *node.shape[1:])), order)


def get_item(call: KerasCall) -> KerasValue:
    """Return Slice for each axis with an index or a range, or Resample2D for steps other than 1."""
    x, entries = call.x, as_list(call.option("index")) or []
    kinds = [as_dict(entry).get("class_name") for entry in entries]
    count = sum(entry is not None for entry in entries) - kinds.count("__ellipsis__")
    at = kinds.index("__ellipsis__") if "__ellipsis__" in kinds else len(entries)
    whole = {"class_name": "__slice__"}
    entries = [*entries[:at], *[whole] * (x.rank + 1 - count), *entries[at + 1 :]]
    if len(entries) - entries.count(None) != x.rank + 1 or _indices(call, entries[0], 2) != range(2):
        raise call.unsupported(f"index {quoted(entries)}", "all samples, and indices or ranges for other axes")
    shape: list[int] = []
    axis = 0
    for entry in entries[1:]:
        if entry is None:
            shape.append(1)
            continue
        x = _every(call, x, axis, _indices(call, entry, x.shape[axis]))
        shape += [] if is_whole(entry) else [x.shape[axis]]
        axis += 1
    if not shape:
        raise call.unsupported("an index for every axis", "at least one range")
    return x.reshaped(tuple(shape))


def _indices(call: KerasCall, entry: Any, size: int) -> range:
    """Return the indices that an entry of an index selects along an axis."""
    if is_whole(entry):
        return range(size)[entry : entry + 1 or None]
    description = as_dict(entry)
    bounds = [as_dict(description.get("config")).get(name) for name in ("start", "stop", "step")]
    is_range = all(bound is None or is_whole(bound) for bound in bounds) and bounds[2] != 0
    if description.get("class_name") != "__slice__" or not is_range:
        raise call.unsupported(f"index {quoted(entry)}", "whole numbers and ranges")
    return range(size)[slice(*bounds)]


def pad(call: KerasCall) -> KerasValue:
    """Return Pad2D."""
    x, widths = call.x, as_list(call.option("pad_width")) or []
    pairs = [as_list(width) or [] for width in widths]
    axes = len(pairs) - 2
    is_valid = all(len(pair) == 2 and all(is_whole(end, 0) for end in pair) for pair in pairs)
    if x.rank != axes + 1 or axes not in (1, 2) or not is_valid or any(pairs[0] + pairs[-1]):
        raise call.unsupported(f"pad_width {quoted(widths)}", "numbers for the length, or height and width, of images")
    if call.option("mode", "constant") != "constant":
        raise call.unsupported(f"mode {quoted(call.option('mode'))}", "constant")
    image, channels = add_axis(x, axes, axes)
    padding = ((0, 0),) * (2 - axes) + tuple(tuple(pair) for pair in pairs[1:-1])
    return remove_axis(call.spatial(image, "Pad2D", channels, padding=padding), channels, axes)


OPERATIONS: dict[str, Callable[[KerasCall], KerasValue]] = {
    "Mean": reduction("Mean"),
    "Sum": reduction("Sum"),
    "Max": reduction("Maximum"),
    "Min": reduction("Minimum"),
    "Concatenate": shapes.concatenate,
    "Stack": stack,
    "Reshape": reshape,
    "Transpose": transpose,
    "Swapaxes": swap_axes,
    "Moveaxis": move_axis,
    "ExpandDims": expand_dims,
    "Squeeze": squeeze,
    "Flip": flip,
    "GetItem": get_item,
    "Pad": pad,
}
