"""Winograd's algorithm by tiles, for kernels of 3×3 and 5×5 at stride 1: a convolution and its gradients.

A tile is a block of neighboring results of one image; its input has 6×6 elements. Input and weights are transformed
along both axes, to values at 36 points, and multiplied point by point. The results of a tile thus take 36 products per
channel, instead of 144 for the 4×4 results of a 3×3 kernel, or 100 for the 2×2 results of a 5×5 kernel.

    y = Aᵀ [Σ_c (G w[o,c] Gᵀ) ⊙ (Bᵀ x̄[c] B)] A        x̄[c]: the 6×6 inputs of a tile, including padding

All these steps are linear, so that the gradients have the same form:

    dx  the same sums over dy, with the kernels rotated by 180°
    dw  dw[o,c] = Gᵀ [Σ_tiles (A dy[o] Aᵀ) ⊙ (Bᵀ x̄[c] B)] G

The lanes of vectors are channels or filters. Dozens of tiles are transformed at once, as many as stay in a cache with
their products. At each of the 36 points, the matrix of tiles by channels is then multiplied by the matrix of channels
by filters. The weights are transformed once for a block of samples. The matrices are defined in
`compiler/intrinsics.py`. Rounding errors are at most twice those of plain sums. An input that is not finite makes all
results of its tiles NaN.

Parameters of several functions, which are compile-time constants:

taps  rows and columns of a kernel: 3 or 5
side  rows and columns of the results of a tile: 7 − taps
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.epilogue import NO_EPILOGUE, clamp_of, scales_of
from chainrule.engines.compiled.kernels.filter_tiles import STRIP
from chainrule.engines.compiled.kernels.layout import PLAIN_WINDOW, conflict_free_stride
from chainrule.engines.compiled.kernels.registry import Attributes, Shapes, Share, operation, rows_or_filters
from chainrule.engines.compiled.kernels.tiles import add_outer, lanes, load, store, zeros
from chainrule.engines.compiled.kernels.transposing import (
    MAX_LANES,
    Matrix,
    RowsToPack,
    add_transposed,
    new_panels,
    pack,
    pairs_end,
    rows_of,
    transpose_matrix,
    whole_vectors,
)
from chainrule.engines.compiled.kernels.winograd_points import (
    BLOCK,
    POINTS,
    TILE_COLUMNS,
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

TILES_PER_BAND = 64  # tiles whose inputs are copied to the workspace at once


class TiledImages(NamedTuple):
    """Images (N, C, H, W) padded with zeros: `top` rows above, and `left` columns on the left."""

    images: Any
    top: int
    left: int


def share_tiled_rows(shape: tuple[int, ...], itemsize: int, attributes: Attributes) -> Share:
    """Return the division of a result by rows of tiles or by vectors of filters."""
    vector = lanes(itemsize)
    vectors = -(-shape[0] // vector)
    return rows_or_filters(
        shape, vector, -(-vectors // 2) / vectors, tile_height=4 * attributes.get("dilation", (1, 1))[0]
    )


def points_shape(arrays: Sequence[Any], _: Attributes) -> Shapes:
    """Return the number of elements of the weights at the points."""
    filters, channels = arrays[0].shape[:2]
    return [(POINTS * conflict_free_stride(channels * -(-filters // MAX_LANES) * MAX_LANES),)]


@operation(points_shape, part_of="cross_correlate")
@kernel
def pack_points(w, packed, window=PLAIN_WINDOW, lowest=0, highest=-1):
    """Transform a range of filters. The first filter, o, starts at element o·channels of each point's matrix."""
    outs, ins, columns = (w.shape[0] if highest < 0 else highest) - lowest, w.shape[1], w[0].size
    panels = new_panels(outs, columns, w)
    pack(rows_of(w.reshape(w.size), lowest * columns, outs, columns), panels)
    step = conflict_free_stride(ins * whole_vectors(w.shape[0], w.itemsize))
    transformed = AtPoints(packed[lowest * ins :], step, panels.padded_width)
    if w.shape[2] == 3:
        weights_to_points(panels, transformed, ins, window.flip, taps=3)
    else:
        weights_to_points(panels, transformed, ins, window.flip, taps=5)


