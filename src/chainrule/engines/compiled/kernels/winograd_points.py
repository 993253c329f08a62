"""Transforms for `winograd_tiles.py`, which defines the terms: weights, inputs and gradients to 36 points, and back.

A tile has 6×6 inputs and therefore 6×6 points on its two axes; point (i, j) has the number 6·i + j. Vectors of channels
or filters are transformed along one axis and then along the other, with a small buffer in between.

Parameters of several functions, which are compile-time constants:

taps  rows and columns of a kernel: 3 or 5
side  rows and columns of the results of a tile: 7 − taps
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import (
    CELLS,
    COUNT,
    RESULTS,
    WEIGHTS,
    WIDTH,
    from_points,
    inlined,
    kernel,
    literally,
    to_points,
)
from chainrule.engines.compiled.kernels.tiles import clamp_tile, load, multiply_add, store
from chainrule.engines.compiled.kernels.transposing import Panels, panel_place, whole_vectors

POINTS = 36
TILE_COLUMNS = 8 if COUNT == 32 else 6  # tiles or channels with sums in registers at once
BLOCK = 24  # tiles transformed and multiplied at once; a multiple of `TILE_COLUMNS`


class Work(NamedTuple):
    """The input of a band of tiles, with `padded_width` contiguous channels per element.

    cells  elements, including the padding of the image
    dense  elements of the image only; a scratch buffer
    """

    cells: Any
    dense: Any
    padded_width: int


class Bands(NamedTuple):
    """The division of results into bands of tiles, which are computed at once.

    A band consists of `rows` × `along` tiles in each of `images` images. The inputs and the results of a tile are
    `dilation` elements apart, like the taps of a kernel. Tiles are therefore interleaved: the tiles of a row start in
    neighboring columns.

    down   rows of tiles in an image
    along  tiles in a row
    """

    down: int
    along: int
    rows: int
    images: int
    dilation: tuple[int, int]


class AtPoints(NamedTuple):
    """Values at the 36 points: for each point, a matrix with rows of `padded_width` channels or filters.

    step  distance between the matrices, in elements
    """

    values: Any
    step: int
    padded_width: int


class Results(NamedTuple):
    """The part of y to write, and the epilogue: factors, addends, clamp.

    first, last   first row, and the row after the last
    lowest, outs  first filter, and number of filters
    """

    y: Any
    first: int
    last: int
    lowest: int
    outs: int
    addends: Any
    factors: Any
    clamp: Any


@kernel
def tile_offsets(bands, rows, first, count, side, with_margin):
    """Return the offsets in the workspace of `count` tiles of a band, starting with tile `first`.

    The images of a band lie one below the other. An offset is the number of elements before the tile's upper left one.
    The next tile starts `side` columns later but reads 6 inputs, so that 6 − side more columns are necessary at the end
    of a row, the margin. With dilation, tiles are interleaved. Two tiles in a row of inputs, for side = 4:

        column        0  1  2  3  4  5  6  7  8  9  10 11
        dilation 1    0  0  0  0  01 01 1  1  1  1           read by tiles 0 and 1, which start in columns 0 and 4
        dilation 2    0  1  0  1  0  1  0  1  0  1  0  1     they start in columns 0 and 1

    rows         rows of tiles in the band
    with_margin  1 if the workspace contains the inputs of the tiles; 0 if it contains as many elements as results
    """
    along, (row_dilation, column_dilation) = bands.along, bands.dilation
    margin = with_margin * (6 - side)
    height, width = side * rows + margin * row_dilation, side * along + margin * column_dilation
    offsets = np.empty(BLOCK, np.int64)
    for t in range(count):
        line, j = (first + t) // along, (first + t) % along  # row of tiles, counted through all images; tile in it
        i = line % rows  # row of tiles in its image
        row = line // rows * height + i // row_dilation * side * row_dilation + i % row_dilation
        offsets[t] = row * width + j // column_dilation * side * column_dilation + j % column_dilation
    return offsets


@inlined
def new_points(x, channels):
    """Return space for the values of `BLOCK` tiles at the points, and for reads beyond the last tile."""
    padded_width = whole_vectors(channels, x.itemsize)
    step = BLOCK * padded_width + WIDTH // x.itemsize  # so that the points of a tile do not map to the same cache lines
    return AtPoints(np.empty(POINTS * step + TILE_COLUMNS, x.dtype), step, padded_width)


@kernel
def weights_to_points(panels, transformed_weights, ins, flip, taps):
    """Compute G w Gᵀ of the weights w, which are in panels of filters.

    The result has one matrix (o, c) per point, which is also stored in panels of filters o. A panel contains `wide`
    filters, which are contiguous for each weight. A vector of filters is stored at these offsets:

        w[c, u, v]                     weight_start + (taps²·c + taps·u + v) · wide        read backwards to flip w
        (G w)[i, v]                    (taps·i + v) · vector                               in `between`
        (G w Gᵀ)[i, j] of channel c    (6·i + j) · step + point_start + c · wide

    ins   number of channels c
    flip  whether kernels are rotated by 180°
    """
    literally(taps)
    (w, _, padded_width), (points, step, _) = panels, transformed_weights
    vector = WIDTH // w.itemsize
    between = np.empty(6 * taps * vector, w.dtype)
    transformed = Panels(points, ins, padded_width)
    for f in range(0, padded_width, vector):
        weight_start, wide = panel_place(panels, f)
        point_start, _ = panel_place(transformed, f)
        for c in range(ins):
            tap, tap_stride = weight_start + c * taps * taps * wide, wide
            if flip:
                tap, tap_stride = tap + (taps * taps - 1) * wide, -wide
            for v in range(taps):
                tile = to_points(load(w, tap + v * tap_stride, taps * tap_stride, 1, taps), WEIGHTS)
                store(tile, between, v * vector, taps * vector)
            for k in range(6):
                tile = to_points(load(between, k * taps * vector, vector, 1, taps), WEIGHTS)
                store(tile, points, 6 * k * step + point_start + c * wide, step)


@kernel
def cells_to_points(work, bands, rows, first, count, points, side):
    """Compute Bᵀ x̄ B of `count` tiles of a band, starting with tile `first`.

    The `padded_width` channels of an element are contiguous. A vector of channels, from channel c on, is stored at
    these offsets, where x̄[i, j] is one of the 6×6 inputs of tile t:

        x̄[i, j]           tile_start + i · below + j · right                  in `cells`
        (Bᵀ x̄)[i, j]      (6·i + j) · vector                                  in `between`
        (Bᵀ x̄ B)[i, j]    (6·i + j) · step + t · padded_width + c             in `values`

    The first loop over k transforms the columns of x̄, and the second loop the rows of Bᵀ x̄. Zeros follow the last
    tile, because products are computed for `TILE_COLUMNS` tiles at once.
    """
    cells, _, padded_width = work
    values, step, _ = points
    vector, right = WIDTH // cells.itemsize, bands.dilation[1] * padded_width
    between = np.empty(POINTS * vector, cells.dtype)
    below = (side * bands.along + (6 - side) * bands.dilation[1]) * bands.dilation[0] * padded_width
    offsets = tile_offsets(bands, rows, first, count, side, 1)
    for t in range(count):
        for c in range(0, padded_width, vector):
            tile_start = offsets[t] * padded_width + c
            for k in range(6):
                tile = to_points(load(cells, tile_start + k * right, below, 1, 6), CELLS)
                store(tile, between, k * vector, 6 * vector)
            for k in range(6):
                tile = to_points(load(between, 6 * k * vector, vector, 1, 6), CELLS)
                store(tile, values, 6 * k * step + t * padded_width + c, step)
    end = min((count // TILE_COLUMNS + 1) * TILE_COLUMNS, BLOCK) * padded_width + vector  # tiles of sums extend to here
    for p in range(POINTS):
        for k in range(count * padded_width, end):
            values[p * step + k] = 0


@kernel
def upstream_to_points(work, bands, rows, first, count, points, side):
    """Compute A dy Aᵀ of `count` tiles of a band, starting with tile `first`. Filters are contiguous.

    The order is that of `cells_to_points`, for tiles of side × side gradients instead of 6×6 inputs. These tiles do not
    overlap, so that the workspace has no margin.
    """
    literally(side)
    cells, _, padded_width = work
    values, step, _ = points
    vector = WIDTH // cells.itemsize
    right = bands.dilation[1] * padded_width
    below = bands.dilation[0] * side * bands.along * padded_width
    between, offsets = np.empty(6 * side * vector, cells.dtype), tile_offsets(bands, rows, first, count, side, 0)
    for t in range(count):
        for o in range(0, padded_width, vector):
            tile_start = offsets[t] * padded_width + o
            for k in range(side):
                tile = to_points(load(cells, tile_start + k * right, below, 1, side), RESULTS)
                store(tile, between, k * vector, side * vector)
            for k in range(6):
                tile = to_points(load(between, side * k * vector, vector, 1, side), RESULTS)
                store(tile, values, 6 * k * step + t * padded_width + o, step)


@kernel
def weights_from_points(sums, ins, flip, gradient, taps):
    """Compute the kernel gradient Gᵀ m G from the sums m. It has one row of contiguous filters for each (c, u, v).

    A vector of filters, from filter o on, is stored at these offsets:

        m[i, j] of channel c    (6·i + j) · step + c · padded_width + o                   in `values`
        (Gᵀ m)[u, j]            (6·u + j) · vector                                        in `between`
        (Gᵀ m G)[u, v]          (taps²·c + taps·u + v) · padded_width + o                 in `gradient`

    To flip the kernels, the taps of a channel are written backwards, from the last one on.
    """
    literally(taps)
    values, step, padded_width = sums
    vector = WIDTH // values.itemsize
    between, last = np.empty(6 * taps * vector, values.dtype), taps * taps - 1
    for c in range(ins):
        for o in range(0, padded_width, vector):
            for k in range(6):
                tile = load(values, k * step + c * padded_width + o, 6 * step, 1, 6)
                store(from_points(tile, WEIGHTS, taps), between, k * vector, 6 * vector)
            for u in range(taps):
                tile = from_points(load(between, u * 6 * vector, vector, 1, 6), WEIGHTS, taps)
                first_tap = c * (last + 1) + (last - taps * u if flip else taps * u)
                store(tile, gradient, first_tap * padded_width + o, -padded_width if flip else padded_width)


@kernel
def results_from_points(products, bands, rows, first, count, results, rows_of_sums, side):
    """Compute Aᵀ m A for `count` tiles of a band, starting with tile `first`, and apply the epilogue.

    m is the sums at the points, `products`. A vector of filters, from filter o on, is stored at these offsets, where
    tile t has side × side results:

        m[i, j]           (6·i + j) · step + t · padded_width + o             in `products`
        (Aᵀ m)[i, j]      (6·i + j) · vector                                  in `between`
        (Aᵀ m A)[i, j]    tile_start + i · below + j · right                  in `rows_of_sums`
    """
    literally(side)
    m, step, padded_width = products
    addends, factors, clamp = results[5:]
    vector, right = WIDTH // m.itemsize, bands.dilation[1] * padded_width
    below = side * bands.along * bands.dilation[0] * padded_width
    between, offsets = np.empty(6 * side * vector, m.dtype), tile_offsets(bands, rows, first, count, side, 0)
    for o in range(0, padded_width, vector):
        addend, factor = load(addends, o, 0, 1, side), load(factors, o, 0, 1, side)
        for t in range(count):
            tile_start = offsets[t] * padded_width + o
            for k in range(6):
                tile = load(m, k * step + t * padded_width + o, 6 * step, 1, 6)
                store(from_points(tile, RESULTS, side), between, k * vector, 6 * vector)
            for k in range(side):
                tile = from_points(load(between, 6 * k * vector, vector, 1, 6), RESULTS, side)
                tile = clamp_tile(multiply_add(tile, factor, addend), clamp.minimum, clamp.maximum)
                store(tile, rows_of_sums, tile_start + k * below, right)
