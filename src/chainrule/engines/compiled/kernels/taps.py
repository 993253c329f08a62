"""Cross-correlation and its gradients one tap after the other, with filters side by side in vectors.

Under a tap (u, v), output (i, j) meets cell (s·i + d·u − p, s·j + d·v − p) of the image. Only outputs whose cell lies
in the image are listed, so that no padding is laid out or multiplied, and any stride is a list like any other:

    y[o, q] += Σ_c w[c, u, v, o] · x[c, p]        for the pairs (p, q) of a tap, o over the lanes
    dx[c, p] += Σ_o w[o, u, v, c] · dy[o, q]      the same sums with cells and outputs exchanged, c over the lanes
    dw[c, u, v, o] += Σ_(p, q) x[c, p] · dy[q, o]

The sums of a tile are loaded and stored once for every tap, which pays where the sum over the channels is long; where
padding is no more than a few hundredths of the image, `filters.py` is faster. For y and dx the channels that are summed
lie side by side: those of a few cells are then few lines of the cache, and not one for every channel.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.choice import forward_fit, input_gradient_fit, kernel_gradient_fit
from chainrule.engines.compiled.kernels.epilogue import (
    NO_EPILOGUE,
    WHOLE_RESULT,
    clamp_of,
    correlation,
    is_untied,
    leak_row,
    scales_of,
)
from chainrule.engines.compiled.kernels.filter_tiles import COLUMNS, FEW, FEWEST, STRIP, broadly
from chainrule.engines.compiled.kernels.filters import share_filters, worth_listing
from chainrule.engines.compiled.kernels.layout import (
    CACHE_LINE,
    PLAIN_WINDOW,
    conflict_free_stride,
    correlate_dw_shape,
    correlate_dx_shape,
    rows_seen,
)
from chainrule.engines.compiled.kernels.registry import operation
from chainrule.engines.compiled.kernels.tap_pairs import Grid, ahead, fill_up, pair, unlisted
from chainrule.engines.compiled.kernels.tiles import add_picked, load, load_picked, places, store, store_picked, zeros
from chainrule.engines.compiled.kernels.transposing import (
    TALLEST,
    Matrix,
    Panels,
    RowsToPack,
    add_transposed,
    new_panels,
    new_weights,
    pack,
    pack_panel,
    panel_ends,
    rows_of,
    transpose_matrix,
    whole_vectors,
)

PACKED = 1152  # weights of a result that are packed at a time, in panels of two vectors
CONFLICT = 2048  # bytes: channels a multiple of it apart evict each other from the fastest cache


class Cells(NamedTuple):
    """Cells of images, `step` entries apart, the channels of each side by side."""

    values: Any
    step: int


class TapProducts(NamedTuple):
    """Factors of a gradient under one tap: column rows[p] of panels times values[offset of p + planes[c]]."""

    upstream: Panels
    rows: Any
    values: Any
    planes: Any


@correlation(
    fits=forward_fit("correlate_taps"),
    share=share_filters,
)
@kernel
def correlate_taps(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    See `epilogue.correlation` for the parameters.
    """
    first, lowest, last = chunk.first, chunk.lowest, y.shape[2] if chunk.last < 0 else chunk.last
    outs = (y.shape[1] if chunk.highest < 0 else chunk.highest) - lowest
    ins, taps = x.shape[1], w.shape[2] * w.shape[3]
    cells, result = (last - first) * y.shape[3], y.reshape(y.size)
    samples_per_block = worth_listing(x.shape[0], cells)
    given = rows_of(w.reshape(w.size), lowest * ins * taps, outs, ins * taps)
    weights = new_weights(given, x.shape[0] > samples_per_block, _most_packed(ins, taps))
    across = whole_vectors(outs, x.itemsize)
    sums = np.empty((samples_per_block * cells + 1) * across, x.dtype)
    pairs, seen = unlisted(taps, samples_per_block * cells), _new_cells(x, samples_per_block)
    wanted = rows_seen(x, w, window, first, last)
    image = Grid(0, x.shape[2], x.shape[3], seen.step, x.shape[2] * x.shape[3] * seen.step)
    outputs = Grid(first, last, y.shape[3], across, cells * across)
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        _lay_side_by_side(x, start, count, seen, wanted)
        for k in range(count * cells * across):
            sums[k] = 0
        for tap in range(taps):
            met = pair(pairs, tap, count, ahead(tap, w.shape, window), window.stride, image, outputs)
            fill_up(pairs.cells, pairs.outputs, tap * pairs.apart + met, samples_per_block * cells * across)
        _add_sums(weights, start == 0, seen.values, pairs.cells, pairs.outputs, pairs, sums)
        for s in range(count):
            place = ((start + s) * y.shape[1] + lowest) * y.shape[2] * y.shape[3] + first * y.shape[3]
            into = Matrix(result, place, y.shape[2] * y.shape[3])
            transpose_matrix(Matrix(sums, s * cells * across, across), cells, outs, into)
    if b is not None or epilogue.rectify or epilogue.capped > 0 or epilogue.leak != 1:
        plus, times = scales_of(b, epilogue.scaled, y)
        untied, clamp = is_untied(b, epilogue.scaled, y), clamp_of(epilogue, y)
        _finish(y, plus, times, untied, (first, last), (lowest, outs), clamp)