@inlined
def correlate_at_points(x, w, b, y, window, epilogue, chunk, packed, side):
    """Compute y = w ⋆ x + b for the kernels of `winograd.py`, which document the parameters.

    The weights are transformed first, unless they are packed. The epilogue's factors and addends are extended to whole
    vectors of filters, with 1 and 0 for the missing ones. Row `first` of y is treated as row 0 of a smaller result,
    whose padding is larger or smaller by `first` rows.
    """
    first, last, lowest = chunk.first, y.shape[2] if chunk.last < 0 else chunk.last, chunk.lowest
    outs, ins = (y.shape[1] if chunk.highest < 0 else chunk.highest) - lowest, x.shape[1]
    if last <= first or outs <= 0:
        return
    padded_width, points = whole_vectors(outs, w.itemsize), w.reshape(w.size)
    step = conflict_free_stride(ins * whole_vectors(w.shape[0], w.itemsize))
    if not packed:
        points = np.empty(POINTS * step, w.dtype)
        pack_points(w, points, window, lowest, lowest + outs)
    padded_addends, padded_factors = np.zeros(padded_width, x.dtype), np.ones(padded_width, x.dtype)
    addends, factors = scales_of(b, epilogue.scaled, y)
    for o in range(outs):
        padded_addends[o], padded_factors[o] = addends[lowest + o], factors[lowest + o]
    tiled_images = TiledImages(x, window.padding[0][0] - first, window.padding[1][0])
    results = Results(y, first, last, lowest, outs, padded_addends, padded_factors, clamp_of(epilogue, x))
    _correlate(tiled_images, AtPoints(points[lowest * ins :], step, padded_width), results, window.dilation, side)


@inlined
def correlate_at_points_dx(dy, w, dx, window, taps, side):
    """Compute dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i + p − d u], on both axes; p and d are as in `winograd.py`."""
    padding, dilation = window.padding, window.dilation
    outs, ins, area = w.shape[0], w.shape[1], taps * taps
    panels = new_panels(ins, outs * area, w)
    pack(RowsToPack(w.reshape(w.size), 0, outs, ins, area, area), panels)
    addends, factors = np.zeros(panels.padded_width, dy.dtype), np.ones(panels.padded_width, dy.dtype)
    reach = (taps - 1) * dilation[0], (taps - 1) * dilation[1]
    tiled_images = TiledImages(dy, reach[0] - padding[0][0], reach[1] - padding[1][0])
    results = Results(dx, 0, dx.shape[2], 0, ins, addends, factors, clamp_of(NO_EPILOGUE, dy))
    step = conflict_free_stride(outs * panels.padded_width)
    kernels = AtPoints(np.empty(POINTS * step, w.dtype), step, panels.padded_width)
    weights_to_points(panels, kernels, outs, not window.flip, taps)
    _correlate(tiled_images, kernels, results, dilation, side)


@inlined
def correlate_at_points_dw(x, dy, dw, window, taps, side):
    """Add x ⋆ dy to dw, summed over the samples of a block. The samples are summed at the 36 points.

    For each band of tiles, the inputs and the upstream gradients are copied to two workspaces. `BLOCK` tiles at a time
    are transformed, and their products are added to the sums. The transform back is linear and follows at the end.

        x  → work → cells ─────────┐
                                   ├─→ sums (36 matrices of channels by filters) → gradient → dw
        dy → upstream_work → upstream ─┘
    """
    if x.shape[0] == 0:
        return  # no sum would be written
    outs, ins, padding, dilation = dy.shape[1], x.shape[1], window.padding, window.dilation
    bands = _bands(x.shape[0], dy.shape[2], dy.shape[3], dilation, side)
    below, right = (taps - 1) * dilation[0], (taps - 1) * dilation[1]
    work, cells = _new_work(x, bands, side, below, right), new_points(x, ins)
    upstream_work, upstream, line = _new_work(dy, bands, side, 0, 0), new_points(dy, outs), side * bands.along
    padded_width, overwrites = upstream.padded_width, True  # the first products overwrite the uninitialized sums
    step = conflict_free_stride(
        (ins + TILE_COLUMNS) * padded_width
    )  # the last tile also adds to channels that are never read
    sums = AtPoints(np.empty(POINTS * step, x.dtype), step, padded_width)
    tiled_images, tiled_upstream = TiledImages(x, padding[0][0], padding[1][0]), TiledImages(dy, 0, 0)
    for start in range(0, x.shape[0], bands.images):
        count = min(bands.images, x.shape[0] - start)
        for row in range(0, bands.down, bands.rows):
            rows = min(bands.rows, bands.down - row)
            for n in range(count):
                _lay_out(tiled_images, start + n, side * row, side * rows + below, work, n, line + right)
                _lay_out(tiled_upstream, start + n, side * row, side * rows, upstream_work, n, line)
            tiles = count * rows * bands.along
            for first_tile in range(0, tiles, BLOCK):
                tile_count = min(BLOCK, tiles - first_tile)
                cells_to_points(work, bands, rows, first_tile, tile_count, cells, side)
                upstream_to_points(upstream_work, bands, rows, first_tile, tile_count, upstream, side)
                _add_all_products(cells, upstream, sums, overwrites, ins, tile_count)
                overwrites = False
    gradient = np.empty(taps * taps * ins * padded_width, x.dtype)
    weights_from_points(sums, ins, window.flip, gradient, taps)
    add_transposed(gradient, padded_width, ins * taps * taps, dw)


