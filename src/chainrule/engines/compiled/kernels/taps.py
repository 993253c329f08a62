"""Cross-correlation and its gradients tap by tap, with vectors of filters.

Under a tap (u, v), output (i, j) reads element (s·i + d·u − top, s·j + d·v − left) of the image, with stride s,
dilation d, and the top rows and left columns of the padding. For every tap, the pairs (p, q) of an element p and the
output q that reads it are listed. Only elements inside the image are listed, so that no padding is multiplied, and
strides need no special treatment:

    y[o, q] += Σ_c w[c, u, v, o] · x[c, p]        for the pairs (p, q) of a tap, o over the lanes
    dx[c, p] += Σ_o w[o, u, v, c] · dy[o, q]      the same sums with cells and outputs exchanged, c over the lanes
    dw[c, u, v, o] += Σ_(p, q) x[c, p] · dy[q, o]

The sums of a tile are loaded and stored once for every tap. This is faster than `filters.py` if many channels are
summed and padding is more than a few percent of the image. For y and dx, the channels that are summed are
contiguous, so that a few elements occupy few cache lines instead of one line per channel.
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
    scales_of,
)
from chainrule.engines.compiled.kernels.filter_tiles import STRIP, TILE_COLUMNS
from chainrule.engines.compiled.kernels.filters import samples_per_list, share_filters
from chainrule.engines.compiled.kernels.layout import (
    PLAIN_WINDOW,
    conflict_free_stride,
    correlate_dw_shape,
    correlate_dx_shape,
    input_rows,
)
from chainrule.engines.compiled.kernels.registry import operation
from chainrule.engines.compiled.kernels.tap_pairs import Grid, list_pairs, new_pairs, pad_tile, tap_offset
from chainrule.engines.compiled.kernels.tiles import add_outer_at, load, load_at, load_offsets, store, store_at, zeros
from chainrule.engines.compiled.kernels.transposing import (
    TILE_ROWS,
    Matrix,
    Panels,
    RowsToPack,
    add_transposed,
    new_panels,
    new_weights,
    pack,
    pack_panel,
    pack_panels,
    pairs_end,
    panel_place,
    panels_shape,
    rows_of,
    transpose_matrix,
    whole_vectors,
)

PACKED_WEIGHTS = 1152  # weights per result that are packed at once, in panels of two vectors


class Cells(NamedTuple):
    """Elements of images, at a distance of `step` from each other. The channels of an element are contiguous."""

    values: Any
    step: int


class TapProducts(NamedTuple):
    """The factors of the products that are summed in a kernel gradient, for the pairs of one tap.

    upstream  panels of the upstream gradients, with one column per output
    rows      for each pair, the index of its output
    values    flat images
    planes    offset of each channel in `values`
    """

    upstream: Panels
    rows: Any
    values: Any
    planes: Any


@operation(panels_shape, part_of="cross_correlate")
@kernel
def pack_taps(w, packed, lowest=0, highest=-1):
    """Pack a range of filters into panels as `pack_panels` does, but in the order of the taps, not of the channels.

    A column of a panel contains the weights of its filters for one channel c and tap t. With two channels and three
    taps, the columns (c, t) are reordered:

        (0,0) (0,1) (0,2) (1,0) (1,1) (1,2)    →    (0,0) (1,0) (0,1) (1,1) (0,2) (1,2)
    """
    outs, ins, taps = (w.shape[0] if highest < 0 else highest) - lowest, w.shape[1], w.shape[2] * w.shape[3]
    pack_panels(w, packed, lowest, highest)
    vector, columns = WIDTH // w.itemsize, ins * taps
    panels = Panels(packed[lowest * columns :], columns, whole_vectors(outs, w.itemsize))
    vectors = np.empty(columns * vector, w.dtype)
    for f in range(0, panels.padded_width, vector):
        start, wide = panel_place(panels, f)
        for k in range(columns):
            for lane in range(vector):
                vectors[k * vector + lane] = panels.values[start + k * wide + lane]
        for k in range(columns):
            for lane in range(vector):
                panels.values[start + (k % taps * ins + k // taps) * wide + lane] = vectors[k * vector + lane]


@correlation(fits=forward_fit("correlate_taps"), share=share_filters, packing="pack_taps")
@kernel
def correlate_taps(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    Several samples are computed together, so that their pairs fill tiles:

        image_cells   element p of sample n, with contiguous channels
        sums          output q of sample n at (n · cells + q) · padded_width, with contiguous filters
        y             transposed back: contiguous outputs of a filter

    `pad_tile` fills the last tile of a tap with pairs whose results are added to an unused output after the others.

    See `epilogue.correlation` for the parameters.
    """
    first, lowest, last = chunk.first, chunk.lowest, y.shape[2] if chunk.last < 0 else chunk.last
    outs = (y.shape[1] if chunk.highest < 0 else chunk.highest) - lowest
    ins, taps = x.shape[1], w.shape[2] * w.shape[3]
    cells, results = (last - first) * y.shape[3], y.reshape(y.size)
    samples_per_block = samples_per_list(x.shape[0], cells)
    weight_rows = rows_of(w.reshape(w.size), lowest * ins * taps, outs, ins * taps)
    weights = new_weights(weight_rows, x.shape[0] > samples_per_block, _max_packed_vectors(ins, taps), packed)
    padded_width = whole_vectors(outs, x.itemsize)
    sums = np.empty((samples_per_block * cells + 1) * padded_width, x.dtype)
    pairs, image_cells = new_pairs(taps, samples_per_block * cells), _new_cells(x, samples_per_block)
    row_range = input_rows(x, w, window, first, last)
    image = Grid(0, x.shape[2], x.shape[3], image_cells.step, x.shape[2] * x.shape[3] * image_cells.step)
    outputs = Grid(first, last, y.shape[3], padded_width, cells * padded_width)
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        _lay_side_by_side(x, start, count, image_cells, row_range)
        for k in range(count * cells * padded_width):
            sums[k] = 0
        for tap in range(taps):
            pair_count = list_pairs(pairs, tap, count, tap_offset(tap, w.shape, window), window.stride, image, outputs)
            pad_tile(
                pairs.cells, pairs.outputs, tap * pairs.spacing + pair_count, samples_per_block * cells * padded_width
            )
        is_first = start == 0 and not packed
        _add_sums(weights, is_first, image_cells.values, pairs.cells, pairs.outputs, pairs, sums)
        for n in range(count):
            output_start = ((start + n) * y.shape[1] + lowest) * y.shape[2] * y.shape[3] + first * y.shape[3]
            target = Matrix(results, output_start, y.shape[2] * y.shape[3])
            transpose_matrix(Matrix(sums, n * cells * padded_width, padded_width), cells, outs, target)
    if b is not None or epilogue.rectify or epilogue.capped > 0:
        addends, factors = scales_of(b, epilogue.scaled, y)
        untied, clamp = is_untied(b, epilogue.scaled, y), clamp_of(epilogue, y)
        _apply_epilogue(y, addends, factors, untied, (first, last), (lowest, outs), clamp)


