"""Transposition of matrices, and packing of rows into panels.

A panel contains a few vectors of rows of a matrix, transposed, so that a tile reads it from start to end.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel
from chainrule.engines.compiled.kernels.registry import Attributes, Shapes, operation
from chainrule.engines.compiled.kernels.tiles import add_parts, store_part, transpose, transpose_to, zeros

MAX_LANES = 16  # lanes of any vector
TILE_ROWS = 2  # vectors of a panel, and of a tile that reads it
TAPS_PER_BLOCK = 256  # taps whose sums are transposed and added at a time, for a vector of filters


class Matrix(NamedTuple):
    """A matrix in a flat array: element (r, c) is values[start + r·step + c]."""

    values: Any
    start: int
    step: int


class Panels(NamedTuple):
    """The rows of a matrix in panels of two vectors of rows. A remaining vector forms a panel of its own.

    Element (r, c) of the panel that starts with row o is values[o·columns + c·width + r − o], where `width` is the
    number of rows in the panel.

    padded_width   number of rows, rounded up to whole vectors
    """

    values: Any
    columns: int
    padded_width: int


@inlined
def whole_vectors(filters, itemsize):
    """Return a number of filters, rounded up to whole vectors."""
    vector = WIDTH // itemsize
    return (filters + vector - 1) // vector * vector


@inlined
def pairs_end(padded_width, itemsize):
    """Return the index after the last row in panels of two vectors."""
    pair = 2 * (WIDTH // itemsize)
    return padded_width // pair * pair


@inlined
def new_panels(rows, columns, array):
    """Return panels with space for a matrix of `rows` by `columns`, and for one more block of transposed elements.

    array  array whose dtype the panels have
    """
    lanes, padded_width = WIDTH // array.itemsize, whole_vectors(rows, array.itemsize)
    return Panels(np.empty(padded_width * columns + TILE_ROWS * lanes * lanes, array.dtype), columns, padded_width)


@inlined
def panel_place(panels, r):
    """Return the offset of the vector that starts with row r in column 0, and the distance to the next column."""
    lanes = WIDTH // panels.values.itemsize
    panel_width = 2 * lanes if r < pairs_end(panels.padded_width, panels.values.itemsize) else lanes
    begin = r // panel_width * panel_width
    return begin * panels.columns + r - begin, panel_width


@kernel
def transpose_matrix(matrix, rows, columns, transposed):
    """Transpose a matrix of `rows` by `columns`. The result has `columns` rows.

    Square blocks are transposed in registers. The last block may overlap the previous one. A matrix narrower than a
    block is copied to a separate block, to avoid reading or writing beyond the matrix. A matrix smaller than a block in
    both directions is not worth this, and is transposed element by element.
    """
    x, start, step = matrix
    y, begin, target_step = transposed
    lanes = WIDTH // x.itemsize
    if rows < lanes and columns < lanes:
        for r in range(rows):
            for c in range(columns):
                y[begin + c * target_step + r] = x[start + r * step + c]
    elif rows >= lanes and columns >= lanes:
        for j in range(0, columns, lanes):
            c = min(j, columns - lanes)
            for i in range(0, rows, lanes):
                r = min(i, rows - lanes)
                transpose(x, start + r * step + c, step, y, begin + c * target_step + r, target_step)
    else:
        block, other = np.zeros(lanes * lanes, x.dtype), np.empty(lanes * lanes, x.dtype)
        for i in range(0, max(rows, columns), lanes):
            r, c = max(min(i, rows - lanes), 0), max(min(i, columns - lanes), 0)
            _copy_block(x, start + r * step + c, step, block, 0, lanes, min(rows, lanes), min(columns, lanes))
            transpose(block, 0, lanes, other, 0, lanes)
            _copy_block(
                other, 0, lanes, y, begin + c * target_step + r, target_step, min(columns, lanes), min(rows, lanes)
            )


@inlined
def _copy_block(x, start, step, y, begin, along, rows, columns):
    """Copy rows that have at most as many elements as a vector."""
    for r in range(rows):
        store_part(add_parts(zeros(x, 1, 1), x, start + r * step, 0, columns), y, begin + r * along, columns)


@kernel
def add_transposed(sums, padded_width, taps, dw):
    """Transpose sums, which are stored as `padded_width` filters per tap, and add them to a kernel gradient.

    This is done block by block, so that a block is added while it is in the fastest cache.
    """
    outs, gradient, lanes = dw.shape[0], dw.reshape(dw.size), WIDTH // dw.itemsize
    block = np.empty(lanes * TAPS_PER_BLOCK, dw.dtype)
    for o in range(0, outs, lanes):
        filters = min(lanes, outs - o)
        for first in range(0, taps, TAPS_PER_BLOCK):
            count = min(TAPS_PER_BLOCK, taps - first)
            transpose_matrix(
                Matrix(sums, first * padded_width + o, padded_width), count, filters, Matrix(block, 0, count)
            )
            rows, length = (1, filters * count) if count == taps else (filters, count)  # all taps form one matrix
            for r in range(rows):
                begin = (o + r) * taps + first
                for k in range(length):
                    gradient[begin + k] += block[r * length + k]


class RowsToPack(NamedTuple):
    """Rows of consecutive matrices: element (m, r, c) is values[start + (m·rows + r)·step + c]."""

    values: Any
    start: int
    matrices: int
    rows: int
    columns: int
    step: int


class PackedWeights(NamedTuple):
    """Weights, and a workspace into which they are packed as panels.

    rows        the weights: one row per filter (or, for dx, per channel)
    values      workspace for all panels, or for a few of them
    keeps_all   whether all panels are kept, because several lists of outputs use them, or several calls
    packed      whether the values are the weights themselves, which have been packed before this call
    """

    rows: RowsToPack
    values: Any
    keeps_all: bool
    packed: bool


@inlined
def new_weights(rows, keeps_all, max_vectors, packed=False):
    """Return weights with space for all panels if `keeps_all`, otherwise for `max_vectors` vectors of weights.

    packed  whether the rows are panels already, packed by the kernel `KernelEntry.packing`
    """
    lanes = WIDTH // rows.values.itemsize
    padded_width = whole_vectors(rows.rows, rows.values.itemsize)
    entries = padded_width * rows.matrices * rows.columns if keeps_all else max_vectors * lanes
    panels = np.empty(0 if packed else entries + TILE_ROWS * lanes * lanes, rows.values.dtype)
    if packed:
        panels = rows.values[rows.start :]
    return PackedWeights(rows, panels, keeps_all or packed, packed)


def panels_shape(arrays: Sequence[Any], _: Attributes) -> Shapes:
    """Return the number of elements of the panels of weights, and of a block that is written after the last panel."""
    filters, *sizes = arrays[0].shape
    return [(-(-filters // MAX_LANES) * MAX_LANES * math.prod(sizes) + TILE_ROWS * MAX_LANES**2,)]


@operation(panels_shape, part_of="cross_correlate")
@kernel
def pack_panels(w, packed, lowest=0, highest=-1):
    """Pack a range of filters into panels. The first filter, o, starts at element o·columns.

    The following ranges must be packed later, since elements after the last panel are overwritten.
    """
    columns = w[0].size
    outs = (w.shape[0] if highest < 0 else highest) - lowest
    panels = Panels(packed[lowest * columns :], columns, whole_vectors(outs, w.itemsize))
    pack(rows_of(w.reshape(w.size), lowest * columns, outs, columns), panels)


@inlined
def rows_of(values, start, rows, columns):
    """Return the rows of a single matrix without gaps, to be packed."""
    return RowsToPack(values, start, 1, rows, columns, columns)


@inlined
def pack(rows_to_pack, panels):
    """Pack all rows into panels. The columns of the panels are (m, c): matrix by matrix, column by column."""
    pairs, lanes = pairs_end(panels.padded_width, panels.values.itemsize), WIDTH // panels.values.itemsize
    for first in range(0, pairs, 2 * lanes):
        pack_panel(rows_to_pack, first, 2 * lanes, panels.values, first * panels.columns)
    for first in range(pairs, panels.padded_width, lanes):
        pack_panel(rows_to_pack, first, lanes, panels.values, first * panels.columns)


@kernel
def pack_panel(rows_to_pack, first, panel_width, panel, panel_start):
    """Pack `panel_width` rows from row `first` on.

    Entry (m, r, c) goes to panel[panel_start + (m·columns + c)·panel_width + r − first].

    If there are fewer rows, the last one is repeated. A block has as many columns as a vector, so that it may also fill
    columns after the last one of a matrix; these are overwritten later or never read. Plain loops pack a block that
    would read beyond the array.
    """
    x, start, matrices, rows, columns, step = rows_to_pack
    lanes, last = WIDTH // panel.itemsize, min(first + panel_width, rows) - 1
    if step == 1:  # rows of one element are already contiguous
        for m in range(matrices):
            for k in range(panel_width):
                panel[panel_start + m * panel_width + k] = x[start + m * rows + min(first + k, last)]
        return
    if first + panel_width > rows:
        _pack_last(rows_to_pack, first, panel_width, panel, panel_start)
        return
    for m in range(matrices):
        for j in range(0, columns, lanes):
            source, target_start = start + m * rows * step + j, panel_start + (m * columns + j) * panel_width
            if source + last * step + lanes > x.size:
                _pack_by_entry(
                    x, source, (first, last, step), min(lanes, columns - j), panel, target_start, panel_width
                )
                continue
            for k in range(0, panel_width, lanes):
                transpose(x, source + (first + k) * step, step, panel, target_start + k, panel_width)


@kernel
def _pack_last(rows_to_pack, first, panel_width, panel, panel_start):
    """Pack the last panel, which has fewer rows, as `pack_panel` does."""
    x, start, matrices, rows, columns, step = rows_to_pack
    lanes = WIDTH // panel.itemsize
    row_offsets, column_offsets = np.empty(panel_width, np.int64), np.empty(lanes, np.int64)
    for k in range(panel_width):
        row_offsets[k] = min(first + k, rows - 1) * step
    for k in range(lanes):
        column_offsets[k] = k * panel_width
    for m in range(matrices):
        for j in range(0, columns, lanes):
            source, target_start = start + m * rows * step + j, panel_start + (m * columns + j) * panel_width
            if source + row_offsets[panel_width - 1] + lanes > x.size:
                _pack_by_entry(
                    x, source, (first, rows - 1, step), min(lanes, columns - j), panel, target_start, panel_width
                )
                continue
            for k in range(0, panel_width, lanes):
                transpose_to(x, source, row_offsets[k:], panel, target_start + k, column_offsets, 0, lanes)


@inlined
def _pack_by_entry(x, source, ends, columns, panel, target_start, panel_width):
    """Pack some columns of `panel_width` rows element by element. The last row is repeated if there are fewer rows.

    ends  first row, last row, and distance between rows
    """
    first, last, step = ends
    for c in range(columns):
        for k in range(panel_width):
            panel[target_start + c * panel_width + k] = x[source + min(first + k, last) * step + c]
