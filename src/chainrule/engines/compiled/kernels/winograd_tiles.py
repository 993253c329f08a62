"""Winograd's algorithm by tiles, for kernels of 3×3 and 5×5 at stride 1: a convolution and its gradients.

A tile sees 6×6 cells. Transformed on both axes, cells and kernels are multiplied point by point, so that its results
take 36 products a channel: 4×4 results in place of 144 with kernels of 3×3, and 2×2 results in place of 100 with 5×5.

    y = Aᵀ [Σ_c (G w[o,c] Gᵀ) ⊙ (Bᵀ x̄[c] B)] A

Every step of this is linear, so the gradients go the same way back:

    dx  the same sums over dy, with the kernels turned by 180°
    dw  dw[o,c] = Gᵀ [Σ_tiles (A dy[o] Aᵀ) ⊙ (Bᵀ x̄[c] B)] G

Channels, and filters, lie side by side in vectors. Tiles are transformed by dozens, as many as stay in a cache with
their products; at each of the 36 points there is then one product of matrices, of tiles by channels and channels by
filters. Kernels are transformed once for a block of samples. The matrices are those of `compiler/transforms.py`; the
errors are twice those of plain sums or less. A cell that is not finite makes all results of its tiles NaN.

taps  rows, and columns, of a kernel: 3 or 5, a constant
side  rows, and columns, of the results of a tile: 7 − taps, a constant
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.epilogue import NO_EPILOGUE, clamp_of, scales_of
from chainrule.engines.compiled.kernels.filter_tiles import STRIP
from chainrule.engines.compiled.kernels.layout import conflict_free_stride
from chainrule.engines.compiled.kernels.registry import Attributes, Share, rows_or_filters
from chainrule.engines.compiled.kernels.tiles import add_outer, lanes, load, store, zeros
from chainrule.engines.compiled.kernels.transposing import (
    TALLEST,
    Matrix,
    RowsToPack,
    add_transposed,
    new_panels,
    pack,
    panel_ends,
    rows_of,
    transpose_matrix,
    whole_vectors,
)
from chainrule.engines.compiled.kernels.winograd_points import (
    BLOCK,
    BROAD,
    FEW,
    POINTS,
    AtPoints,
    Bands,
    Results,
    Work,
    cells_to_points,
    new_points,
    results_from_points,
    upstream_to_points,
    weights_from_points,
    weights_to_points,
)

TILES = 64  # tiles whose cells are laid out at once


class TiledImages(NamedTuple):
    """Images of a batch, (N, C, H, W), as tiles see them: zeros around, `top` rows of them above, `left` columns."""

    images: Any
    top: int
    left: int


def share_tiled_rows(shape: tuple[int, ...], itemsize: int, given: Attributes) -> Share:
    """Share rows of tiles, or vectors of filters."""
    vector = lanes(itemsize)
    vectors = -(-shape[0] // vector)
    return rows_or_filters(shape, vector, -(-vectors // 2) / vectors, tall=4 * given.get("dilation", (1, 1))[0])


@inlined
def correlate_at_points(x, w, b, y, window, epilogue, chunk, taps, side):
    """Compute y = w ⋆ x + b as the kernels of `winograd.py` do."""
    first, last, lowest = chunk.first, y.shape[2] if chunk.last < 0 else chunk.last, chunk.lowest
    outs, ins = (y.shape[1] if chunk.highest < 0 else chunk.highest) - lowest, x.shape[1]
    if last <= first or outs <= 0:
        return
    area = taps * taps
    panels = new_panels(outs, ins * area, w)
    pack(rows_of(w.reshape(w.size), lowest * ins * area, outs, ins * area), panels)
    plus, times = np.zeros(panels.across, x.dtype), np.ones(panels.across, x.dtype)
    addends, factors = scales_of(b, epilogue.scaled, y)
    for o in range(outs):
        plus[o], times[o] = addends[lowest + o], factors[lowest + o]
    seen = TiledImages(x, window.padding[0][0] - first, window.padding[1][0])
    results = Results(y, first, last, lowest, outs, plus, times, clamp_of(epilogue, x))
    _correlate(seen, weights_to_points(panels, ins, window.flip, taps), results, window.dilation, side)


@inlined
def correlate_at_points_dx(dy, w, dx, window, taps, side):
    """Compute dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i + p − d u], on both axes alike."""
    padding, dilation = window.padding, window.dilation
    outs, ins, area = w.shape[0], w.shape[1], taps * taps
    panels = new_panels(ins, outs * area, w)
    pack(RowsToPack(w.reshape(w.size), 0, outs, ins, area, area), panels)
    plus, times = np.zeros(panels.across, dy.dtype), np.ones(panels.across, dy.dtype)
    reach = (taps - 1) * dilation[0], (taps - 1) * dilation[1]
    seen = TiledImages(dy, reach[0] - padding[0][0], reach[1] - padding[1][0])
    results = Results(dx, 0, dx.shape[2], 0, ins, plus, times, clamp_of(NO_EPILOGUE, dy))
    _correlate(seen, weights_to_points(panels, outs, not window.flip, taps), results, dilation, side)


@inlined
def correlate_at_points_dw(x, dy, dw, window, taps, side):
    """Add x ⋆ dy to dw, summed over the samples of a block, at the 36 points."""
    if x.shape[0] == 0:
        return  # no sum would be written
    outs, ins, padding, dilation = dy.shape[1], x.shape[1], window.padding, window.dilation
    bands = _bands(x.shape[0], dy.shape[2], dy.shape[3], dilation, side)
    below, right = (taps - 1) * dilation[0], (taps - 1) * dilation[1]
    work, cells = _new_work(x, bands, side, below, right), new_points(x, ins)
    own, upstream, line = _new_work(dy, bands, side, 0, 0), new_points(dy, outs), side * bands.along
    across, fresh = upstream.across, True
    step = conflict_free_stride((ins + BROAD) * across)  # the last tile adds to channels that are never read
    sums = AtPoints(np.empty(POINTS * step, x.dtype), step, across)
    seen, given = TiledImages(x, padding[0][0], padding[1][0]), TiledImages(dy, 0, 0)
    for start in range(0, x.shape[0], bands.images):
        count = min(bands.images, x.shape[0] - start)
        for row in range(0, bands.down, bands.rows):
            rows = min(bands.rows, bands.down - row)
            for s in range(count):
                _lay_out(seen, start + s, side * row, side * rows + below, work, s, line + right)
                _lay_out(given, start + s, side * row, side * rows, own, s, line)
            tiles = count * rows * bands.along
            for t in range(0, tiles, BLOCK):
                some = min(BLOCK, tiles - t)
                cells_to_points(work, bands, rows, t, some, cells, side)
                upstream_to_points(own, bands, rows, t, some, upstream, side)
                _add_all_products(cells, upstream, sums, fresh, ins, some)
                fresh = False
    found = np.empty(taps * taps * ins * across, x.dtype)
    weights_from_points(sums, ins, window.flip, found, taps)
    add_transposed(found, across, ins * taps * taps, dw)


@kernel
def _correlate(seen, kernels, results, dilation, side):
    """Compute the results of all images: by groups of tiles, at all points."""
    x, y, (first, last, lowest, outs) = seen.images, results.y, results[1:5]
    ins, height, width = x.shape[1], last - first, y.shape[3]
    bands = _bands(x.shape[0], height, width, dilation, side)
    below, right = (6 - side) * dilation[0], (6 - side) * dilation[1]
    work, cells = _new_work(x, bands, side, below, right), new_points(x, ins)
    products, line = new_points(y, outs), side * bands.along
    found = np.empty(side * bands.images * bands.rows * line * kernels.across, x.dtype)
    flat, plane = y.reshape(y.size), y.shape[2] * width
    for start in range(0, x.shape[0], bands.images):
        count = min(bands.images, x.shape[0] - start)
        for row in range(0, bands.down, bands.rows):
            rows = min(bands.rows, bands.down - row)
            whole = min(side * rows, height - side * row)
            for s in range(count):
                _lay_out(seen, start + s, side * row, side * rows + below, work, s, line + right)
            tiles = count * rows * bands.along
            for t in range(0, tiles, BLOCK):
                some = min(BLOCK, tiles - t)
                cells_to_points(work, bands, rows, t, some, cells, side)
                _multiply_all(cells, kernels, products, ins, some)
                results_from_points(products, bands, rows, t, some, results, found, side)
            for s in range(count):
                start_of = s * side * rows * line * kernels.across
                _push_together(found, start_of, whole, line * kernels.across, width * kernels.across)
                given = Matrix(found, start_of, kernels.across)
                place = ((start + s) * y.shape[1] + lowest) * plane + (first + side * row) * width
                transpose_matrix(given, whole * width, outs, Matrix(flat, place, plane))


# ---------------------------------------------------------------------- bands of tiles


@inlined
def _bands(samples, height, width, apart, side):
    """Return the division of results of this size: whole images where several have no more tiles than `TILES`."""
    step, past = side * apart[0], side * apart[1]
    down, along = (height + step - 1) // step * apart[0], (width + past - 1) // past * apart[1]
    rows = min(down, max(1, TILES // (along * apart[0])) * apart[0])
    return Bands(down, along, rows, min(samples, max(1, TILES // (down * along))) if rows == down else 1, apart)


@inlined
def _new_work(x, bands, side, below, right):
    """Return workspace for the cells of the images of a band of tiles, and `below` and `right` of them."""
    across = whole_vectors(x.shape[1], x.itemsize)
    rows, width = side * bands.rows + below, side * bands.along + right
    cells = np.zeros(bands.images * rows * width * across, x.dtype)
    return Work(cells, np.zeros(min(rows, x.shape[2]) * x.shape[3] * across, x.dtype), across)


@kernel
def _lay_out(seen, s, begin, rows, work, place, width):
    """Lay rows of image s out in zeros, channels side by side: `rows` rows of `width` cells from row `begin` on."""
    x, top, left = seen
    cells, dense, across = work
    channels, height, own = x.shape[1], x.shape[2], x.shape[3]
    first, last = max(begin - top, 0), max(min(begin - top + rows, height), 0)
    flat, start = x.reshape(x.size), place * rows * width * across
    columns = min(own, width - left)
    if last > first:
        given = Matrix(flat, (s * channels * height + first) * own, height * own)
        transpose_matrix(given, channels, (last - first) * own, Matrix(dense, 0, across))
    for i in range(rows):
        row, line = begin + i - top, start + i * width * across
        if row < first or row >= last:
            for k in range(width * across):
                cells[line + k] = 0
        else:
            source = dense[(row - first) * own * across : (row - first) * own * across + columns * across]
            target = cells[line + left * across : line + (left + columns) * across]
            for k in range(columns * across):
                target[k] = source[k]


@kernel
def _push_together(found, start, rows, line, length):
    """Move the first `length` entries of rows of `line` entries together."""
    if length < line:
        for i in range(1, rows):
            for k in range(length):
                found[start + i * length + k] = found[start + i * line + k]


# ---------------------------------------------------------------------- products


@inlined
def _multiply_all(cells, kernels, products, ins, count):
    """Compute products[p, t, o] = Σ_c cells[p, t, c] · kernels[p, c, o] for `count` tiles t."""
    fours, pairs = panel_ends(kernels.across, cells.values.itemsize)
    if TALLEST == 4:
        _multiply(cells, kernels, products, ins, count, 0, fours, tall=4, broad=FEW)
    _multiply(cells, kernels, products, ins, count, fours, pairs, tall=2, broad=BROAD)
    _multiply(cells, kernels, products, ins, count, pairs, kernels.across, tall=1, broad=BROAD)


@kernel
def _multiply(cells, kernels, products, ins, count, begin, end, tall, broad):
    """Compute `_multiply_all` for filters from `begin` to `end`, by tiles of vectors of them by tiles of results."""
    literally(tall)
    literally(broad)
    (v, apart, channels), (w, far, _), (m, step, across) = cells, kernels, products
    wide, strip = tall * (WIDTH // v.itemsize), 2 * STRIP // tall
    for p in range(POINTS):
        for o in range(begin, end, wide):
            for first in range(0, ins, strip):
                for t in range(0, count, broad):
                    place = p * step + t * across + o
                    tile = load(m, place, across, tall, broad) if first > 0 else zeros(v, tall, broad)
                    for c in range(first, min(first + strip, ins)):
                        start = p * apart + t * channels + c
                        tile = add_outer(tile, w, p * far + o * ins + c * wide, v, start, channels)
                    store(tile, m, place, across)


@inlined
def _add_all_products(cells, upstream, sums, fresh, ins, count):
    """Add Σ_t cells[p, t, c] · upstream[p, t, o] to sums[p, c, o] for `count` tiles t; if fresh, sums are 0 before."""
    fours, pairs = panel_ends(sums.across, cells.values.itemsize)
    if TALLEST == 4:
        _add_products(cells, upstream, sums, fresh, ins, count, 0, fours, tall=4, broad=FEW)
    _add_products(cells, upstream, sums, fresh, ins, count, fours, pairs, tall=2, broad=BROAD)
    _add_products(cells, upstream, sums, fresh, ins, count, pairs, sums.across, tall=1, broad=BROAD)


@kernel
def _add_products(cells, upstream, sums, fresh, ins, count, begin, end, tall, broad):
    """Compute `_add_all_products` for filters from `begin` to `end`, by tiles of vectors of them by channels."""
    literally(tall)
    literally(broad)
    (v, apart, channels), (d, far, _), (total, step, across) = cells, upstream, sums
    wide = tall * (WIDTH // v.itemsize)
    for p in range(POINTS):
        for o in range(begin, end, wide):
            for c in range(0, ins, broad):
                place = p * step + c * across + o
                tile = zeros(v, tall, broad) if fresh else load(total, place, across, tall, broad)
                for t in range(count):
                    start = p * apart + t * channels + c
                    tile = add_outer(tile, d, p * far + t * across + o, v, start, 1)
                store(tile, total, place, across)
