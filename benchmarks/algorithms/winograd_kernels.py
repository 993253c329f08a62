"""Compiled transforms of Winograd tiles: the matrices Bᵀ and Aᵀ of toom_cook.py, written as additions.

LANES tiles are transformed together in the lanes of vector registers. For each tile element, a row contains the values
of all LANES tiles, and the rows are consecutive in a flat array. The distance between rows is a compile-time constant,
so the compiler can prove that they do not overlap, and vectorizes the loops.

A transform along one axis reads rows of d that are `read` values apart, and writes rows of e that are `write` values
apart. In two dimensions, it is applied twice: from d to e, transposing the tile, and back.
"""

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel

LANES = 64  # tiles transformed together; their values fit into the L1 cache


@kernel
def tiles_in(x, inside, span, across, high, wide, start, steps):
    """Set inside[(a,b), c, tile] = (Bᵀ d B)[a,b] for the tiles d (high, wide) of the images x (n, C, H, W).

    Tiles are numbered row by row, with `across` tiles per row. Only tiles span[0] to span[1] − 1 are transformed. The
    tile in row i and column j starts at element start + (i, j)·steps. Elements outside the image are 0.
    """
    d, e = np.zeros(high * wide * LANES, x.dtype), np.zeros(high * wide * LANES, x.dtype)
    line = np.zeros(steps[1] * LANES + wide, x.dtype)
    for n in range(x.shape[0]):
        begin = n * (span[1] - span[0]) - span[0]
        for c in range(x.shape[1]):
            for first in range(span[0], span[1], LANES):
                lanes = min(LANES, span[1] - first)
                _gather(x[n, c], d, line, first, lanes, across, (high, wide), start, steps)
                transformed = _evaluate(d, e, lanes, high, wide)
                for p in range(high * wide):
                    source, target = transformed[p * LANES :], inside[p, c, begin + first :]
                    for t in range(lanes):
                        target[t] = source[t]


@kernel
def tiles_out(products, y, span, across, high, wide):
    """Write Aᵀ m A, for each tile m (high, wide) in products[(a,b), o, tile], to its position in y (n, O, H', W')."""
    d, e = np.zeros(high * wide * LANES, y.dtype), np.zeros(high * wide * LANES, y.dtype)
    steps = (max(high - 2, 1), max(wide - 2, 1))
    for n in range(y.shape[0]):
        begin = n * (span[1] - span[0]) - span[0]
        for o in range(y.shape[1]):
            for first in range(span[0], span[1], LANES):
                lanes = min(LANES, span[1] - first)
                for p in range(high * wide):
                    source, target = products[p, o, begin + first :], d[p * LANES :]
                    for t in range(lanes):
                        target[t] = source[t]
                _scatter(_interpolate(d, e, lanes, high, wide), y[n, o], first, lanes, across, steps)


@inlined
def _evaluate(d, e, lanes, high, wide):
    """Apply Bᵀ along both axes (or the only axis), and return the array that contains the result."""
    if high == 6 and wide == 6:
        for b in range(6):
            _evaluate_4(d[b * LANES :], e[b * 6 * LANES :], lanes, 6 * LANES, LANES)
        for b in range(6):
            _evaluate_4(e[b * LANES :], d[b * 6 * LANES :], lanes, 6 * LANES, LANES)
        return d
    if high == 4 and wide == 4:
        for b in range(4):
            _evaluate_2(d[b * LANES :], e[b * 4 * LANES :], lanes, 4 * LANES, LANES)
        for b in range(4):
            _evaluate_2(e[b * LANES :], d[b * 4 * LANES :], lanes, 4 * LANES, LANES)
        return d
    if high * wide == 6:
        _evaluate_4(d, e, lanes, LANES, LANES)
    else:
        _evaluate_2(d, e, lanes, LANES, LANES)
    return e


@inlined
def _interpolate(d, e, lanes, high, wide):
    """Apply Aᵀ along both axes (or the only axis), and return the array that contains the result."""
    if high == 6 and wide == 6:
        for b in range(6):
            _interpolate_4(d[b * LANES :], e[b * 4 * LANES :], lanes, 6 * LANES, LANES)
        for b in range(4):
            _interpolate_4(e[b * LANES :], d[b * 4 * LANES :], lanes, 4 * LANES, LANES)
        return d
    if high == 4 and wide == 4:
        for b in range(4):
            _interpolate_2(d[b * LANES :], e[b * 2 * LANES :], lanes, 4 * LANES, LANES)
        for b in range(2):
            _interpolate_2(e[b * LANES :], d[b * 2 * LANES :], lanes, 2 * LANES, LANES)
        return d
    if high * wide == 6:
        _interpolate_4(d, e, lanes, LANES, LANES)
    else:
        _interpolate_2(d, e, lanes, LANES, LANES)
    return e


