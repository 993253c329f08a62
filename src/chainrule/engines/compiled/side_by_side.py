"""Channels side by side in vectors, a lane for each: laying them out, sums over taps, and taking them apart again.

As many channels as a vector has lanes make each cell of an image a vector. They come to lie side by side by transposing
blocks of as many cells, into a frame of zeros; a tile of sums is again such a block (see `depthwise.py`).
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.layout import Sliding, buffer_size, forward_taps, padded_layout
from chainrule.engines.compiled.tiles import (
    add_apart,
    load,
    multiply_add,
    places,
    store,
    store_picked,
    store_transposed,
    transpose_to,
    within,
    zeros,
)
from chainrule.engines.compiled.toolchain import WIDTH, inlined, kernel

OUTPUTS = max(8, WIDTH // 4)  # of a tile: whole vectors of them, of float32 and float64
TAPS = 9  # of a tile of a kernel gradient


class VectorFrame(NamedTuple):
    """A frame of zeros for the channels of a group, each cell a vector.

    rows     the channels, one after the other
    plane    entries of each
    cells    where the cells of an image lie in it
    outputs  where the cell under the first tap of each output lies
    ahead    how far ahead of it the cells under the other taps lie
    """

    rows: Any
    plane: int
    cells: Any
    outputs: Any
    ahead: Any


class Phases(NamedTuple):
    """The phases of dx, one after the other.

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


