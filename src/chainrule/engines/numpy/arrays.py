"""The type of arguments and results of operations, and views that several of them need.

A tap is one position of a window. Sliding over an axis of ``size`` cells, it reads the cells stride·i + offset, one for
each output i, except those on padding. Every vectorised loop of this engine is a loop over taps.
"""

from typing import Any, TypeAlias

from numpy.typing import NDArray

from chainrule.core.shapes import Pair

Array: TypeAlias = NDArray[Any]


def spread_bias(b: Array, axes: int) -> Array:
    """Return a view of b that broadcasts over the batch (untied) or over batch and positions (tied)."""
    return b.reshape(b.shape + (1,) * (axes - 1 - b.ndim))


def met(size: int, outputs: int, offset: int, stride: int) -> tuple[slice, slice]:
    """Return the cells that a tap reads, and their outputs: cells[k] = stride·outputs[k] + offset ∈ [0, size)."""
    start = max(0, -(offset // stride))
    stop = max(start, min(outputs, -((offset - size) // stride)))
    first = stride * start + offset
    return slice(first, first + (stop - start) * stride, stride), slice(start, stop)


def axis_taps(
    size: int, outputs: int, taps: int, stride: int, padding: Pair, dilation: int = 1
) -> list[tuple[slice, slice]]:
    """Return `met` for every tap of a window along one axis, in order."""
    return [met(size, outputs, dilation * tap - padding[0], stride) for tap in range(taps)]
