"""The window of a convolution, and the shapes of its results. kernels/layout.c lays out the images."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from chainrule.core.shapes import output_size
from chainrule.engines.native.kernels.registry import Attributes, Shapes


class ConvolutionWindow(NamedTuple):
    """How the filters of a cross-correlation slide over an image: attributes of the operation.

    stride    (rows, columns)
    padding   ((top, bottom), (left, right)): rows and columns of zeros
    dilation  (rows, columns)
    groups    number of groups; each filter reads only the channels of its own group
    flip      whether filters are rotated by 180°
    """

    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    flip: bool = False


PLAIN_WINDOW = ConvolutionWindow()


def correlate_shape(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N, C_out, H', W') of a cross-correlation of x and w. If it is pooled, H' and W' are halved."""
    x, w, unit = arrays[0], arrays[1], (1, 1)
    stride, dilation = attributes.get("stride", unit), attributes.get("dilation", unit)
    padding = attributes.get("padding", ((0, 0), (0, 0)))
    sizes = [output_size(*axis) for axis in zip(x.shape[-2:], w.shape[2:], stride, padding, dilation, strict=True)]
    return [(x.shape[0], w.shape[0], *(size // 2 if attributes.get("pooled") else size for size in sizes))]


def correlate_dx_shape(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N, C_in, H, W) of the input gradient from dy and w."""
    return [(arrays[0].shape[0], arrays[1].shape[1] * attributes.get("groups", 1), *attributes["size"])]


def correlate_dw_shape(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (C_out, C_in/groups, KH, KW) of the kernel gradient from x and dy."""
    return [(arrays[1].shape[1], arrays[0].shape[1] // attributes.get("groups", 1), *attributes["kernel"])]


def conflict_free_stride(size: int) -> int:
    """Return a distance between arrays of `size` elements, at least `size`, that avoids cache conflicts.

    It is not a multiple of the size of a cache page.
    """
    return size if size < 2048 else size + (272 - size) % 1024