@kernel
def _finish(y, plus, times, untied, rows, filters, clamp):
    """Take rows from the first to before the last, of some filters from the lowest on: times, plus, bent."""
    (first, last), (lowest, outs), (least, most, part) = rows, filters, clamp
    length = (last - first) * y.shape[3]
    for s in range(y.shape[0]):
        for o in range(lowest, lowest + outs):
            row = y[s, o].reshape(y.shape[2] * y.shape[3])[first * y.shape[3] : first * y.shape[3] + length]
            if untied:
                more = plus[o * y.shape[2] * y.shape[3] + first * y.shape[3] :]
                for p in range(length):
                    value = row[p] + more[p]
                    row[p] = least if value <= least else most if value >= most else value
            else:
                factor, addend = times[o], plus[o]
                for p in range(length):
                    value = row[p] * factor + addend
                    row[p] = least if value <= least else most if value >= most else value
            leak_row(row, part)


@operation(correlate_dx_shape, fits=input_gradient_fit("correlate_taps_dx"))
@kernel
def correlate_taps_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, p] = Σ_(u, v) Σ_o w[o, c, u, v] dy[o, q] over the outputs q that meet cell p."""
    outs, ins, taps = w.shape[0], w.shape[1], w.shape[2] * w.shape[3]
    cells, result, across = dx.shape[2] * dx.shape[3], dx.reshape(dx.size), whole_vectors(ins, dx.itemsize)
    samples_per_block = worth_listing(dy.shape[0], dy.shape[2] * dy.shape[3])
    given = RowsToPack(w.reshape(w.size), 0, outs, ins, taps, taps)
    weights = new_weights(given, dy.shape[0] > samples_per_block, _most_packed(outs, taps))
    sums = np.empty((samples_per_block * cells + 1) * across, dy.dtype)
    pairs = unlisted(taps, samples_per_block * min(dy.shape[2] * dy.shape[3], cells))
    seen = _new_cells(dy, samples_per_block)
    image = Grid(0, dx.shape[2], dx.shape[3], across, cells * across)
    outputs = Grid(0, dy.shape[2], dy.shape[3], seen.step, dy.shape[2] * dy.shape[3] * seen.step)
    for start in range(0, dy.shape[0], samples_per_block):
        count = min(samples_per_block, dy.shape[0] - start)
        _lay_side_by_side(dy, start, count, seen, (0, dy.shape[2]))
        for k in range(count * cells * across):
            sums[k] = 0
        for tap in range(taps):
            met = pair(pairs, tap, count, ahead(tap, w.shape, window), window.stride, image, outputs)
            fill_up(pairs.outputs, pairs.cells, tap * pairs.apart + met, samples_per_block * cells * across)
        _add_sums(weights, start == 0, seen.values, pairs.outputs, pairs.cells, pairs, sums)
        for s in range(count):
            into = Matrix(result, (start + s) * ins * cells, cells)
            transpose_matrix(Matrix(sums, s * cells * across, across), cells, ins, into)


@operation(correlate_dw_shape, accumulates=True, fits=kernel_gradient_fit("correlate_taps_dw"))
@kernel
def correlate_taps_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add Σ_(p, q) x[c, p] dy[o, q] to dw[o, c, u, v], over the pairs that meet under the tap."""
    if x.shape[0] == 0:
        return  # no sum would be written
    outs, ins, taps = dw.shape[0], dw.shape[1], dw.shape[2] * dw.shape[3]
    cells, plane, across = dy.shape[2] * dy.shape[3], _spaced(x.shape, x.itemsize), whole_vectors(outs, x.itemsize)
    samples_per_block = worth_listing(x.shape[0], cells)
    upstream, pairs = new_panels(outs, samples_per_block * cells, x), unlisted(1, samples_per_block * cells)
    spaced = _space(x, samples_per_block * ins, plane)
    planes = np.minimum(np.arange(ins + COLUMNS), ins - 1) * plane  # a tile reads the last channel again
    sums = np.empty((ins + COLUMNS) * taps * across, x.dtype)
    image = Grid(0, x.shape[2], x.shape[3], 1, ins * plane)
    outputs = Grid(0, dy.shape[2], dy.shape[3], 1, cells)
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        seen = _planes(x, start, count, spaced, plane)
        pack(RowsToPack(dy.reshape(dy.size), start * outs * cells, count, outs, cells, cells), upstream)
        for tap in range(taps):
            met = pair(pairs, 0, count, ahead(tap, dw.shape, window), window.stride, image, outputs)
            given = TapProducts(upstream, pairs.outputs, seen, planes)
            size, (fours, twos) = (ins, taps * across), panel_ends(across, x.itemsize)
            own, seen_by = sums[tap * across :], (pairs.cells, met, start == 0)
            if TALLEST == 4:
                _add_gradient(given, seen_by, own, size, 0, fours, tall=4, broad=FEW)
            _add_gradient(given, seen_by, own, size, fours, twos, tall=2, broad=COLUMNS)
            _add_gradient(given, seen_by, own, size, twos, across, tall=1, broad=COLUMNS)
    add_transposed(sums, across, ins * taps, dw)