@kernel
def _apply_epilogue(y, addends, factors, untied, rows, filters, clamp):
    """Apply the epilogue (factors, addends and clamp) to ranges of rows and filters of y.

    An untied bias has an addend for each element of y, and no factors; otherwise, each filter has a factor and an
    addend. A NaN is neither below the minimum nor above the maximum, and remains.
    """
    (first, last), (lowest, outs), (minimum, maximum) = rows, filters, clamp
    length = (last - first) * y.shape[3]
    for n in range(y.shape[0]):
        for o in range(lowest, lowest + outs):
            row = y[n, o].reshape(y.shape[2] * y.shape[3])[first * y.shape[3] : first * y.shape[3] + length]
            if untied:
                biases = addends[o * y.shape[2] * y.shape[3] + first * y.shape[3] :]
                for p in range(length):
                    value = row[p] + biases[p]
                    row[p] = minimum if value <= minimum else maximum if value >= maximum else value
            else:
                factor, addend = factors[o], addends[o]
                for p in range(length):
                    value = row[p] * factor + addend
                    row[p] = minimum if value <= minimum else maximum if value >= maximum else value


@operation(correlate_dx_shape, fits=input_gradient_fit("correlate_taps_dx"))
@kernel
def correlate_taps_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, p] = Σ_(u, v) Σ_o w[o, c, u, v] dy[o, q], where output q reads element p under tap (u, v).

    Buffers are those of `correlate_taps` with the two sides of the pairs exchanged: filters of dy are contiguous, and
    the sums are elements of dx with contiguous channels.
    """
    outs, ins, taps = w.shape[0], w.shape[1], w.shape[2] * w.shape[3]
    cells, result, padded_width = dx.shape[2] * dx.shape[3], dx.reshape(dx.size), whole_vectors(ins, dx.itemsize)
    samples_per_block = samples_per_list(dy.shape[0], dy.shape[2] * dy.shape[3])
    weight_rows = RowsToPack(w.reshape(w.size), 0, outs, ins, taps, taps)
    weights = new_weights(weight_rows, dy.shape[0] > samples_per_block, _max_packed_vectors(outs, taps))
    sums = np.empty((samples_per_block * cells + 1) * padded_width, dy.dtype)
    pairs = new_pairs(taps, samples_per_block * min(dy.shape[2] * dy.shape[3], cells))
    image_cells = _new_cells(dy, samples_per_block)
    image = Grid(0, dx.shape[2], dx.shape[3], padded_width, cells * padded_width)
    outputs = Grid(0, dy.shape[2], dy.shape[3], image_cells.step, dy.shape[2] * dy.shape[3] * image_cells.step)
    for start in range(0, dy.shape[0], samples_per_block):
        count = min(samples_per_block, dy.shape[0] - start)
        _lay_side_by_side(dy, start, count, image_cells, (0, dy.shape[2]))
        for k in range(count * cells * padded_width):
            sums[k] = 0
        for tap in range(taps):
            pair_count = list_pairs(pairs, tap, count, tap_offset(tap, w.shape, window), window.stride, image, outputs)
            pad_tile(
                pairs.outputs, pairs.cells, tap * pairs.spacing + pair_count, samples_per_block * cells * padded_width
            )
        _add_sums(weights, start == 0, image_cells.values, pairs.outputs, pairs.cells, pairs, sums)
        for n in range(count):
            target = Matrix(result, (start + n) * ins * cells, cells)
            transpose_matrix(Matrix(sums, n * cells * padded_width, padded_width), cells, ins, target)


@operation(correlate_dw_shape, accumulates=True, fits=kernel_gradient_fit("correlate_taps_dw"))
@kernel
def correlate_taps_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add Σ_(p, q) x[c, p] dy[o, q] to dw[o, c, u, v], over the pairs (p, q) of tap (u, v).

    x is read where it is: channel c begins at planes[c]. dy is packed into panels of filters, with a column per output.
    The sums of channel c and tap t begin at (c · taps + t) · padded_width, with contiguous filters: dw transposed.
    """
    if x.shape[0] == 0:
        return  # no sum would be written
    outs, ins, taps = dw.shape[0], dw.shape[1], dw.shape[2] * dw.shape[3]
    cells = dy.shape[2] * dy.shape[3]
    plane = x.shape[2] * x.shape[3]
    padded_width = whole_vectors(outs, x.itemsize)
    samples_per_block = samples_per_list(x.shape[0], cells)
    upstream, pairs = new_panels(outs, samples_per_block * cells, x), new_pairs(1, samples_per_block * cells)
    planes = np.minimum(np.arange(ins + TILE_COLUMNS), ins - 1) * plane  # tiles may read the last channel again
    sums = np.empty((ins + TILE_COLUMNS) * taps * padded_width, x.dtype)
    image = Grid(0, x.shape[2], x.shape[3], 1, ins * plane)
    outputs = Grid(0, dy.shape[2], dy.shape[3], 1, cells)
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        values = x[start : start + count].reshape(count * ins * plane)
        pack(RowsToPack(dy.reshape(dy.size), start * outs * cells, count, outs, cells, cells), upstream)
        for tap in range(taps):
            pair_count = list_pairs(pairs, 0, count, tap_offset(tap, dw.shape, window), window.stride, image, outputs)
            products = TapProducts(upstream, pairs.outputs, values, planes)
            size, vector_pairs = (ins, taps * padded_width), pairs_end(padded_width, x.itemsize)
            tap_sums, tap_pairs = sums[tap * padded_width :], (pairs.cells, pair_count, start == 0)
            _add_gradient(products, tap_pairs, tap_sums, size, 0, vector_pairs, tile_rows=2)
            _add_gradient(products, tap_pairs, tap_sums, size, vector_pairs, padded_width, tile_rows=1)
    add_transposed(sums, padded_width, ins * taps, dw)


