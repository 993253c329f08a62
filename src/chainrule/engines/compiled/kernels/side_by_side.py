"""Channels side by side in vectors, a lane for each: laying them out, sums over taps, and taking them apart again.

As many channels as a vector has lanes make each cell of an image a vector. They come to lie side by side by transposing
blocks of as many cells, into a frame of zeros; a tile of sums is again such a block (see `depthwise.py`).
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel
from chainrule.engines.compiled.kernels.layout import (
    PaddedLayout,
    buffer_size,
    forward_taps,
    padded_layout,
    rows_within,
    with_unit_stride,
)
from chainrule.engines.compiled.kernels.tiles import (
    add_apart,
    bent_tile,
    load,
    multiply_add,
    places,
    store,
    store_picked,
    store_transposed,
    transpose_to,
    zeros,
)

OUTPUTS = max(8, WIDTH // 4)  # of a tile: whole vectors of them, of float32 and float64
TAPS = 9  # of a tile of a kernel gradient
BAND = 1 << 16  # bytes that the cells of a band of rows take, at most, about: they stay in a cache


class VectorFrame(NamedTuple):
    """A frame of zeros for rows of the channels of a group, each cell a vector.

    rows     the channels, one after the other
    plane    entries of each
    start    entries of a channel before the first that is laid out
    cells    where the cells of a channel lie in the frame
    outputs  where the cell under the first tap of each output lies; the last is repeated until they fill a tile
    ahead    how far ahead of it the cells under the other taps lie
    """

    rows: Any
    plane: int
    start: int
    cells: Any
    outputs: Any
    ahead: Any


class Phases(NamedTuple):
    """The phases of some rows of dx, one after the other.

    ahead    for each tap, how far ahead of an output the cell of dy under it lies
    order    the weight of each tap, from the first of a channel on
    taps     the first tap of each phase, and the number of all
    seen     for each cell of dx, where the cell of dy lies that its first tap would see
    found    where the vector of that cell of dx lies among its sums
    outputs  the first cell of each phase, and the number of all; one that does not fill a tile has its last repeated
    """

    ahead: Any
    order: Any
    taps: Any
    seen: Any
    found: Any
    outputs: Any


@inlined
def rows_of_a_band(height, width, channels, itemsize):
    """Return how many of so many rows are computed at a time, if each lays out `width` cells of some channels."""
    bands = (height * width * channels * (WIDTH // itemsize) * itemsize + BAND - 1) // BAND
    return (height + bands - 1) // bands


@kernel
def vector_frame(x, w, y, window, rows):
    """Return the `VectorFrame` of those rows of images that outputs, from a first row to before a last one, see."""
    (first, last), lanes, (top, left) = rows, WIDTH // x.itemsize, (window.padding[0][0], window.padding[1][0])
    stride, unit_stride = window.stride, with_unit_stride(window)
    width, reach = padded_layout(x, unit_stride).width, window.dilation[0] * (w.shape[2] - 1) + 1
    begin, height = first * stride[0] - top, reach + (last - first - 1) * stride[0]
    upper, lower = rows_within(begin, begin + height, x.shape[2])
    cells = vectors_of_cells((lower - upper, x.shape[3]), (upper - begin) * width + left, (width, 1), lanes, 0)
    steps = (stride[0] * width, stride[1])
    outputs = vectors_of_cells((last - first, y.shape[3]), 0, steps, lanes, OUTPUTS)
    ahead = forward_taps(w.shape, PaddedLayout(width, height * width), unit_stride)
    size = buffer_size(w.shape[1] * height * width, 0, ahead, outputs[outputs.size - 1] // lanes + 1)
    for k in range(ahead.size):
        ahead[k] *= lanes
    frame = np.zeros(size * lanes, x.dtype)
    return VectorFrame(frame, height * width * lanes, upper * x.shape[3], cells, outputs, ahead)


@kernel
def vectors_of_cells(size, first, steps, lanes, least):
    """Return where the vector of cell (i, j) lies, i·down + j·along vectors after the first.

    There are as many places as given, at least: the last one is repeated.
    """
    (height, width), (down, along) = size, steps
    found, count = np.empty(max(height * width, least), np.int64), height * width
    for i in range(height):
        for j in range(width):
            found[i * width + j] = (first + i * down + j * along) * lanes
    for k in range(count, found.size):
        found[k] = found[count - 1]
    return found


@kernel
def frame_of_dy(dy, w, dx, window, rows):
    """Return the frame of those rows of dy that rows of dx see, from a first to before a last one.

    That is: its layout; the row and the column in it that the first tap of cell (0, 0) of padded dx would see; how many
    entries of a filter lie before those that are laid out; and where these lie.
    """
    (first, last), lanes, ((top, _), (left, _)) = rows, WIDTH // dy.itemsize, window.padding
    (down, along), dilation = window.stride, window.dilation
    low = (first + top) // down - dilation[0] * (w.shape[2] - 1) // down
    high = (last - 1 + top) // down + 1
    before = max(dilation[1] * (w.shape[3] - 1) // along - left // along, 0)
    width = before + max(dy.shape[3], (dx.shape[3] - 1 + left) // along + 1)
    upper, lower = rows_within(low, high, dy.shape[2])
    cells = vectors_of_cells((lower - upper, dy.shape[3]), (upper - low) * width + before, (width, 1), lanes, 0)
    return PaddedLayout(width, (high - low) * width), (-low, before), upper * dy.shape[3], cells


@kernel
def phases_of_dx(w, dx, laid, origin, outs, window, rows):
    """Return the `Phases` of rows of dx, from a first to before a last one, in a frame as `frame_of_dy` makes it."""
    (down, along), ((top, _), (left, _)), dilation, flip = window.stride, window.padding, window.dilation, window.flip
    size, count, (first, last), lanes = w.shape[2] * w.shape[3], down * along, rows, WIDTH // dx.itemsize
    ahead, order = np.empty(outs * size, np.int64), np.empty(outs * size, np.int64)
    longest = (last - first) * dx.shape[3] + count * OUTPUTS
    seen, found = np.empty(longest, np.int64), np.empty(longest, np.int64)
    taps, outputs = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    t, n = 0, 0
    for phase in range(count):
        a, b = phase // along, phase % along
        for o in range(outs):
            for k in range(size):
                u, v = k // w.shape[3] * dilation[0], k % w.shape[3] * dilation[1]
                if u % down == a and v % along == b:
                    ahead[t] = (o * laid.plane - u // down * laid.width - v // along) * lanes
                    order[t], t = o * w.shape[1] * size + (size - 1 - k if flip else k), t + 1
        for i in range(first + (a - top - first) % down, last, down):
            for j in range((b - left) % along, dx.shape[3], along):
                row, column = origin[0] + (top + i) // down, origin[1] + (left + j) // along
                seen[n] = (row * laid.width + column) * lanes
                found[n], n = ((i - first) * dx.shape[3] + j) * lanes, n + 1
        while outputs[phase] < n < outputs[phase] + OUTPUTS:
            seen[n], found[n], n = seen[n - 1], found[n - 1], n + 1
        taps[phase + 1], outputs[phase + 1] = t, n
    return Phases(ahead[:t], order[:t], taps, seen[:n], found[:n], outputs)


@kernel
def pack_weights(filters, begins, order, weights):
    """Lay weights side by side: those of each lane from where they begin on, in an order."""
    lanes = begins.size
    for k in range(lanes):
        for t in range(order.size):
            weights[t * lanes + k] = filters[begins[k] + order[t]]


@kernel
def lay_side_by_side(x, start, channels, rows, place, cells):
    """Lay channels out side by side: rows[place + cells[p] + k] = x[start + channels[k] + p] for all cells p."""
    lanes = WIDTH // x.itemsize
    if cells.size >= lanes:
        for t in range(0, cells.size, lanes):
            p = min(t, cells.size - lanes)
            transpose_to(x, start + p, channels, rows, place, cells, p)
    else:
        for k in range(lanes):
            for p in range(cells.size):
                rows[place + cells[p] + k] = x[start + channels[k] + p]


@kernel
def take_apart(sums, count, y, start, channels):
    """Write channels of `count` cells one after the other again: y[start + channels[k] + p] = sums[p·lanes + k]."""
    lanes = WIDTH // y.itemsize
    if count >= OUTPUTS:
        for p in range(0, count, OUTPUTS):
            first = min(p, count - OUTPUTS)
            store_transposed(load(sums, first * lanes, lanes, 1, OUTPUTS), y, start + first, channels)
    else:
        for k in range(lanes):
            for p in range(count):
                y[start + channels[k] + p] = sums[p * lanes + k]


@kernel
def sum_taps(rows, outputs, ahead, w, epilogue, y, start, channels):
    """Compute sums over taps, a tile of outputs at a time, and write them apart; the last covers some again."""
    for t in range(0, outputs.size, OUTPUTS):
        p = min(t, outputs.size - OUTPUTS)
        store_transposed(_tile(rows, outputs, p, ahead, w, epilogue), y, start + p, channels)


@kernel
def sum_side_by_side(rows, outputs, ahead, w, epilogue, sums, found):
    """Compute the same sums and leave the channels side by side, output p in sums[found[p]]."""
    for t in range(0, outputs.size, OUTPUTS):
        p = min(t, outputs.size - OUTPUTS)
        store_picked(_tile(rows, outputs, p, ahead, w, epilogue), sums, 0, found, p)


@inlined
def _tile(rows, outputs, p, ahead, w, epilogue):
    """Return the sums over taps of a tile of outputs, from the p-th on."""
    plus, times, scaled, clamp = epilogue
    lanes, at = WIDTH // rows.itemsize, places(outputs, p, OUTPUTS)
    tile = load(plus, 0, 0, 1, OUTPUTS)
    if scaled:
        tile = zeros(rows, 1, OUTPUTS)
    for k in range(ahead.size):
        tile = add_apart(tile, rows, ahead[k], w, k * lanes, at)
    if scaled:
        tile = multiply_add(tile, load(times, 0, 0, 1, OUTPUTS), load(plus, 0, 0, 1, OUTPUTS))
    return bent_tile(tile, clamp.least, clamp.most, clamp.leak)


@kernel
def add_products_of_taps(rows, outputs, ahead, upstream, vectors):
    """Add the sums over all outputs of upstream gradients times the cells under each tap to the vectors of the taps."""
    lanes = WIDTH // rows.itemsize
    ones = np.ones(lanes, rows.dtype)
    for t in range(0, ahead.size, TAPS):
        at = places(ahead, t, TAPS)
        tile = zeros(rows, 1, TAPS)  # sums of one image: all in one sum would be less exact
        for p in range(upstream.size // lanes):
            tile = add_apart(tile, rows, outputs[p], upstream, p * lanes, at)
        sums = load(vectors, t * lanes, lanes, 1, TAPS)
        store(multiply_add(tile, load(ones, 0, 0, 1, TAPS), sums), vectors, t * lanes, lanes)
