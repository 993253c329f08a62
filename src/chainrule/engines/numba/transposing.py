"""Transposition of matrices: entries side by side come apart, and the reverse."""

from typing import Any, NamedTuple

from chainrule.engines.numba.tiles import transpose
from chainrule.engines.numba.toolchain import WIDTH, kernel


class Matrix(NamedTuple):
    """A matrix in a flat array: entry (r, c) is values[start + r·step + c]."""

    values: Any
    start: int
    step: int


@kernel
def transpose_matrix(given, rows, columns, transposed):
    """Transpose a matrix of `rows` by `columns`: square blocks in registers, the last ones done in part twice."""
    x, start, step = given
    y, begin, along = transposed
    lanes = WIDTH // x.itemsize
    if rows < lanes or columns < lanes:
        for r in range(rows):
            for c in range(columns):
                y[begin + c * along + r] = x[start + r * step + c]
        return
    for i in range(0, rows, lanes):
        r = min(i, rows - lanes)
        for j in range(0, columns, lanes):
            c = min(j, columns - lanes)
            transpose(x, start + r * step + c, step, y, begin + c * along + r, along)


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
