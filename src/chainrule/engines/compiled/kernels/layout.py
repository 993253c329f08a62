"""Layout of images and offsets of taps for the kernels of a convolution.

A padded image is stored as a flat array: channels of `plane` elements, which consist of rows of `width` elements. The
offset of an output's input under a tap is then the offset of the output plus a constant, the distance of the tap. With
a stride s, elements with the same remainders (i mod s, j mod s) form a separate image, called a phase; every tap reads
one phase.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.shapes import output_size
from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel
from chainrule.engines.compiled.kernels.registry import Attributes, Shapes
from chainrule.engines.compiled.kernels.tiles import (
    add_parts,
    load,
    split_pairs,
    store,
    store_part,
    zeros,
)


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


@inlined
def with_unit_stride(window):
    """Return the window with stride 1, so that images are not divided into phases."""
    return ConvolutionWindow((1, 1), window.padding, window.dilation, window.groups, window.flip)


class PaddedLayout(NamedTuple):
    """Number of elements in a row, and in a channel, of a flat padded image. With a stride, of one phase."""

    width: int
    plane: int


# ---------------------------------------------------------------------- shapes of results


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


# ---------------------------------------------------------------------- cells and taps


@inlined
def padded_layout(x, window):
    """Return the layout of a padded image. With stride 1, neighboring rows share the zeros between them."""
    stride, ((top, bottom), (left, right)) = window.stride, window.padding
    height = (x.shape[2] + top + bottom + stride[0] - 1) // stride[0]
    width = (x.shape[3] + left + right + stride[1] - 1) // stride[1]
    if stride[1] == 1:
        width = x.shape[3] + max(left, right)
    return PaddedLayout(width, height * width)


@inlined
def conflict_free_stride(size):
    """Return a distance between arrays of `size` elements, at least `size`, that avoids cache conflicts.

    It is not a multiple of the size of a cache page.
    """
    return size if size < 2048 else size + (272 - size) % 1024


@inlined
def copied_if_shared(x, shared):
    """Return x as a flat array, or a copy if filters are split across threads, since other threads may have written x.

    A sequential copy fetches several lines of another processor's cache at a time; the scattered reads of tiles do not.
    """
    flat = x.reshape(x.size)
    if shared:
        copy = np.empty(x.size, x.dtype)
        for k in range(x.size):
            copy[k] = flat[k]
        flat = copy
    return flat


@inlined
def buffer_size(cells, start, taps, length):
    """Return the size of a buffer for `cells` elements and the zeros after them that tiles read.

    The zeros are the padding after the last row, and the remainder of the last tile.

    start   index of the first element that the last group or image reads under a tap at distance 0
    taps    distances of the taps
    length  number of elements read per tap
    """
    furthest = 0
    for k in range(taps.size):
        furthest = max(furthest, taps[k])
    return max(cells, start + furthest + length)


@kernel
def forward_taps(shape, layout, window):
    """Return the distance from an output to its input under each tap (c, u, v), in the layout of a padded image.

    For 2×2 kernels, rows of 5 elements and channels of 20, the distances are 0, 1, 5, 6 in channel 0, and 20, 21, 25,
    26 in channel 1. If kernels are flipped, the taps of a channel are in reverse order.

    shape  (filters, C, KH, KW)
    """
    (width, plane), stride, dilation, flip = layout, window.stride, window.dilation, window.flip
    channels, height, cells = shape[1], shape[2], shape[3]
    taps = height * cells
    offsets = np.empty(channels * taps, np.int64)
    for u in range(height):
        for v in range(cells):
            down, along, t = u * dilation[0], v * dilation[1], u * cells + v
            offset = down * width + along
            if stride[0] > 1 or stride[1] > 1:  # avoids a division, which would take noticeable time
                offset = down // stride[0] * width + along // stride[1]
                offset += (down % stride[0] * stride[1] + along % stride[1]) * plane
            for c in range(channels):
                offsets[c * taps + (taps - 1 - t if flip else t)] = c * stride[0] * stride[1] * plane + offset
    return offsets


@kernel
def copy_row_range(image, buffer, start, layout, row_range):
    """Copy a range of rows of each channel. They have the same offsets as if all rows were copied."""
    (width, plane), (first, last) = layout, row_range
    channels, height, cells = image.shape
    count, length = max(last - first, 0), cells
    if width == cells:  # one long row
        count, length = 1, count * cells
    source = image.reshape(image.size)
    for c in range(channels):
        for i in range(count):
            source_start, target = (c * height + first + i) * cells, start + c * plane + (first + i) * width
            _copy_row(source, source_start, buffer, target, length)


@inlined
def _copy_row(source, source_start, target, target_start, length):
    """Copy `length` elements in whole vectors.

    The last vector may overlap the previous vector. If there are fewer elements than lanes, it is partly filled.
    """
    lanes = WIDTH // source.itemsize
    if length < lanes:
        store_part(add_parts(zeros(source, 1, 1), source, source_start, 0, length), target, target_start, length)
    else:
        for j in range(0, length, lanes):
            k = min(j, length - lanes)
            store(load(source, source_start + k, 0, 1, 1), target, target_start + k, 0)


@inlined
def input_rows(x, w, window, first, last):
    """Return the range of rows of the images x that rows `first` to `last` − 1 of the result read.

    The range is the first row and the row after the last.
    """
    before, stride = window.padding[0][0], window.stride[0]
    reach = window.dilation[0] * (w.shape[2] - 1) + 1
    return rows_within(first * stride - before, (last - 1) * stride + reach - before, x.shape[2])


@inlined
def rows_within(begin, end, size):
    """Return the range of rows from `begin` to `end`, clipped to [0, size]."""
    upper = min(max(begin, 0), size)
    return upper, max(min(end, size), upper)


@kernel
def lay_out(image, buffer, layout, window, row_range):
    """Copy a range of rows of an image into a buffer of zeros. With a stride, each phase is copied separately.

    With stride (1, 2), the columns of a row alternate between two phases, which are `plane` elements apart:

        x0 x1 x2 x3 x4 x5    →    x0 x2 x4 …        phase 0
                                  x1 x3 x5 …        phase 1; with an odd number of zeros on the left, they are exchanged

    Two phases of columns are the most frequent case, and are separated with vectors.
    """
    (top, _), (left, _) = window.padding
    if window.stride[0] == 1 and window.stride[1] == 1:
        copy_row_range(image, buffer, top * layout.width + left, layout, row_range)
        return
    (width, plane), (down, along), (channels, height, cells) = layout, window.stride, image.shape
    source, lanes, phase = image.reshape(image.size), WIDTH // image.itemsize, along * plane
    for row_phase in range(down):
        upper = (row_phase - top) % down if down > 1 else 0  # first row of the phase
        upper += max(row_range[0] - upper + down - 1, 0) // down * down  # first requested row
        begin = row_phase * phase + ((top + upper) // down if down > 1 else top + upper) * width
        for c in range(channels):
            target_start, source_start = begin + c * down * phase, (c * height + upper) * cells
            for _ in range(upper, row_range[1], down):
                if along == 1:
                    _copy_row(source, source_start, buffer, target_start + left, cells)
                elif along == 2:
                    even, odd = target_start + left // 2, target_start + (left + 1) // 2
                    even, odd = (even + plane, odd) if left % 2 else (even, odd + plane)
                    for k in range(0, cells, 2 * lanes):
                        split_pairs(source, source_start + k, cells - k, buffer, even + k // 2, odd + k // 2)
                else:
                    for k in range(cells):
                        buffer[target_start + (left + k) % along * plane + (left + k) // along] = source[
                            source_start + k
                        ]
                target_start, source_start = target_start + width, source_start + down * cells
