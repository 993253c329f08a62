"""The array type of operations, and views that several operations share.

A tap is one position of a window. When the window slides over an axis of ``size`` elements, the tap reads element
stride·i + offset for each output i, unless that is padding. All loops of this engine are loops over taps.
"""

from typing import Any, TypeAlias

from numpy.typing import NDArray

from chainrule.core.shapes import Pair

Array: TypeAlias = NDArray[Any]


def spread_bias(b: Array, axes: int) -> Array:
    """Return a view of b that broadcasts over the batch (untied) or over batch and positions (tied)."""
    return b.reshape(b.shape + (1,) * (axes - 1 - b.ndim))


def tap_slices(size: int, outputs: int, offset: int, stride: int) -> tuple[slice, slice]:
    """Return slices of the elements that a tap reads and of their outputs: element = stride·output + offset."""
    start = max(0, -(offset // stride))
    stop = max(start, min(outputs, -((offset - size) // stride)))
    first = stride * start + offset
    return slice(first, first + (stop - start) * stride, stride), slice(start, stop)


def axis_taps(
    size: int, outputs: int, taps: int, stride: int, padding: Pair, dilation: int = 1
) -> list[tuple[slice, slice]]:
    """Return `tap_slices` for every tap of a window along one axis, in order."""
    return [tap_slices(size, outputs, dilation * tap - padding[0], stride) for tap in range(taps)]