@inlined
def _evaluate_2(d, e, lanes, read, write):
    """Apply Bᵀ of F(2,3), with the points 0, 1, −1, ∞."""
    for t in range(lanes):
        d0, d1, d2, d3 = d[t], d[t + read], d[t + 2 * read], d[t + 3 * read]
        e[t] = d2 - d0
        e[t + write] = d1 + d2
        e[t + 2 * write] = d2 - d1
        e[t + 3 * write] = d3 - d1


@inlined
def _interpolate_2(d, e, lanes, read, write):
    """Apply Aᵀ of F(2,3)."""
    for t in range(lanes):
        d0, d1, d2, d3 = d[t], d[t + read], d[t + 2 * read], d[t + 3 * read]
        e[t] = d0 + d1 + d2
        e[t + write] = d1 - d2 + d3


@inlined
def _evaluate_4(d, e, lanes, read, write):
    """Apply Bᵀ of F(4,3), with the points 0, 1, −1, 2, −2, ∞, in seven multiplications; a and −a share terms."""
    four, five, two = d.dtype.type(4), d.dtype.type(5), d.dtype.type(2)
    for t in range(lanes):
        d0, d1, d2 = d[t], d[t + read], d[t + 2 * read]
        d3, d4, d5 = d[t + 3 * read], d[t + 4 * read], d[t + 5 * read]
        even, odd = d4 - four * d2, d3 - four * d1
        further, twice = d4 - d2, two * (d3 - d1)
        e[t] = four * d0 - five * d2 + d4
        e[t + write] = even + odd
        e[t + 2 * write] = even - odd
        e[t + 3 * write] = further + twice
        e[t + 4 * write] = further - twice
        e[t + 5 * write] = four * d1 - five * d3 + d5


@inlined
def _interpolate_4(d, e, lanes, read, write):
    """Apply Aᵀ of F(4,3) in three multiplications."""
    two, four, eight = d.dtype.type(2), d.dtype.type(4), d.dtype.type(8)
    for t in range(lanes):
        d0, d1, d2 = d[t], d[t + read], d[t + 2 * read]
        d3, d4, d5 = d[t + 3 * read], d[t + 4 * read], d[t + 5 * read]
        near, far, near_slope, far_slope = d1 + d2, d3 + d4, d1 - d2, d3 - d4
        e[t] = d0 + near + far
        e[t + write] = near_slope + two * far_slope
        e[t + 2 * write] = near + four * far
        e[t + 3 * write] = near_slope + eight * far_slope + d5


@kernel
def _gather(plane, d, line, first, lanes, across, sides, start, steps):
    """Set d[(a,b), t] to element (a, b) of tile first + t of the plane, which has `across` tiles per row."""
    t = 0
    while t < lanes:  # the remaining tiles of a row at a time
        i, j = (first + t) // across, (first + t) % across
        count = min(across - j, lanes - t)
        length = (count - 1) * steps[1] + sides[1]
        for a in range(sides[0]):
            _read_line(plane, start[0] + i * steps[0] + a, start[1] + j * steps[1], line, length)
            for b in range(sides[1]):
                target, source = d[(a * sides[1] + b) * LANES + t :], line[b:]
                for k in range(count):
                    target[k] = source[k * steps[1]]
        t += count


@inlined
def _read_line(plane, row, column, line, length):
    """Set line[k] = plane[row, column + k], or 0 outside the plane."""
    height, width = plane.shape
    before, last = max(-column, 0), min(width - column, length)
    if row < 0 or row >= height or last <= before:
        for k in range(length):
            line[k] = 0
        return
    source, inside = plane[row, column + before :], line[before:]
    for k in range(before):
        line[k] = 0
    for k in range(last - before):
        inside[k] = source[k]
    for k in range(last, length):
        line[k] = 0


@kernel
def _scatter(e, plane, first, lanes, across, steps):
    """Write element (a, b) of tile first + t to the plane, except elements outside the plane."""
    height, width = plane.shape
    t = 0
    while t < lanes:  # a row of tiles at a time
        i, j = (first + t) // across, (first + t) % across
        count = min(across - j, lanes - t)
        for a in range(min(steps[0], height - i * steps[0])):
            for b in range(steps[1]):
                source, column = e[(a * steps[1] + b) * LANES + t :], j * steps[1] + b
                target = plane[i * steps[0] + a, min(column, width) :]
                for k in range(min(count, (width - column + steps[1] - 1) // steps[1])):
                    target[k * steps[1]] = source[k]
        t += count