@kernel
def _correlate(tiled_images, kernels, results, dilation, side):
    """Compute the results of all images, one band of tiles at a time.

    A band is copied to the workspace, and `BLOCK` tiles at a time are transformed, multiplied and transformed back to
    `rows_of_sums`. There, filters are contiguous and rows end with the unused results of incomplete tiles. These gaps
    are removed before the results are transposed into y, where the elements of a filter are contiguous.

    kernels  weights at the 36 points
    """
    x, y, (first, last, lowest, outs) = tiled_images.images, results.y, results[1:5]
    ins, height, width = x.shape[1], last - first, y.shape[3]
    bands = _bands(x.shape[0], height, width, dilation, side)
    below, right = (6 - side) * dilation[0], (6 - side) * dilation[1]
    work, cells = _new_work(x, bands, side, below, right), new_points(x, ins)
    products, line = new_points(y, outs), side * bands.along
    rows_of_sums = np.empty(side * bands.images * bands.rows * line * kernels.padded_width, x.dtype)
    flat, plane = y.reshape(y.size), y.shape[2] * width
    for start in range(0, x.shape[0], bands.images):
        count = min(bands.images, x.shape[0] - start)
        for row in range(0, bands.down, bands.rows):
            rows = min(bands.rows, bands.down - row)
            written_rows = min(side * rows, height - side * row)
            for n in range(count):
                _lay_out(tiled_images, start + n, side * row, side * rows + below, work, n, line + right)
            tiles = count * rows * bands.along
            for first_tile in range(0, tiles, BLOCK):
                tile_count = min(BLOCK, tiles - first_tile)
                cells_to_points(work, bands, rows, first_tile, tile_count, cells, side)
                _multiply_all(cells, kernels, products, ins, tile_count)
                results_from_points(products, bands, rows, first_tile, tile_count, results, rows_of_sums, side)
            for n in range(count):
                image_start = n * side * rows * line * kernels.padded_width
                _close_gaps(
                    rows_of_sums, image_start, written_rows, line * kernels.padded_width, width * kernels.padded_width
                )
                source = Matrix(rows_of_sums, image_start, kernels.padded_width)
                target_start = ((start + n) * y.shape[1] + lowest) * plane + (first + side * row) * width
                transpose_matrix(source, written_rows * width, outs, Matrix(flat, target_start, plane))


# ---------------------------------------------------------------------- bands of tiles


