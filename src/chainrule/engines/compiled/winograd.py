"""Cross-correlation with kernels of 3×3 at stride 1, and its gradients, by Winograd's algorithm F(4×4, 3×3).

Results are computed by tiles of 4×4, which see 6×6 cells. Transformed on both axes, cells and kernels are multiplied
point by point, so that 16 results take 36 products a channel in place of 144:

    y = Aᵀ [Σ_c (G w[o,c] Gᵀ) ⊙ (Bᵀ x̄[c] B)] A

Every step of this is linear, so the gradients go the same way back:

    dx  the same sums over dy, with the kernels turned by 180°
    dw  dw[o,c] = Gᵀ [Σ_tiles (A dy[o] Aᵀ) ⊙ (Bᵀ x̄[c] B)] G

Channels, and filters, lie side by side in vectors. Tiles are transformed by dozens, as many as stay in a cache with
their products; at each of the 36 points there is then one product of matrices, of tiles by channels and channels by
filters. Kernels are transformed once for a block of samples. The matrices are those of `toolchain/transforms.py`; the
errors are twice those of plain sums. A cell that is not finite makes all results of its tiles NaN.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.endings import bend_of, has_tied_bias, scales_of
from chainrule.engines.compiled.filling import forward_fit, input_gradient_fit, kernel_gradient_fit
from chainrule.engines.compiled.filter_tiles import STRIP
from chainrule.engines.compiled.layout import (
    conflict_free_stride,
    correlate_dw_shape,
    correlate_dx_shape,
    correlate_shape,
)
from chainrule.engines.compiled.registry import SHARED_FROM, Share, always, operation, rows_or_filters
from chainrule.engines.compiled.tiles import add_outer, lanes, load, store, zeros
from chainrule.engines.compiled.toolchain import WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.transposing import (
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
from chainrule.engines.compiled.winograd_points import (
    BLOCK,
    BROAD,
    FEW,
    POINTS,
    AtPoints,
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


class Bands(NamedTuple):
    """Division of results into bands of tiles: `rows` × `along` tiles of each of `images` images at once."""

    down: int
    along: int
    rows: int
    images: int


def share_tiled_rows(shape: tuple[int, ...], itemsize: int) -> Share:
    """Share rows of tiles, or vectors of filters."""
    vector = lanes(itemsize)
    vectors = -(-shape[0] // vector)
    return rows_or_filters(shape, vector, -(-vectors // 2) / vectors, tall=4)


@operation(
    correlate_shape,
    flat=("b",),
    replaces="cross_correlate",
    shared_from=SHARED_FROM,
    fits=forward_fit("winograd"),
    share=share_tiled_rows,
    epilogues={"scaled": has_tied_bias, "rectify": always, "capped": always, "leak": always},
)
@kernel
def correlate_winograd(
    x,
    w,
    b,
    y,
    padding=((0, 0), (0, 0)),
    flip=False,
    scaled=False,
    rectify=False,
    capped=0.0,
    leak=1.0,
    first=0,
    last=-1,
    lowest=0,
    highest=-1,
):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    scaled   b holds addends and factors of the filters: y = (w ⋆ x)·factor + addend
    rectify  set y to 0 where it is not positive, as the ReLU that follows would
    capped   the same, and to this where it is larger, unless it is 0
    leak     multiply y by this where it is not positive, as the leaky ReLU that follows would
    first    first row of y, a multiple of 4: the tiles are then the same whoever computes them
    """
    last = y.shape[2] if last < 0 else last
    outs, ins = (y.shape[1] if highest < 0 else highest) - lowest, x.shape[1]
    if last <= first or outs <= 0:
        return
    panels = new_panels(outs, ins * 9, w)
    pack(rows_of(w.reshape(w.size), lowest * ins * 9, outs, ins * 9), panels)
    plus, times = np.zeros(panels.across, x.dtype), np.ones(panels.across, x.dtype)
    addends, factors = scales_of(b, scaled, y)
    for o in range(outs):
        plus[o], times[o] = addends[lowest + o], factors[lowest + o]
    seen = TiledImages(x, padding[0][0] - first, padding[1][0])
    results = Results(y, first, last, lowest, outs, plus, times, bend_of(rectify, capped, leak, x))
    _correlate(seen, weights_to_points(panels, ins, flip), results)


@operation(correlate_dx_shape, replaces="cross_correlate_dx", fits=input_gradient_fit("winograd"))
@kernel
def correlate_winograd_dx(dy, w, dx, padding=((0, 0), (0, 0)), flip=False):
    """Compute dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i + p − u], on both axes alike."""
    outs, ins = w.shape[0], w.shape[1]
    panels = new_panels(ins, outs * 9, w)
    pack(RowsToPack(w.reshape(w.size), 0, outs, ins, 9, 9), panels)
    plus, times = np.zeros(panels.across, dy.dtype), np.ones(panels.across, dy.dtype)
    seen = TiledImages(dy, 2 - padding[0][0], 2 - padding[1][0])
    results = Results(dx, 0, dx.shape[2], 0, ins, plus, times, bend_of(False, 0.0, 1.0, dy))
    _correlate(seen, weights_to_points(panels, outs, not flip), results)


