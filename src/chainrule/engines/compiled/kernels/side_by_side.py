"""Images with channels in vectors, one lane per channel: layout, sums over taps, and the reverse layout.

As many channels as a vector has lanes are transposed into a frame, a buffer of zeros. An element of the image is then a
vector of channels. A tile contains the sums of several outputs, and is transposed back (see `depthwise.py`).
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
    add_lanes_at,
    clamp_tile,
    join_columns,
    load,
    load_offsets,
    multiply_add,
    store,
    store_at,
    store_transposed,
    transpose_to,
    zeros,
)

PART = 8  # outputs whose offsets fit into registers
OUTPUTS = max(PART, WIDTH // 4)  # outputs of a tile; they fill whole vectors of float32 and of float64
MAX_REST = PART if OUTPUTS > PART else 0  # outputs that may remain after the last tile, to be computed as one part
TAPS = 9  # taps of a tile of a kernel gradient


class VectorFrame(NamedTuple):
    """A frame of zeros for a group's channels, where each element of the image is a vector of channels.

    Each lane belongs to a group. If groups have several channels, the frame contains the vectors of the groups' first
    channels, then those of their second channels, and so on.

    rows         values of the frame
    plane        number of values before the vectors of the next channels
    start        index in a channel of the first element that is copied to the frame
    count        number of elements that are copied
    cells        offset in the frame of each; the last offset is repeated to fill a vector
    outputs      offset of each output's input under the first tap; the last offset is repeated to fill a tile
    tap_offsets  distance from the input under the first tap to the input under each tap
    """

    rows: Any
    plane: int
    start: int
    count: int
    cells: Any
    outputs: Any
    tap_offsets: Any


class Phases(NamedTuple):
    """The phases of dx, in order.

    tap_offsets    for each tap, the offset of its element of dy
    weight_order   for each tap, the index of its weight within a channel
    tap_starts     index of the first tap of each phase, followed by the number of taps
    input_offsets  for each element of dx, the offset of the element of dy under a tap with offset 0
    sum_offsets    for each element of dx, the offset of its sums
    cell_starts    index of the first element of each phase, followed by the number of elements

    The last element of a phase may be repeated to fill a tile.
    """

    tap_offsets: Any
    weight_order: Any
    tap_starts: Any
    input_offsets: Any
    sum_offsets: Any
    cell_starts: Any


@kernel
def vector_frame(x, w, y, window):
    """Return the `VectorFrame` of an image.

    The frame has only the rows that outputs read. With a stride, neighboring outputs are `stride` elements apart in it;
    images are not divided into phases, because a vector contains channels and not neighboring elements.
    """
    lanes, (top, left) = WIDTH // x.itemsize, (window.padding[0][0], window.padding[1][0])
    stride, unit_stride = window.stride, with_unit_stride(window)
    width, reach = padded_layout(x, unit_stride).width, window.dilation[0] * (w.shape[2] - 1) + 1
    height = reach + (y.shape[2] - 1) * stride[0]
    upper, lower = rows_within(-top, height - top, x.shape[2])
    cells = vector_offsets((lower - upper, x.shape[3]), (upper + top) * width + left, (width, 1), lanes, lanes)
    steps = (stride[0] * width, stride[1])
    outputs = vector_offsets((y.shape[2], y.shape[3]), 0, steps, lanes, OUTPUTS)
    tap_offsets = forward_taps(w.shape, PaddedLayout(width, height * width), unit_stride)
    size = buffer_size(w.shape[1] * height * width, 0, tap_offsets, outputs[outputs.size - 1] // lanes + 1)
    for k in range(tap_offsets.size):
        tap_offsets[k] *= lanes
    frame = np.zeros(size * lanes, x.dtype)
    count = (lower - upper) * x.shape[3]
    return VectorFrame(frame, height * width * lanes, upper * x.shape[3], count, cells, outputs, tap_offsets)


@kernel
def vector_offsets(size, first, steps, lanes, min_count):
    """Return the offset of the vector of each element (i, j): (first + i·down + j·along)·lanes.

    The last offset is repeated until there are at least `min_count` offsets.

    size   number of rows and columns
    steps  (down, along)
    """
    (height, width), (down, along) = size, steps
    sum_offsets, count = np.empty(max(height * width, min_count), np.int64), height * width
    for i in range(height):
        for j in range(width):
            sum_offsets[i * width + j] = (first + i * down + j * along) * lanes
    for k in range(count, sum_offsets.size):
        sum_offsets[k] = sum_offsets[max(count - 1, 0)]
    return sum_offsets


@kernel
def frame_of_dy(dy, w, dx, window):
    """Return the frame of the rows of dy that dx uses.

    - the layout of the frame;
    - the row and column in the frame under the first tap of element (0, 0) of padded dx;
    - the index in a channel of dy of the first element that is copied to the frame;
    - the number of elements that are copied;
    - the offset in the frame of each; the last offset is repeated to fill a vector.
    """
    lanes, ((top, _), (left, _)) = WIDTH // dy.itemsize, window.padding
    (down, along), dilation = window.stride, window.dilation
    low = top // down - dilation[0] * (w.shape[2] - 1) // down
    high = (dx.shape[2] - 1 + top) // down + 1
    before = max(dilation[1] * (w.shape[3] - 1) // along - left // along, 0)
    width = before + max(dy.shape[3], (dx.shape[3] - 1 + left) // along + 1)
    upper, lower = rows_within(low, high, dy.shape[2])
    cells = vector_offsets((lower - upper, dy.shape[3]), (upper - low) * width + before, (width, 1), lanes, lanes)
    return (
        PaddedLayout(width, (high - low) * width),
        (-low, before),
        upper * dy.shape[3],
        (lower - upper) * dy.shape[3],
        cells,
    )


@kernel
def phases_of_dx(w, dx, layout, origin, outs, window):
    """Return the `Phases` of dx in the frame of `frame_of_dy`.

    Element i of dx is read under tap u if top + i − d·u is a multiple of the stride s, where d is the dilation.
    Elements with the same remainder (top + i) mod s thus use the same taps, and form a phase. Phases are numbered row
    by row. On an axis of 3 taps with stride 2, padding 1 and without dilation:

        phase 0    taps 0 and 2    elements 1, 3, 5, …
        phase 1    tap 1           elements 0, 2, 4, …

    All offsets are multiplied by the number of lanes, since every element is a vector.
    """
    (down, along), ((top, _), (left, _)), dilation, flip = window.stride, window.padding, window.dilation, window.flip
    size, count, lanes = w.shape[2] * w.shape[3], down * along, WIDTH // dx.itemsize
    tap_offsets, weight_order = np.empty(outs * size, np.int64), np.empty(outs * size, np.int64)
    longest = dx.shape[2] * dx.shape[3] + count * OUTPUTS
    input_offsets, sum_offsets = np.empty(longest, np.int64), np.empty(longest, np.int64)
    tap_starts, cell_starts = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    tap, cell = 0, 0
    for phase in range(count):
        row_phase, column_phase = phase // along, phase % along
        for o in range(outs):
            for k in range(size):
                u, v = k // w.shape[3] * dilation[0], k % w.shape[3] * dilation[1]
                if u % down == row_phase and v % along == column_phase:
                    tap_offsets[tap] = (o * layout.plane - u // down * layout.width - v // along) * lanes
                    weight_order[tap], tap = o * w.shape[1] * size + (size - 1 - k if flip else k), tap + 1
        for i in range((row_phase - top) % down, dx.shape[2], down):
            for j in range((column_phase - left) % along, dx.shape[3], along):
                row, column = origin[0] + (top + i) // down, origin[1] + (left + j) // along
                input_offsets[cell] = (row * layout.width + column) * lanes
                sum_offsets[cell], cell = (i * dx.shape[3] + j) * lanes, cell + 1
        while cell_starts[phase] < cell < cell_starts[phase] + OUTPUTS:  # repeat the last element to fill a tile
            input_offsets[cell], sum_offsets[cell], cell = input_offsets[cell - 1], sum_offsets[cell - 1], cell + 1
        tap_starts[phase + 1], cell_starts[phase + 1] = tap, cell
    return Phases(
        tap_offsets[:tap], weight_order[:tap], tap_starts, input_offsets[:cell], sum_offsets[:cell], cell_starts
    )


@kernel
def pack_weights(filters, starts, order, weights):
    """Copy weights into vectors: weights[t, lane] = filters[starts[lane] + order[t]]."""
    lanes = starts.size
    for k in range(lanes):
        for t in range(order.size):
            weights[t * lanes + k] = filters[starts[k] + order[t]]


@kernel
def lay_side_by_side(x, start, channels, rows, target_start, cells, count):
    """Copy channels into vectors: rows[target_start + cells[p] + k] = x[start + channels[k] + p] for p < `count`."""
    lanes = WIDTH // x.itemsize
    for t in range(0, count, lanes):
        p = max(min(t, count - lanes), 0)
        transpose_to(x, start + p, channels, rows, target_start, cells, p, count)


@kernel
def separate_channels(sums, count, y, start, channels):
    """Copy vectors of channels back to channels: y[start + channels[k] + p] = sums[p·lanes + k]."""
    lanes = WIDTH // y.itemsize
    for t in range(0, count, OUTPUTS):
        p = max(min(t, count - OUTPUTS), 0)
        store_transposed(load(sums, p * lanes, lanes, 1, OUTPUTS), y, start + p, channels, count)


@kernel
def sum_taps(rows, outputs, tap_offsets, w, epilogue, y, start, channels, count):
    """Compute sums over taps, and write `count` of them to the channels of y.

    The last tile may overlap the previous one. If at most `MAX_REST` outputs remain, a part is computed instead of a
    tile: an image of 2×2 has only four outputs.
    """
    computed = 0
    while count - computed > MAX_REST:
        p = max(min(computed, count - OUTPUTS), 0)
        store_transposed(_tile(rows, outputs, p, tap_offsets, w, epilogue), y, start + p, channels, count)
        computed += OUTPUTS
    if computed < count:
        p = max(count - PART, 0)
        part = _part(rows, outputs, p, tap_offsets, w, epilogue)
        store_transposed(join_columns(part, part), y, start + p, channels, min(count, PART))


@kernel
def sum_side_by_side(rows, outputs, tap_offsets, w, epilogue, sums, sum_offsets):
    """Compute sums over taps and store them as vectors of channels: output p at sums[sum_offsets[p]]."""
    for t in range(0, outputs.size, OUTPUTS):
        p = min(t, outputs.size - OUTPUTS)
        store_at(_tile(rows, outputs, p, tap_offsets, w, epilogue), sums, 0, sum_offsets, p)


@inlined
def _tile(rows, outputs, p, tap_offsets, w, epilogue):
    """Return the sums over taps for a tile of outputs, starting with output p, after the epilogue.

    It is computed in parts whose offsets fit into registers.
    """
    tile = _part(rows, outputs, p, tap_offsets, w, epilogue)
    if OUTPUTS > PART:
        tile = join_columns(tile, _part(rows, outputs, p + PART, tap_offsets, w, epilogue))
    return tile


@inlined
def _part(rows, outputs, p, tap_offsets, w, epilogue):
    """Return the sums over taps for `PART` outputs, starting with output p, after the epilogue."""
    addends, factors, scaled, clamp = epilogue
    lanes, outputs_of_part = WIDTH // rows.itemsize, load_offsets(outputs, p, PART)
    part = load(addends, 0, 0, 1, PART)
    if scaled:
        part = zeros(rows, 1, PART)
    for k in range(tap_offsets.size):
        part = add_lanes_at(part, rows, tap_offsets[k], w, k * lanes, outputs_of_part)
    if scaled:
        part = multiply_add(part, load(factors, 0, 0, 1, PART), load(addends, 0, 0, 1, PART))
    return clamp_tile(part, clamp.minimum, clamp.maximum)


@kernel
def add_tap_products(rows, outputs, tap_offsets, upstream, vectors):
    """Add Σ_p upstream[p] · (input of output p under a tap) to the vector of each tap."""
    lanes = WIDTH // rows.itemsize
    ones = np.ones(lanes, rows.dtype)
    for t in range(0, tap_offsets.size, TAPS):
        taps_of_tile = load_offsets(tap_offsets, t, TAPS)
        tile = zeros(rows, 1, TAPS)  # sums of one image; a single sum over all images would be less exact
        for p in range(upstream.size // lanes):
            tile = add_lanes_at(tile, rows, outputs[p], upstream, p * lanes, taps_of_tile)
        sums = load(vectors, t * lanes, lanes, 1, TAPS)
        store(multiply_add(tile, load(ones, 0, 0, 1, TAPS), sums), vectors, t * lanes, lanes)
