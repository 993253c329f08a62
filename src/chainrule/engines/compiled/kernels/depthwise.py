"""Cross-correlation and its gradients where a group has few filters and channels: depthwise convolutions above all.

With one filter for each channel there are no others to share a loaded cell with. So as many filters as a vector has
lanes lie side by side, each with the channel that it sees. A cell is then a vector, and so is a weight, and whatever
the stride, the dilation and the width of an image are, no lane is left empty:

    y[i, j] = Σ_u Σ_v w[u, v] · rows[s·i + d·u, s·j + d·v]        a lane for each filter

    laying out    blocks of as many channels as cells are transposed, into a frame of zeros
    y             a tile is eight outputs: with its transposition, a block again
    dx            the same sums over dy, with the taps that fall on a cell, one phase of cells after the other
    dw            a tile is nine taps; both x and dy lie side by side, and no sums have to be added up across lanes

What a lane holds beyond the last filter is that filter once more.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, kernel
from chainrule.engines.compiled.kernels.epilogue import (
    NO_EPILOGUE,
    WHOLE_RESULT,
    LaneEpilogue,
    clamp_of,
    correlation,
    has_tied_bias,
    scales_of,
)
from chainrule.engines.compiled.kernels.layout import PLAIN_WINDOW, correlate_dw_shape, correlate_dx_shape
from chainrule.engines.compiled.kernels.registry import Attributes, Conditions, Share, operation
from chainrule.engines.compiled.kernels.side_by_side import (
    OUTPUTS,
    TAPS,
    add_products_of_taps,
    frame_of_dy,
    lay_side_by_side,
    pack_weights,
    phases_of_dx,
    rows_of_a_band,
    sum_side_by_side,
    sum_taps,
    take_apart,
    vector_frame,
)

FEW = 4  # channels of a group, or filters, that are summed
TIMES = 3  # a group takes as long in rows, where it has a tile to itself, as so many lanes here


def filters_are_few(arrays: Sequence[Any], given: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether a cross-correlation of (x, w, b) has small groups, and no bias for every position."""
    (outs, ins, *_), groups = arrays[1].shape, given.get("groups", 1)
    return _are_small(groups, outs, ins, itemsize) and has_tied_bias(arrays)