@operation(
    correlate_dw_shape,
    accumulates=True,
    replaces="cross_correlate_dw",
    fits=kernel_gradient_fit("winograd"),
)
@kernel
def correlate_winograd_dw(x, dy, dw, padding=((0, 0), (0, 0)), flip=False):
    """Add x ⋆ dy to dw, summed over the samples of a block, at the 36 points."""
    if x.shape[0] == 0:
        return  # no sum would be written
    outs, ins = dy.shape[1], x.shape[1]
    bands = _bands(x.shape[0], dy.shape[2], dy.shape[3])
    work, cells = _new_work(x, bands, 2), new_points(x, ins)
    own, upstream = _new_work(dy, bands, 0), new_points(dy, outs)
    across, fresh = upstream.across, True
    step = conflict_free_stride((ins + BROAD) * across)  # the last tile adds to channels that nobody reads
    sums = AtPoints(np.empty(POINTS * step, x.dtype), step, across)
    seen, given = TiledImages(x, padding[0][0], padding[1][0]), TiledImages(dy, 0, 0)
    for start in range(0, x.shape[0], bands.images):
        count = min(bands.images, x.shape[0] - start)
        for row in range(0, bands.down, bands.rows):
            rows = min(bands.rows, bands.down - row)
            for s in range(count):
                _lay_out(seen, start + s, 4 * row, 4 * rows + 2, work, s, 4 * bands.along + 2)
                _lay_out(given, start + s, 4 * row, 4 * rows, own, s, 4 * bands.along)
            tiles = count * rows * bands.along
            for t in range(0, tiles, BLOCK):
                some = min(BLOCK, tiles - t)
                cells_to_points(work, rows, bands.along, t, some, cells)
                upstream_to_points(own, bands.along, t, some, upstream)
                _add_all_products(cells, upstream, sums, fresh, ins, some)
                fresh = False
    found = np.empty(9 * ins * across, x.dtype)
    weights_from_points(sums, ins, flip, found)
    add_transposed(found, across, ins * 9, dw)


@kernel
def _correlate(seen, kernels, results):
    """Compute the results of all images: by groups of tiles, at all points."""
    x, y, (first, last, lowest, outs) = seen.images, results.y, results[1:5]
    ins, height, width = x.shape[1], last - first, y.shape[3]
    bands = _bands(x.shape[0], height, width)
    work, cells = _new_work(x, bands, 2), new_points(x, ins)
    products, line = new_points(y, outs), 4 * bands.along
    found = np.empty(4 * bands.images * bands.rows * line * kernels.across, x.dtype)
    flat, plane = y.reshape(y.size), y.shape[2] * width
    for start in range(0, x.shape[0], bands.images):
        count = min(bands.images, x.shape[0] - start)
        for row in range(0, bands.down, bands.rows):
            rows = min(bands.rows, bands.down - row)
            whole = min(4 * rows, height - 4 * row)
            for s in range(count):
                _lay_out(seen, start + s, 4 * row, 4 * rows + 2, work, s, 4 * bands.along + 2)
            tiles = count * rows * bands.along
            for t in range(0, tiles, BLOCK):
                some = min(BLOCK, tiles - t)
                cells_to_points(work, rows, bands.along, t, some, cells)
                _multiply_all(cells, kernels, products, ins, some)
                results_from_points(products, bands.along, t, some, results, found)
            for s in range(count):
                start_of = s * 4 * rows * line * kernels.across
                _push_together(found, start_of, whole, line * kernels.across, width * kernels.across)
                given = Matrix(found, start_of, kernels.across)
                place = ((start + s) * y.shape[1] + lowest) * plane + (first + 4 * row) * width
                transpose_matrix(given, whole * width, outs, Matrix(flat, place, plane))


# ---------------------------------------------------------------------- bands of tiles


@inlined
def _bands(samples, height, width):
    """Return the division of results of this size: whole images where several have no more tiles than `TILES`."""
    down, along = (height + 3) // 4, (width + 3) // 4
    rows = min(down, max(1, TILES // along))
    return Bands(down, along, rows, min(samples, max(1, TILES // (down * along))) if rows == down else 1)


@inlined
def _new_work(x, bands, beyond):
    """Return workspace for the cells of the images of a band of tiles, `beyond` more than tiles on each axis."""
    across = whole_vectors(x.shape[1], x.itemsize)
    rows, width = 4 * bands.rows + beyond, 4 * bands.along + beyond
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