@kernel
def vector_frame(x, w, y, slide):
    """Return the `VectorFrame` of images."""
    lanes, ins = WIDTH // x.itemsize, w.shape[1]
    side_by_side = Sliding((1, 1), slide.padding, slide.dilation, slide.flip)
    laid, stride, padding = padded_layout(x, side_by_side), slide.stride, slide.padding
    cells = vectors_of_cells(
        (x.shape[2], x.shape[3]), padding[0][0] * laid.width + padding[1][0], (laid.width, 1), lanes
    )
    outputs = vectors_of_cells((y.shape[2], y.shape[3]), 0, (stride[0] * laid.width, stride[1]), lanes)
    ahead = forward_taps(w.shape, laid, side_by_side)
    size = buffer_size(ins * laid.plane, 0, ahead, outputs[outputs.size - 1] // lanes + 1)
    for k in range(ahead.size):
        ahead[k] *= lanes
    return VectorFrame(np.zeros(size * lanes, x.dtype), laid.plane * lanes, cells, outputs, ahead)


@kernel
def vectors_of_cells(size, first, steps, lanes):
    """Return where the vector of cell (i, j) lies, i·down + j·along vectors after the first.

    There are as many places as a tile has, at least: the last cell is then repeated.
    """
    (height, width), (down, along) = size, steps
    found = np.empty(max(height * width, OUTPUTS), np.int64)
    for i in range(height):
        for j in range(width):
            found[i * width + j] = (first + i * down + j * along) * lanes
    found[height * width :] = found[height * width - 1]
    return found


@kernel
def phases_of_dx(w, dx, laid, margin, outs, slide, lanes):
    """Return the `Phases` of dx where `margin` rows and columns of zeros lie before dy."""
    (down, along), ((top, _), (left, _)), dilation, flip = slide.stride, slide.padding, slide.dilation, slide.flip
    size, count = w.shape[2] * w.shape[3], down * along
    ahead, order = np.empty(outs * size, np.int64), np.empty(outs * size, np.int64)
    longest = dx.shape[2] * dx.shape[3] + count * OUTPUTS
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
        for i in range((a - top) % down, dx.shape[2], down):
            for j in range((b - left) % along, dx.shape[3], along):
                row, column = margin[0] + (top + i) // down, margin[1] + (left + j) // along
                seen[n], found[n], n = (row * laid.width + column) * lanes, (i * dx.shape[3] + j) * lanes, n + 1
        while outputs[phase] < n < outputs[phase] + OUTPUTS:
            seen[n], found[n], n = seen[n - 1], found[n - 1], n + 1
        taps[phase + 1], outputs[phase + 1] = t, n
    return Phases(ahead[:t], order[:t], taps, seen[:n], found[:n], outputs)


@inlined
def axis_of_dy(axis, dy, w, dx, slide):
    """Return the zeros before dy on an axis (0 or 1), and all cells of its frame there."""
    stride, padding = slide.stride[axis], slide.padding[axis][0]
    before = max(slide.dilation[axis] * (w.shape[2 + axis] - 1) // stride - padding // stride, 0)
    return before, before + max(dy.shape[2 + axis], (dx.shape[2 + axis] - 1 + padding) // stride + 1)


@kernel
def pack_weights(filters, begins, order, weights):
    """Lay weights side by side: those of each lane from where they begin on, in an order."""
    lanes = begins.size
    for k in range(lanes):
        for t in range(order.size):
            weights[t * lanes + k] = filters[begins[k] + order[t]]


@kernel
def lay_side_by_side(x, start, apart, count, rows, place, cells):
    """Lay channels of `count` cells out side by side: rows[place + cells[p] + k] = x[start + apart[k] + p]."""
    lanes = WIDTH // x.itemsize
    if count >= lanes:
        for p in range(0, count, lanes):
            transpose_to(x, start + min(p, count - lanes), apart, rows, place, cells, min(p, count - lanes))
    else:
        for k in range(lanes):
            for p in range(count):
                rows[place + cells[p] + k] = x[start + apart[k] + p]


@kernel
def take_apart(sums, count, y, start, apart):
    """Write channels of `count` cells one after the other again: y[start + apart[k] + p] = sums[p·lanes + k]."""
    lanes = WIDTH // y.itemsize
    if count >= OUTPUTS:
        for p in range(0, count, OUTPUTS):
            first = min(p, count - OUTPUTS)
            store_transposed(load(sums, first * lanes, lanes, 1, OUTPUTS), y, start + first, apart)
    else:
        for k in range(lanes):
            for p in range(count):
                y[start + apart[k] + p] = sums[p * lanes + k]


@kernel
def sum_taps(rows, outputs, ahead, w, ending, y, start, apart):
    """Compute sums over taps, a tile of outputs at a time, and write them apart; the last covers some again."""
    for t in range(0, outputs.size, OUTPUTS):
        p = min(t, outputs.size - OUTPUTS)
        store_transposed(_tile(rows, outputs, p, ahead, w, ending), y, start + p, apart)


@kernel
def sum_side_by_side(rows, outputs, ahead, w, ending, sums, found):
    """Compute the same sums and leave the channels side by side, output p in sums[found[p]]."""
    for t in range(0, outputs.size, OUTPUTS):
        p = min(t, outputs.size - OUTPUTS)
        store_picked(_tile(rows, outputs, p, ahead, w, ending), sums, 0, found, p)


@inlined
def _tile(rows, outputs, p, ahead, w, ending):
    """Return the sums over taps of a tile of outputs, from the p-th on."""
    plus, times, scaled, bounds = ending
    lanes, at = WIDTH // rows.itemsize, places(outputs, p, OUTPUTS)
    tile = load(plus, 0, 0, 1, OUTPUTS)
    if scaled:
        tile = zeros(rows, 1, OUTPUTS)
    for k in range(ahead.size):
        tile = add_apart(tile, rows, ahead[k], w, k * lanes, at)
    if scaled:
        tile = multiply_add(tile, load(times, 0, 0, 1, OUTPUTS), load(plus, 0, 0, 1, OUTPUTS))
    return within(tile, bounds.least, bounds.most)


@kernel
def add_products_of_taps(rows, outputs, ahead, upstream, ones, vectors, place):
    """Add the sums over all outputs of upstream gradients times the cells under taps to vectors[place + t·lanes]."""
    lanes = WIDTH // rows.itemsize
    for t in range(0, ahead.size, TAPS):
        at = places(ahead, t, TAPS)
        tile = zeros(rows, 1, TAPS)
        for p in range(upstream.size // lanes):
            tile = add_apart(tile, rows, outputs[p], upstream, p * lanes, at)
        sums = load(vectors, place + t * lanes, lanes, 1, TAPS)
        store(multiply_add(tile, load(ones, 0, 0, 1, TAPS), sums), vectors, place + t * lanes, lanes)
