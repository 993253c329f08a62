"""The window that convolution and pooling slide over an image, one axis at a time: which cells a tap meets, as slices.

A tap is one cell of a window. Moved over an axis of ``size`` cells it touches the cells stride·i + offset, one for
each output i; those that fall on the padding are left out. Every vectorised loop of this engine is a loop over taps.
"""

from chainrule.shapes import Pair


def met(size: int, outputs: int, offset: int, stride: int) -> tuple[slice, slice]:
    """The cells that a tap meets and the outputs that meet them: cells[k] = stride·outputs[k] + offset ∈ [0, size)."""
    start = max(0, -(offset // stride))
    stop = max(start, min(outputs, -((offset - size) // stride)))
    first = stride * start + offset
    return slice(first, first + (stop - start) * stride, stride), slice(start, stop)


def axis_taps(
    size: int, outputs: int, taps: int, stride: int, padding: Pair, dilation: int = 1
) -> list[tuple[slice, slice]]:
    """`met` for every tap of one axis of a window, in order."""
    return [met(size, outputs, dilation * tap - padding[0], stride) for tap in range(taps)]