# ---------------------------------------------------------------------- cells


@inlined
def _new_cells(images, samples):
    """Return a workspace for the elements of `samples` images, with contiguous channels."""
    step = conflict_free_stride(images.shape[1])
    return Cells(np.empty(samples * images.shape[2] * images.shape[3] * step, images.dtype), step)


@inlined
def _lay_side_by_side(images, start, count, cells, row_range):
    """Transpose a range of rows of `count` images, starting with image `start`, so that channels are contiguous."""
    channels, plane = images.shape[1], images.shape[2] * images.shape[3]
    begin, length = row_range[0] * images.shape[3], (row_range[1] - row_range[0]) * images.shape[3]
    flat = images.reshape(images.size)
    for n in range(count):
        source = Matrix(flat, (start + n) * channels * plane + begin, plane)
        transpose_matrix(source, channels, length, Matrix(cells.values, (n * plane + begin) * cells.step, cells.step))


# ---------------------------------------------------------------------- tiles


@inlined
def _add_sums(weights, fresh, values, from_offsets, to_offsets, pairs, sums):
    """Add Σ_k w[k, o] · values[from_offsets[p] + k] to sums[to_offsets[p] + o] for all taps, pairs p and results o.

    The weights w are those of the tap of pair p, and k is the channel that is summed.

    fresh  whether panels still have to be packed
    """
    padded_width = whole_vectors(weights.rows.rows, sums.itemsize)
    vector_pairs = pairs_end(padded_width, sums.itemsize)
    _add_sums_by(weights, fresh, values, from_offsets, to_offsets, pairs, sums, 0, vector_pairs, tile_rows=2)
    _add_sums_by(weights, fresh, values, from_offsets, to_offsets, pairs, sums, vector_pairs, padded_width, tile_rows=1)