# ---------------------------------------------------------------------- cells


@inlined
def _new_cells(images, samples):
    """Return a workspace for the cells of some images, the channels of each side by side."""
    step = conflict_free_stride(images.shape[1])
    return Cells(np.empty(samples * images.shape[2] * images.shape[3] * step, images.dtype), step)


@inlined
def _lay_side_by_side(images, start, count, cells, wanted):
    """Transpose the wanted rows of `count` images from `start` on."""
    channels, plane = images.shape[1], images.shape[2] * images.shape[3]
    begin, length = wanted[0] * images.shape[3], (wanted[1] - wanted[0]) * images.shape[3]
    flat = images.reshape(images.size)
    for s in range(count):
        given = Matrix(flat, (start + s) * channels * plane + begin, plane)
        transpose_matrix(given, channels, length, Matrix(cells.values, (s * plane + begin) * cells.step, cells.step))


# ---------------------------------------------------------------------- planes of cells


@inlined
def _spaced(shape, itemsize):
    """Return the distance between channels: not the half of a page of the cache, where they would share their lines."""
    plane = shape[2] * shape[3]
    return plane + CACHE_LINE // itemsize if plane * itemsize % CONFLICT == 0 else plane


@inlined
def _space(images, planes, plane):
    """Return a workspace for channels that have to be moved apart; an empty one where they may stay."""
    return np.empty(planes * plane if plane > images.shape[2] * images.shape[3] else 0, images.dtype)


@kernel
def _planes(images, first, count, spaced, plane):
    """Return `count` images from `first` on, flat, channels `plane` entries apart."""
    own = images.shape[2] * images.shape[3]
    flat = images[first : first + count].reshape(count * images.shape[1] * own)
    if plane == own:
        return flat
    for c in range(count * images.shape[1]):
        source, target = flat[c * own : (c + 1) * own], spaced[c * plane : c * plane + own]
        for k in range(own):
            target[k] = source[k]
    return spaced


# ---------------------------------------------------------------------- tiles


@inlined
def _add_sums(weights, fresh, values, at, to, pairs, sums):
    """Add Σ_k w[k, o] · values[at[p] + k] to sums[to[p] + o] for all pairs p of each tap, and all results o.

    fresh  whether no panels have been packed yet
    """
    across = whole_vectors(weights.rows.rows, sums.itemsize)
    fours, twos = panel_ends(across, sums.itemsize)
    if TALLEST == 4:
        _add_sums_by(weights, fresh, values, at, to, pairs, sums, 0, fours, tall=4, broad=FEW)
    _add_sums_by(weights, fresh, values, at, to, pairs, sums, fours, twos, tall=2, broad=COLUMNS)
    _add_sums_by(weights, fresh, values, at, to, pairs, sums, twos, across, tall=1, broad=COLUMNS)


