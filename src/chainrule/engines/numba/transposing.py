"""Transposition of matrices: entries side by side come apart, and the reverse."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.numba.tiles import load_part, store_part, transpose
from chainrule.engines.numba.toolchain import WIDTH, inlined, kernel


class Matrix(NamedTuple):
    """A matrix in a flat array: entry (r, c) is values[start + r·step + c]."""

    values: Any
    start: int
    step: int


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
        for i in range(0, rows, lanes):
            r = min(i, rows - lanes)
            for j in range(0, columns, lanes):
                c = min(j, columns - lanes)
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
def transpose_each(x, matrices, rows, columns, y, across):
    """Set y[m, c, r] to x[m, r, c] for matrices one after the other, with short rows; y has `across` entries a row.

    A block is as broad as a vector, broader than such a row: it also writes where the next matrix is written later, and
    y has space for the rest of the last one. Blocks that would read beyond x are done by plain loops.
    """
    lanes = WIDTH // x.itemsize
    for i in range(0, rows, lanes):
        r = max(min(i, rows - lanes), 0)
        for m in range(matrices):
            for j in range(0, columns, lanes):
                place, found = (m * rows + r) * columns + j, (m * columns + j) * across + r
                if rows >= lanes and place + (lanes - 1) * columns + lanes <= x.size:
                    transpose(x, place, columns, y, found, across)
                    continue
                for c in range(min(lanes, columns - j)):
                    for k in range(min(lanes, rows)):
                        y[found + c * across + k] = x[place + k * columns + c]
