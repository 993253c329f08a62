"""Matrices turned (transposed): what lay side by side lies apart, and the reverse."""

from chainrule.engines.numba.tiles import turn
from chainrule.engines.numba.toolchain import WIDTH, kernel


@kernel
def turn_matrix(x, start, step, rows, columns, y, begin, along):
    """y[begin + c·along + r] = x[start + r·step + c]: square blocks in registers, the last ones done in part twice."""
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
            turn(x, start + r * step + c, step, y, begin + c * along + r, along)


@kernel
def turn_each(x, matrices, rows, columns, y):
    """y[m, c, r] = x[m, r, c] for matrices in a row, whose rows may be short; rows fill vectors.

    A block of numbers is as broad as a vector, broader than such a row: what it writes too much is where the next
    matrix is written afterwards, and for the last ones there is room in y. Blocks that would read behind x are done by
    plain loops.
    """
    lanes = WIDTH // x.itemsize
    for i in range(0, rows, lanes):
        for m in range(matrices):
            for j in range(0, columns, lanes):
                place, found = (m * rows + i) * columns + j, (m * columns + j) * rows + i
                if place + (lanes - 1) * columns + lanes <= x.size:
                    turn(x, place, columns, y, found, rows)
                    continue
                for c in range(min(lanes, columns - j)):
                    for r in range(lanes):
                        y[found + c * rows + r] = x[place + r * columns + c]