@kernel
def _add_sums_by(weights, fresh, values, at, to, pairs, sums, begin, end, tall, broad):
    """Compute `_add_sums` for results from `begin` to `end`, by tiles of `tall` vectors of them by some outputs."""
    literally(tall)
    literally(broad)
    (rows, panels, kept), taps, wide = weights, pairs.counts.size, tall * (WIDTH // sums.itemsize)
    channels = rows.matrices * rows.columns // taps
    strip = _channels_packed(channels, taps, tall)
    for o in range(begin, end, wide):
        for first in range(0, channels, strip):
            last = min(first + strip, channels)
            panel = panels[(o * channels + first * wide) * taps if kept else 0 :]
            if fresh or not kept:
                pack_panel(_of_channels(rows, taps, first, last), o, wide, panel, 0)
            for tap in range(taps):
                begun, count = tap * pairs.apart, pairs.counts[tap]
                most = broadly(count, broad)
                given = TapOfPanel(panel, taps, tap, first, last)
                for p in range(begun, begun + most, broad):
                    _add_tile(given, values, at, to, p, sums, o, tall, broad)
                for p in range(begun + most, begun + count, FEWEST):
                    _add_tile(given, values, at, to, p, sums, o, tall, FEWEST)


class TapOfPanel(NamedTuple):
    """The weights of a panel under one of its taps, for channels from `first` to `last`."""

    values: Any
    taps: int
    tap: int
    first: int
    last: int


@inlined
def _add_tile(given, values, at, to, p, sums, o, tall, broad):
    """Add the products under a tap to the sums of a tile."""
    (panel, taps, tap, first, last), wide = given, tall * (WIDTH // sums.itemsize)
    tile, seen = load_picked(sums, o, to, p, tall, broad), places(at, p, broad)
    for k in range(last - first):
        tile = add_picked(tile, panel, (k * taps + tap) * wide, values, first + k, seen)
    store_picked(tile, sums, o, to, p)


@inlined
def _channels_packed(channels, taps, tall):
    """Return of how many channels to pack the weights at a time: as many each time, about `PACKED` for two vectors."""
    parts = (channels * taps * tall + 2 * PACKED - 1) // (2 * PACKED)
    return (channels + parts - 1) // parts


@inlined
def _most_packed(channels, taps):
    """Return the vectors of a part of a panel that is packed at a time: those of the tallest are most."""
    return TALLEST * _channels_packed(channels, taps, TALLEST) * taps


@inlined
def _of_channels(given, taps, first, last):
    """Return the rows of weights of some of the channels that are summed: columns, or for dx matrices, of the rows."""
    (values, start, matrices, rows, columns, step) = given
    if columns == taps:
        return RowsToPack(values, start + first * rows * step, last - first, rows, columns, step)
    return RowsToPack(values, start + first * taps, matrices, rows, (last - first) * taps, step)


@kernel
def _add_gradient(given, pairs, sums, size, begin, end, tall, broad):
    """Add Σ_p dy[rows[p], o] · values[planes[c] + at[p]] to sums[c, o] by tiles of filters by channels.

    pairs  at, their number, and whether sums hold nothing yet
    """
    literally(tall)
    literally(broad)
    (at, count, fresh), (ins, step), wide, strip = pairs, size, tall * (WIDTH // sums.itemsize), 2 * STRIP // tall
    most = broadly(ins, broad)
    for o in range(begin, end, wide):
        for first in range(0, max(count, 1), strip):
            ends, new = (first, min(first + strip, count)), fresh and first == 0
            for c in range(0, most, broad):
                _add_gradient_tile(given, at, c, ends, new, sums, step, o, tall, broad)
            for c in range(most, ins, FEWEST):
                _add_gradient_tile(given, at, c, ends, new, sums, step, o, tall, FEWEST)


@inlined
def _add_gradient_tile(given, at, c, ends, fresh, sums, step, o, tall, broad):
    """Add the products of pairs p within the ends to the sums of a tile of filters by channels from c on."""
    ((dy, columns, _), rows, values, planes), wide = given, tall * (WIDTH // sums.itemsize)
    tile = zeros(sums, tall, broad) if fresh else load(sums, c * step + o, step, tall, broad)
    channels = places(planes, c, broad)
    for p in range(ends[0], ends[1]):
        tile = add_picked(tile, dy, o * columns + rows[p] * wide, values, at[p], channels)
    store(tile, sums, c * step + o, step)
