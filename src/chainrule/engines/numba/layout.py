"""Where the cells of pictures and the taps of kernels lie when a convolution slides over them.

A padded picture is kept flat, its rows one after the other, `width` cells each, and its channels, `plane` cells each.
The cell under a tap is then always the same distance ahead of the output it belongs to. With a stride, the
cells of one remainder (i mod s, j mod s) are a picture of their own, a phase; every tap lies in one.
"""

import numpy as np

from chainrule.engines.numba.tiles import load_part, store_part
from chainrule.engines.numba.toolchain import WIDTH, inlined, kernel

LINE = 64  # bytes of a line of the caches


@inlined
def frame(x, stride, padding):
    """Width of a row and size of a phase of a padded picture; with stride 1 rows share the zeros between them."""
    (top, bottom), (left, right) = padding
    height = (x.shape[2] + top + bottom + stride[0] - 1) // stride[0]
    width = (x.shape[3] + left + right + stride[1] - 1) // stride[1]
    if stride[1] == 1:
        width = x.shape[3] + max(left, right)
    return width, height * width


@inlined
def apart(size):
    """Room for a picture of many: not a multiple of a cache's page, or all begin in the same places of it."""
    return size if size < 2048 else size + (272 - size) % 1024


@inlined
def unpadded(padding):
    """Whether nothing is put around pictures."""
    return padding[0][0] == 0 and padding[0][1] == 0 and padding[1][0] == 0 and padding[1][1] == 0


@inlined
def room_for(cells, start, taps, length):
    """Numbers of a buffer of so many cells, of which `length` are read from every tap on, the first tap at `start`.

    What is read behind the cells is zero: padding that the last row shares with no row behind it, and what the last
    tile has too much. How far that goes depends on padding, dilation and the width of registers: the taps know it.
    """
    furthest = 0
    for k in range(taps.size):
        furthest = max(furthest, taps[k])
    return max(cells, start + furthest + length)


@inlined
def aligned_zeros(size, like):
    """Zeros from the beginning of a cache's line on: a vector that lies in two lines takes as long as two."""
    zeros = np.zeros(size + LINE // like.itemsize, like.dtype)
    first = -zeros.ctypes.data % LINE // like.itemsize
    return zeros[first : first + size]


@kernel
def forward_taps(shape, width, plane, stride, dilation, flip):
    """How far ahead of its output the cell under each number (c, u, v) of a filter lies in the rows."""
    ins, height, cells = shape[1], shape[2], shape[3]
    taps = height * cells
    places = np.empty(ins * taps, np.int64)
    for u in range(height):
        for v in range(cells):
            down, along, t = u * dilation[0], v * dilation[1], u * cells + v
            place = down * width + along
            if stride[0] > 1 or stride[1] > 1:  # no division where there is one phase: it would be felt
                place = down // stride[0] * width + along // stride[1]
                place += (down % stride[0] * stride[1] + along % stride[1]) * plane
            for c in range(ins):
                places[c * taps + (taps - 1 - t if flip else t)] = c * stride[0] * stride[1] * plane + place
    return places


@kernel
def backward_taps(shape, phase, width, plane, of_group, stride, dilation, flip):
    """The same for the taps (o, u, v) of one phase of dx, o over a group, and where in the kernel each number lies."""
    ins, height, cells = shape[1], shape[2], shape[3]
    far_i, far_j = dilation[0] * (height - 1) // stride[0], dilation[1] * (cells - 1) // stride[1]
    taps = height * cells
    places, order = np.empty(of_group * taps, np.int64), np.empty(of_group * taps, np.int64)
    many = 0
    for u in range(height):
        for v in range(cells):
            down, along, t = u * dilation[0], v * dilation[1], u * cells + v
            if down % stride[0] == phase[0] and along % stride[1] == phase[1]:
                places[many] = (far_i - down // stride[0]) * width + far_j - along // stride[1]
                order[many] = taps - 1 - t if flip else t
                many += 1
    for o in range(1, of_group):
        for k in range(many):
            places[o * many + k] = o * plane + places[k]
            order[o * many + k] = o * ins * taps + order[k]
    return places[: of_group * many], order[: of_group * many]


@kernel
def reach(r, stride, before, dilation, taps, given, wanted):
    """Along an axis: the first cell of phase r of padded dx that is kept, how many are, and the frame of dy for them.

    The frame: zeros before dy, cells of dy that are passed over (padding beyond full), zeros behind dy.
    before is the padding; dy has so many cells, of dx so many are wanted.
    """
    first = (max(before - r, 0) + stride - 1) // stride
    count = (wanted + before - r + stride - 1) // stride - first
    lead = dilation * (taps - 1) // stride - first
    return first, count, max(lead, 0), max(-lead, 0), max(first + count - given, 0)


@kernel
def copy_rows(picture, rows, start, width, plane):
    """Lay (C, H, W) out in rows of `width` cells, `plane` cells a channel; what lies between stays as it is.

    The part of a row that does not fill a vector is copied as one too, which matters because rows are short.
    """
    channels, height, cells = picture.shape
    if width == cells:  # one long row
        height, cells = 1, height * cells
    source, lanes = picture.reshape(picture.size), WIDTH // picture.itemsize
    for c in range(channels):
        for i in range(height):
            given, target = (c * height + i) * cells, start + c * plane + i * width
            for j in range(0, cells, lanes):
                store_part(load_part(source, given + j, cells - j), rows, target + j, cells - j)


@kernel
def lay_out(picture, rows, width, plane, stride, padding):
    """Lay a picture out in a frame of zeros, each phase by itself."""
    top, left = padding[0][0], padding[1][0]
    if stride[0] == 1 and stride[1] == 1:
        copy_rows(picture, rows, top * width + left, width, plane)
        return
    channels, height, cells = picture.shape
    for c in range(channels):
        for i in range(height):
            down, source = top + i, picture[c, i]
            phase = (c * stride[0] + down % stride[0]) * stride[1]
            for j in range(cells):
                along = left + j
                rows[(phase + along % stride[1]) * plane + down // stride[0] * width + along // stride[1]] = source[j]


@kernel
def positions(at, samples, rows, cells, width, picture):
    """at[p]: where the first tap lies for output p = (s, i, j) of so many pictures."""
    for s in range(samples):
        for i in range(rows):
            for j in range(cells):
                at[(s * rows + i) * cells + j] = s * picture + i * width + j