@kernel
def _add_sums_by(weights, fresh, values, from_offsets, to_offsets, pairs, sums, begin, end, tile_rows):
    """Compute `_add_sums` for results from `begin` to `end`, in tiles of vectors of results by pairs."""
    literally(tile_rows)
    (rows, panels, keeps_all, packed), taps = weights, pairs.counts.size
    channels, tile_width = rows.matrices * rows.columns // taps, tile_rows * (WIDTH // sums.itemsize)
    strip, tap_step, step = _channels_packed(channels, taps, tile_rows), tile_width, taps * tile_width
    if packed:
        strip, tap_step, step = channels, channels * tile_width, tile_width
    for o in range(begin, end, tile_width):
        for first in range(0, channels, strip):
            last = min(first + strip, channels)
            panel = panels[(o * channels + first * tile_width) * taps if keeps_all else 0 :]
            if fresh or not keeps_all:
                pack_panel(_of_channels(rows, taps, first, last), o, tile_width, panel, 0)
            for tap in range(taps):
                first_pair, count = tap * pairs.spacing, pairs.counts[tap]
                panel_tap = TapOfPanel(panel[tap * tap_step :], step, first, last)
                for p in range(first_pair, first_pair + count, TILE_COLUMNS):
                    _add_tile(panel_tap, values, from_offsets, to_offsets, p, sums, o, tile_rows)