def channels_are_few(arrays: Sequence[Any], given: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether an input gradient, from (dy, w), has small groups."""
    (outs, ins, *_), groups = arrays[1].shape, given.get("groups", 1)
    return _are_small(groups, ins * groups, outs // groups, itemsize)


def gradients_are_few(arrays: Sequence[Any], given: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether a kernel gradient, from (x, dy), has small groups."""
    groups = given.get("groups", 1)
    return _are_small(groups, arrays[1].shape[-3], arrays[0].shape[-3] // groups, itemsize)


def _are_small(groups: int, side_by_side: int, summed: int, itemsize: int) -> bool:
    """Return whether groups are small, and the lanes that all of them take, filled or not, fewer than `TIMES` a group.

    side_by_side  filters, or channels, of all groups
    summed        channels, or filters, of a group
    """
    lanes = WIDTH // itemsize
    return groups > 1 and summed <= FEW and TIMES * groups >= -(-side_by_side // lanes) * lanes


def share_vectors(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Share whole vectors of filters, of a tall image too: with rows, threads would write side by side."""
    lanes = WIDTH // itemsize
    vectors = -(-shape[0] // lanes)
    return Share(("lowest", "highest"), shape[0], lanes, -(-vectors // 2) / vectors)


@correlation(
    by_channel=("lowest", "highest"),
    share=share_vectors,
    fits=filters_are_few,
)
@kernel
def correlate_few(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's filters of one image.

    See `epilogue.correlation` for the parameters.
    """
    filters = chunk.lowest, y.shape[1] if chunk.highest < 0 else chunk.highest
    scales = scales_of(b, epilogue.scaled, y)
    tall = rows_of_a_band(y.shape[2], x.shape[3] * window.stride[0], w.shape[1], x.itemsize)
    for first in range(0, y.shape[2], tall):
        rows = (first, min(first + tall, y.shape[2]))
        _correlate_rows(x, w, y, window, filters, rows, scales, epilogue)


@kernel
def _correlate_rows(x, w, y, window, wanted, rows, scales, epilogue):
    """Compute rows of some filters of y, from a first to before a last one, for every sample of a block."""
    (lowest, behind), (addends, factors) = wanted, scales
    outs, ins, lanes = y.shape[1] // window.groups, w.shape[1], WIDTH // x.itemsize
    inside, outside, count = x.shape[2] * x.shape[3], y.shape[2] * y.shape[3], ins * w.shape[2] * w.shape[3]
    frame, cells, begin = vector_frame(x, w, y, window, rows), (rows[1] - rows[0]) * y.shape[3], rows[0] * y.shape[3]
    direct, found = cells >= OUTPUTS, np.arange(OUTPUTS) * lanes
    sums, weights, order = np.empty(OUTPUTS * lanes, x.dtype), np.empty(count * lanes, x.dtype), np.arange(count)
    plus, times = np.empty(lanes, x.dtype), np.empty(lanes, x.dtype)
    lane_epilogue = LaneEpilogue(plus, times, epilogue.scaled, clamp_of(epilogue, y))
    given, filters, result = x.reshape(x.size), w.reshape(w.size), y.reshape(y.size)
    seen, written, begins = np.empty(lanes, np.int64), np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    for first in range(lowest, behind, lanes):
        for k in range(lanes):
            o = min(first + k, behind - 1)
            seen[k], written[k], begins[k] = o // outs * ins * inside, o * outside + begin, o * count
            plus[k], times[k] = addends[o], factors[o]
        pack_weights(filters, begins, order, weights)
        for s in range(x.shape[0]):
            for c in range(ins):
                place = (s * x.shape[1] + c) * inside + frame.start
                lay_side_by_side(given, place, seen, frame.rows, c * frame.plane, frame.cells)
            place = s * y.shape[1] * outside
            if direct:
                sum_taps(frame.rows, frame.outputs, frame.ahead, weights, lane_epilogue, result, place, written)
            else:
                sum_side_by_side(frame.rows, frame.outputs, frame.ahead, weights, lane_epilogue, sums, found)
                take_apart(sums, cells, result, place, written)


@operation(correlate_dx_shape, fits=channels_are_few)
@kernel
def correlate_few_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, s·q + r] = Σ_{o, d·u ≡ r} w[o, c, u] dy[o, q − d·u // s] on both axes alike, r being the phase.

    s·q + r counts the rows, or columns, of padded dx, and ≡ is modulo the stride s.
    """
    tall = rows_of_a_band(dx.shape[2], dx.shape[3], dy.shape[1] // window.groups, dy.itemsize)
    for first in range(0, dx.shape[2], tall):
        _gradient_rows(dy, w, dx, window, (first, min(first + tall, dx.shape[2])))


@kernel
def _gradient_rows(dy, w, dx, window, rows):
    """Compute rows of dx, from a first to before a last one."""
    outs, ins, lanes, begin = dy.shape[1] // window.groups, w.shape[1], WIDTH // dy.itemsize, rows[0] * dx.shape[3]
    inside, outside, size = dx.shape[2] * dx.shape[3], dy.shape[2] * dy.shape[3], w.shape[2] * w.shape[3]
    laid, origin, start, places = frame_of_dy(dy, w, dx, window, rows)
    phases, cells = phases_of_dx(w, dx, laid, origin, outs, window, rows), (rows[1] - rows[0]) * dx.shape[3]
    direct = window.stride[0] == window.stride[1] == 1 and cells >= OUTPUTS
    frame, sums = np.zeros(outs * laid.plane * lanes, dy.dtype), np.empty(0 if direct else cells * lanes, dy.dtype)
    weights, none = np.empty(outs * size * lanes, dy.dtype), np.zeros(lanes, dy.dtype)
    epilogue = LaneEpilogue(none, none, False, clamp_of(NO_EPILOGUE, dy))
    given, filters, result = dy.reshape(dy.size), w.reshape(w.size), dx.reshape(dx.size)
    seen, written, begins = np.empty(lanes, np.int64), np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    for first in range(0, dx.shape[1], lanes):
        for k in range(lanes):
            c = min(first + k, dx.shape[1] - 1)
            o = c // ins * outs  # the first filter of the group
            seen[k], written[k], begins[k] = o * outside, c * inside + begin, (o * ins + c % ins) * size
        pack_weights(filters, begins, phases.order, weights)
        for s in range(dy.shape[0]):
            for o in range(outs):
                place = (s * dy.shape[1] + o) * outside + start
                lay_side_by_side(given, place, seen, frame, o * laid.plane * lanes, places)
            place = s * dx.shape[1] * inside
            if direct:
                sum_taps(frame, phases.seen, phases.ahead, weights, epilogue, result, place, written)
                continue
            for p in range(phases.taps.size - 1):
                (a, b), (m, n) = (phases.taps[p], phases.taps[p + 1]), (phases.outputs[p], phases.outputs[p + 1])
                part = weights[a * lanes : b * lanes]
                if n > m:
                    sum_side_by_side(
                        frame, phases.seen[m:n], phases.ahead[a:b], part, epilogue, sums, phases.found[m:n]
                    )
            take_apart(sums, cells, result, place, written)


@operation(correlate_dw_shape, accumulates=True, fits=gradients_are_few)
@kernel
def correlate_few_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block."""
    tall = rows_of_a_band(dy.shape[2], x.shape[3] * window.stride[0], dw.shape[1], x.itemsize)
    for first in range(0, dy.shape[2], tall):
        _add_rows(x, dy, dw, window, (first, min(first + tall, dy.shape[2])))


@kernel
def _add_rows(x, dy, dw, window, rows):
    """Add the products with rows of dy, from a first to before a last one, to dw."""
    outs, ins, lanes, begin = dy.shape[1] // window.groups, dw.shape[1], WIDTH // x.itemsize, rows[0] * dy.shape[3]
    inside, outside, size = x.shape[2] * x.shape[3], dy.shape[2] * dy.shape[3], ins * dw.shape[2] * dw.shape[3]
    frame, found = vector_frame(x, dw, dy, window, rows), np.arange((rows[1] - rows[0]) * dy.shape[3]) * lanes
    ahead = np.empty((size + TAPS - 1) // TAPS * TAPS, np.int64)
    for t in range(ahead.size):
        ahead[t] = frame.ahead[min(t, size - 1)]
    upstream, vectors = np.empty(found.size * lanes, x.dtype), np.empty(ahead.size * lanes, x.dtype)
    given, upper, gradient = x.reshape(x.size), dy.reshape(dy.size), dw.reshape(dw.size)
    seen, above = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    for first in range(0, dy.shape[1], lanes):
        for k in range(lanes):
            o = min(first + k, dy.shape[1] - 1)
            seen[k], above[k] = o // outs * ins * inside, o * outside + begin
        vectors[:] = 0
        for s in range(x.shape[0]):
            lay_side_by_side(upper, s * dy.shape[1] * outside, above, upstream, 0, found)
            for c in range(ins):
                place = (s * x.shape[1] + c) * inside + frame.start
                lay_side_by_side(given, place, seen, frame.rows, c * frame.plane, frame.cells)
            add_products_of_taps(frame.rows, frame.outputs, ahead, upstream, vectors)
        for k in range(min(lanes, dy.shape[1] - first)):
            for t in range(size):
                gradient[(first + k) * size + t] += vectors[t * lanes + k]