@inlined
def _bands(samples, height, width, dilation, side):
    """Return the division of results of this size into bands. If images are small, a band contains whole images.

    There are about `TILES_PER_BAND` tiles in a band: as many rows of tiles as fit, in multiples of the dilation because
    dilated tiles are interleaved, or several images if all rows of one image fit.
    """
    row_step, column_step = side * dilation[0], side * dilation[1]
    down = (height + row_step - 1) // row_step * dilation[0]
    along = (width + column_step - 1) // column_step * dilation[1]
    rows = min(down, max(1, TILES_PER_BAND // (along * dilation[0])) * dilation[0])
    return Bands(
        down, along, rows, min(samples, max(1, TILES_PER_BAND // (down * along))) if rows == down else 1, dilation
    )


@inlined
def _new_work(x, bands, side, below, right):
    """Return a workspace for the inputs of a band of tiles, with margins `below` and `right`."""
    padded_width = whole_vectors(x.shape[1], x.itemsize)
    rows, width = side * bands.rows + below, side * bands.along + right
    cells = np.zeros(bands.images * rows * width * padded_width, x.dtype)
    return Work(cells, np.zeros(min(rows, x.shape[2]) * x.shape[3] * padded_width, x.dtype), padded_width)


@kernel
def _lay_out(tiled_images, image_number, begin, rows, work, index, width):
    """Copy `rows` rows of `width` elements of a padded image, starting with row `begin`, into the workspace.

    The channels of an element are contiguous in the workspace, and padding is 0. All rows are first transposed together
    into `dense`, which has no padding, and then copied to their places in `cells`.

    image_number  index of the image in the block
    index         index of the image in the band
    """
    x, top, left = tiled_images
    cells, dense, padded_width = work
    channels, height, image_width = x.shape[1], x.shape[2], x.shape[3]
    first, last = max(begin - top, 0), max(min(begin - top + rows, height), 0)
    flat, start = x.reshape(x.size), index * rows * width * padded_width
    columns = min(image_width, width - left)
    if last > first:
        rows_of_image = Matrix(flat, (image_number * channels * height + first) * image_width, height * image_width)
        transpose_matrix(rows_of_image, channels, (last - first) * image_width, Matrix(dense, 0, padded_width))
    for i in range(rows):
        row, line = begin + i - top, start + i * width * padded_width
        if row < first or row >= last:
            for k in range(width * padded_width):
                cells[line + k] = 0
        else:
            row_of_cells = dense[
                (row - first) * image_width * padded_width : (row - first) * image_width * padded_width
                + columns * padded_width
            ]
            target = cells[line + left * padded_width : line + (left + columns) * padded_width]
            for k in range(columns * padded_width):
                target[k] = row_of_cells[k]


@kernel
def _close_gaps(values, start, rows, line, length):
    """Remove the gaps between rows: only the first `length` of `line` elements of each row are kept."""
    if length < line:
        for i in range(1, rows):
            for k in range(length):
                values[start + i * length + k] = values[start + i * line + k]


# ---------------------------------------------------------------------- products


@inlined
def _multiply_all(cells, kernels, products, ins, count):
    """Compute products[p, t, o] = Σ_c cells[p, t, c] · kernels[p, c, o] for `count` tiles t."""
    pairs = pairs_end(kernels.padded_width, cells.values.itemsize)
    _multiply(cells, kernels, products, ins, count, 0, pairs, tile_rows=2)
    _multiply(cells, kernels, products, ins, count, pairs, kernels.padded_width, tile_rows=1)


@kernel
def _multiply(cells, kernels, products, ins, count, begin, end, tile_rows):
    """Compute `_multiply_all` for filters `begin` to `end` − 1. Sums of filters by tiles stay in registers."""
    literally(tile_rows)
    cell_values, cell_stride, channels = cells
    kernel_values, kernel_stride, _ = kernels
    product_values, product_stride, padded_width = products
    tile_width, strip = tile_rows * (WIDTH // cell_values.itemsize), 2 * STRIP // tile_rows
    for p in range(POINTS):
        for o in range(begin, end, tile_width):
            for first in range(0, ins, strip):
                for t in range(0, count, TILE_COLUMNS):
                    sum_start = p * product_stride + t * padded_width + o
                    tile = (
                        load(product_values, sum_start, padded_width, tile_rows, TILE_COLUMNS)
                        if first > 0
                        else zeros(cell_values, tile_rows, TILE_COLUMNS)
                    )
                    for c in range(first, min(first + strip, ins)):
                        start = p * cell_stride + t * channels + c
                        tile = add_outer(
                            tile,
                            kernel_values,
                            p * kernel_stride + o * ins + c * tile_width,
                            cell_values,
                            start,
                            channels,
                        )
                    store(tile, product_values, sum_start, padded_width)


@inlined
def _add_all_products(cells, upstream, sums, fresh, ins, count):
    """Add Σ_t cells[p, t, c] · upstream[p, t, o] to sums[p, c, o] for `count` tiles t, or overwrite sums if fresh."""
    pairs = pairs_end(sums.padded_width, cells.values.itemsize)
    _add_products(cells, upstream, sums, fresh, ins, count, 0, pairs, tile_rows=2)
    _add_products(cells, upstream, sums, fresh, ins, count, pairs, sums.padded_width, tile_rows=1)


@kernel
def _add_products(cells, upstream, sums, fresh, ins, count, begin, end, tile_rows):
    """Compute `_add_all_products` for filters `begin` to `end` − 1. Sums of filters by channels stay in registers."""
    literally(tile_rows)
    cell_values, cell_stride, channels = cells
    upstream_values, kernel_stride, _ = upstream
    sum_values, product_stride, padded_width = sums
    tile_width = tile_rows * (WIDTH // cell_values.itemsize)
    for p in range(POINTS):
        for o in range(begin, end, tile_width):
            for c in range(0, ins, TILE_COLUMNS):
                sum_start = p * product_stride + c * padded_width + o
                tile = (
                    zeros(cell_values, tile_rows, TILE_COLUMNS)
                    if fresh
                    else load(sum_values, sum_start, padded_width, tile_rows, TILE_COLUMNS)
                )
                for t in range(count):
                    start = p * cell_stride + t * channels + c
                    tile = add_outer(
                        tile, upstream_values, p * kernel_stride + t * padded_width + o, cell_values, start, 1
                    )
                store(tile, sum_values, sum_start, padded_width)