class TapOfPanel(NamedTuple):
    """The weights of a panel under a tap, for channels `first` to `last` − 1, at a distance `step`."""

    values: Any
    step: int
    first: int
    last: int


@inlined
def _add_tile(panel_tap, values, from_offsets, to_offsets, p, sums, o, tile_rows):
    """Add the products under a tap to the sums of a tile, whose first pair is p and whose first result is o."""
    panel, step, first, last = panel_tap
    tile = load_at(sums, o, to_offsets, p, tile_rows, TILE_COLUMNS)
    value_offsets = load_offsets(from_offsets, p, TILE_COLUMNS)
    for k in range(last - first):
        tile = add_outer_at(tile, panel, k * step, values, first + k, value_offsets)
    store_at(tile, sums, o, to_offsets, p)


@inlined
def _channels_packed(channels, taps, tile_rows):
    """Return how many channels are packed at once.

    Channels are divided into equal parts. For each part, a tile of two vectors needs at most about `PACKED_WEIGHTS`
    weights per result; a taller tile needs fewer.
    """
    chunks = (channels * taps * tile_rows + 2 * PACKED_WEIGHTS - 1) // (2 * PACKED_WEIGHTS)
    return (channels + chunks - 1) // chunks


@inlined
def _max_packed_vectors(channels, taps):
    """Return the maximum number of vectors of weights that are packed at once, which the tallest tile needs."""
    return TILE_ROWS * _channels_packed(channels, taps, TILE_ROWS) * taps


@inlined
def _of_channels(weight_rows, taps, first, last):
    """Return the weights of a range of the channels that are summed.

    In the forward pass, they are some columns of the rows to pack; for dx, some of the matrices.
    """
    values, start, matrices, rows, columns, step = weight_rows
    if columns == taps:
        return RowsToPack(values, start + first * rows * step, last - first, rows, columns, step)
    return RowsToPack(values, start + first * taps, matrices, rows, (last - first) * taps, step)


@kernel
def _add_gradient(products, pairs, sums, size, begin, end, tile_rows):
    """Add Σ_p dy[rows[p], o] · values[planes[c] + offsets[p]] to sums[c, o], in tiles of filters by channels.

    pairs       offset of the element of each pair, number of pairs, and whether the sums are uninitialized
    size        number of channels, and distance between channels in `sums`
    begin, end  range of filters
    """
    literally(tile_rows)
    offsets, count, fresh = pairs
    ins, step = size
    tile_width = tile_rows * (WIDTH // sums.itemsize)
    strip = 2 * STRIP // tile_rows
    for o in range(begin, end, tile_width):
        for first in range(0, max(count, 1), strip):
            pair_range, is_new = (first, min(first + strip, count)), fresh and first == 0
            for c in range(0, ins, TILE_COLUMNS):
                _add_gradient_tile(products, offsets, c, pair_range, is_new, sums, step, o, tile_rows)


@inlined
def _add_gradient_tile(products, offsets, c, pair_range, fresh, sums, step, o, tile_rows):
    """Add the products of a range of pairs to a tile of sums, whose first filter is o and whose first channel is c."""
    ((dy, columns, _), rows, values, planes), tile_width = products, tile_rows * (WIDTH // sums.itemsize)
    tile = zeros(sums, tile_rows, TILE_COLUMNS) if fresh else load(sums, c * step + o, step, tile_rows, TILE_COLUMNS)
    channels = load_offsets(planes, c, TILE_COLUMNS)
    for p in range(pair_range[0], pair_range[1]):
        tile = add_outer_at(tile, dy, o * columns + rows[p] * tile_width, values, offsets[p], channels)
    store(tile, sums, c * step + o, step)
