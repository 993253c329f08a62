"""Transposition of matrices: entries side by side come apart, and the reverse."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import COUNT, WIDTH, inlined, kernel
from chainrule.engines.compiled.kernels.tiles import load_part, store_part, transpose, transpose_to

TALLEST = 4 if COUNT == 32 else 2  # vectors of a panel, and of the tiles that read it
ADDED = 256  # taps of a vector of filters whose sums are transposed and added at a time


class Matrix(NamedTuple):
    """A matrix in a flat array: entry (r, c) is values[start + r·step + c]."""

    values: Any
    start: int
    step: int


class Panels(NamedTuple):
    """Rows of a matrix side by side in vectors: panels of four vectors of them, then of two and of one for the rest.

    A tile reads a panel from its beginning to its end. Entry (r, c) of the panel that begins with row o is
    values[o·columns + c·width + r − o], of a `width` of so many vectors. With few registers none is wider than two.

    across   rows of whole vectors
    """

    values: Any
    columns: int
    across: int


@inlined
def whole_vectors(filters, itemsize):
    """Return the entries of the vectors that hold a number of filters."""
    vector = WIDTH // itemsize
    return (filters + vector - 1) // vector * vector


@inlined
def panel_ends(across, itemsize):
    """Return the rows before the first that is in no panel of four vectors, and in none of two."""
    pair = 2 * (WIDTH // itemsize)
    return (across // (2 * pair) * (2 * pair) if TALLEST == 4 else 0), across // pair * pair


@inlined
def new_panels(rows, columns, like):
    """Return panels with space for so many rows and columns, and for a block that reaches beyond the last."""
    lanes, across = WIDTH // like.itemsize, whole_vectors(rows, like.itemsize)
    return Panels(np.empty(across * columns + TALLEST * lanes * lanes, like.dtype), columns, across)


@inlined
def panel_place(panels, r):
    """Return where the vector of rows from r on begins, and how far apart its columns are."""
    lanes = WIDTH // panels.values.itemsize
    fours, pairs = panel_ends(panels.across, panels.values.itemsize)
    wide = 4 * lanes if r < fours else 2 * lanes if r < pairs else lanes
    begin = r // wide * wide if r < fours else fours + (r - fours) // wide * wide
    return begin * panels.columns + r - begin, wide


@kernel
def transpose_matrix(given, rows, columns, transposed):
    """Transpose a matrix of `rows` by `columns`: square blocks in registers, the last ones done in part twice.

    A matrix narrower than a block goes through one of its own: its rows may not be read, or written, beyond their ends.
    """
    x, start, step = given
    y, begin, along = transposed
    lanes = WIDTH // x.itemsize
    if rows < lanes and columns < lanes:
        for r in range(rows):
            for c in range(columns):
                y[begin + c * along + r] = x[start + r * step + c]
    elif rows >= lanes and columns >= lanes:
        for j in range(0, columns, lanes):
            c = min(j, columns - lanes)
            for i in range(0, rows, lanes):
                r = min(i, rows - lanes)
                transpose(x, start + r * step + c, step, y, begin + c * along + r, along)
    else:
        block, other = np.zeros(lanes * lanes, x.dtype), np.empty(lanes * lanes, x.dtype)
        for i in range(0, max(rows, columns), lanes):
            r, c = max(min(i, rows - lanes), 0), max(min(i, columns - lanes), 0)
            _copy_block(x, start + r * step + c, step, block, 0, lanes, min(rows, lanes), min(columns, lanes))
            transpose(block, 0, lanes, other, 0, lanes)
            _copy_block(other, 0, lanes, y, begin + c * along + r, along, min(columns, lanes), min(rows, lanes))


@inlined
def _copy_block(x, start, step, y, begin, along, rows, columns):
    """Copy rows of no more entries than a vector has."""
    for r in range(rows):
        store_part(load_part(x, start + r * step, columns), y, begin + r * along, columns)


@kernel
def add_transposed(sums, across, taps, dw):
    """Add sums of filters side by side, a row of `across` of them for each of so many taps, to a kernel gradient.

    A part is added while it is in the fastest cache.
    """
    outs, gradient, lanes = dw.shape[0], dw.reshape(dw.size), WIDTH // dw.itemsize
    part = np.empty(lanes * ADDED, dw.dtype)
    for o in range(0, outs, lanes):
        filters = min(lanes, outs - o)
        for first in range(0, taps, ADDED):
            count = min(ADDED, taps - first)
            transpose_matrix(Matrix(sums, first * across + o, across), count, filters, Matrix(part, 0, count))
            rows, length = (1, filters * count) if count == taps else (filters, count)  # rows of all taps are one
            for r in range(rows):
                begin = (o + r) * taps + first
                for k in range(length):
                    gradient[begin + k] += part[r * length + k]


class RowsToPack(NamedTuple):
    """Rows of matrices that lie one after the other: entry (m, r, c) is values[start + (m·rows + r)·step + c]."""

    values: Any
    start: int
    matrices: int
    rows: int
    columns: int
    step: int


class PackedWeights(NamedTuple):
    """Weights of results, and a workspace for panels of them.

    rows    the weights: a row for each result
    values  all panels, or a part of one
    kept    whether all, which several lists of outputs share
    """

    rows: RowsToPack
    values: Any
    kept: bool


@inlined
def new_weights(rows, kept, most):
    """Return weights with space for all panels if they are kept, or for a part of `most` vectors."""
    lanes = WIDTH // rows.values.itemsize
    across = whole_vectors(rows.rows, rows.values.itemsize)
    entries = across * rows.matrices * rows.columns if kept else most * lanes
    return PackedWeights(rows, np.empty(entries + TALLEST * lanes * lanes, rows.values.dtype), kept)


@inlined
def rows_of(values, start, rows, columns):
    """Return the rows of one matrix without gaps."""
    return RowsToPack(values, start, 1, rows, columns, columns)


@inlined
def pack(given, panels):
    """Pack all rows side by side into panels, whose columns are (m, c)."""
    fours, twos = panel_ends(panels.across, panels.values.itemsize)
    lanes = WIDTH // panels.values.itemsize
    for first in range(0, fours, 4 * lanes):
        pack_panel(given, first, 4 * lanes, panels.values, first * panels.columns)
    for first in range(fours, twos, 2 * lanes):
        pack_panel(given, first, 2 * lanes, panels.values, first * panels.columns)
    for first in range(twos, panels.across, lanes):
        pack_panel(given, first, lanes, panels.values, first * panels.columns)


@kernel
def pack_panel(given, first, wide, panel, place):
    """Pack `wide` rows from the first on: entry (m, r, c) comes to panel[place + (m·columns + c)·wide + r − first].

    Where there are not so many rows, the last one stands in their place. A block is as broad as a vector, so it also
    fills columns behind the last of a matrix, which are written later or never read; one that would read beyond the
    array is done by plain loops.
    """
    x, start, matrices, rows, columns, step = given
    lanes, last = WIDTH // panel.itemsize, min(first + wide, rows) - 1
    if step == 1:  # rows of one entry lie side by side as they are
        for m in range(matrices):
            for k in range(wide):
                panel[place + m * wide + k] = x[start + m * rows + min(first + k, last)]
        return
    if first + wide > rows:
        _pack_last(given, first, wide, panel, place)
        return
    for m in range(matrices):
        for j in range(0, columns, lanes):
            source, found = start + m * rows * step + j, place + (m * columns + j) * wide
            if source + last * step + lanes > x.size:
                _pack_by_entry(x, source, (first, last, step), min(lanes, columns - j), panel, found, wide)
                continue
            for k in range(0, wide, lanes):
                transpose(x, source + (first + k) * step, step, panel, found + k, wide)


@kernel
def _pack_last(given, first, wide, panel, place):
    """Do as `pack_panel` for the last panel, which has fewer rows."""
    x, start, matrices, rows, columns, step = given
    lanes = WIDTH // panel.itemsize
    seen, to = np.empty(wide, np.int64), np.empty(lanes, np.int64)
    for k in range(wide):
        seen[k] = min(first + k, rows - 1) * step
    for k in range(lanes):
        to[k] = k * wide
    for m in range(matrices):
        for j in range(0, columns, lanes):
            source, found = start + m * rows * step + j, place + (m * columns + j) * wide
            if source + seen[wide - 1] + lanes > x.size:
                _pack_by_entry(x, source, (first, rows - 1, step), min(lanes, columns - j), panel, found, wide)
                continue
            for k in range(0, wide, lanes):
                transpose_to(x, source, seen[k:], panel, found + k, to, 0)


@inlined
def _pack_by_entry(x, source, ends, columns, panel, place, wide):
    """Pack some columns of `wide` rows; the rows from the last one on are the last one."""
    first, last, step = ends
    for c in range(columns):
        for k in range(wide):
            panel[place + c * wide + k] = x[source + min(first + k, last) * step + c]
