"""The transforms of `winograd.py` on both axes: kernels, cells and upstream gradients to the 36 points, and back.

Each is done along one axis after the other, by vectors of channels or filters; a small buffer holds what is between.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.layout import conflict_free_stride
from chainrule.engines.compiled.tiles import bent_tile, load, multiply_add, store
from chainrule.engines.compiled.toolchain import (
    CELLS,
    COUNT,
    RESULTS,
    WEIGHTS,
    WIDTH,
    from_points,
    inlined,
    kernel,
    to_points,
)
from chainrule.engines.compiled.transposing import Panels, panel_place, whole_vectors

POINTS = 36
FEW, BROAD = 6, 8 if COUNT == 32 else 6  # tiles, or channels, whose sums are in registers at once
BLOCK = 24  # tiles transformed and multiplied at once, a multiple of both


class Work(NamedTuple):
    """Cells of a band of tiles, channels side by side, `across` of them; before that, without the zeros around."""

    cells: Any
    dense: Any
    across: int


class AtPoints(NamedTuple):
    """Values at the 36 points, `step` entries apart; of each, `across` channels or filters side by side."""

    values: Any
    step: int
    across: int


class Results(NamedTuple):
    """Where results go: rows from `first` on of y, filters from `lowest` on, times `times`, plus `plus`, bent."""

    y: Any
    first: int
    last: int
    lowest: int
    outs: int
    plus: Any
    times: Any
    bend: Any


@inlined
def new_points(x, channels):
    """Return space for the values of a block at the points, and for a tile of sums that reaches beyond the last."""
    across = whole_vectors(channels, x.itemsize)
    step = BLOCK * across + WIDTH // x.itemsize  # the points of a tile do not share their lines of the cache
    return AtPoints(np.empty(POINTS * step + BROAD, x.dtype), step, across)


@kernel
def weights_to_points(panels, ins, flip):
    """Return G w Gᵀ of kernels in panels of filters: entry (point, o, c) in panels of filters again."""
    w, _, across = panels
    vector, step = WIDTH // w.itemsize, conflict_free_stride(ins * across)
    points, between = np.empty(POINTS * step, w.dtype), np.empty(18 * vector, w.dtype)
    transformed = Panels(points, ins, across)
    for f in range(0, across, vector):
        place, wide = panel_place(panels, f)
        found, _ = panel_place(transformed, f)
        for c in range(ins):
            tap, along = place + c * 9 * wide, wide
            if flip:
                tap, along = tap + 8 * wide, -wide
            for v in range(3):
                tile = to_points(load(w, tap + v * along, 3 * along, 1, 3), WEIGHTS)
                store(tile, between, v * vector, 3 * vector)
            for k in range(6):
                tile = to_points(load(between, k * 3 * vector, vector, 1, 3), WEIGHTS)
                store(tile, points, 6 * k * step + found + c * wide, step)
    return AtPoints(points, step, across)


@kernel
def cells_to_points(work, rows, along, first, count, points):
    """Compute Bᵀ x̄ B of `count` tiles from the `first` of a band, channels side by side, and zeros after them."""
    cells, _, across = work
    values, step, _ = points
    vector = WIDTH // cells.itemsize
    between, width = np.empty(POINTS * vector, cells.dtype), (4 * along + 2) * across
    for t in range(count):
        line, j = (first + t) // along, (first + t) % along
        place = (line // rows * (4 * rows + 2) + line % rows * 4) * width + 4 * j * across
        for c in range(0, across, vector):
            for k in range(6):
                tile = to_points(load(cells, place + c + k * across, width, 1, 6), CELLS)
                store(tile, between, k * vector, 6 * vector)
            for k in range(6):
                tile = to_points(load(between, 6 * k * vector, vector, 1, 6), CELLS)
                store(tile, values, 6 * k * step + t * across + c, step)
    end = min((count // BROAD + 1) * BROAD, BLOCK) * across + vector  # tiles of sums reach so far
    for p in range(POINTS):
        for k in range(count * across, end):
            values[p * step + k] = 0


@kernel
def upstream_to_points(work, along, first, count, points):
    """Compute A dy Aᵀ of `count` tiles from the `first` of a band, filters side by side."""
    cells, _, across = work
    values, step, _ = points
    vector = WIDTH // cells.itemsize
    between, width = np.empty(24 * vector, cells.dtype), 4 * along * across
    for t in range(count):
        place = (first + t) // along * 4 * width + (first + t) % along * 4 * across
        for o in range(0, across, vector):
            for k in range(4):
                tile = to_points(load(cells, place + o + k * across, width, 1, 4), RESULTS)
                store(tile, between, k * vector, 4 * vector)
            for k in range(6):
                tile = to_points(load(between, 4 * k * vector, vector, 1, 4), RESULTS)
                store(tile, values, 6 * k * step + t * across + o, step)


@kernel
def weights_from_points(sums, ins, flip, found):
    """Compute Gᵀ m G of the sums of every channel, filters side by side: `found` has rows (c, u, v)."""
    values, step, across = sums
    vector = WIDTH // values.itemsize
    between = np.empty(18 * vector, values.dtype)
    for c in range(ins):
        for o in range(0, across, vector):
            for k in range(6):
                tile = load(values, k * step + c * across + o, 6 * step, 1, 6)
                store(from_points(tile, WEIGHTS), between, k * vector, 6 * vector)
            for u in range(3):
                tile = from_points(load(between, u * 6 * vector, vector, 1, 6), WEIGHTS)
                at = c * 9 + (8 - 3 * u if flip else 3 * u)
                store(tile, found, at * across + o, -across if flip else across)


@kernel
def results_from_points(products, along, first, count, results, found):
    """Compute Aᵀ m A of `count` tiles from the `first` of a band, times, plus, bent, filters side by side."""
    m, step, across = products
    plus, times, bend = results[5:]
    vector = WIDTH // m.itemsize
    between, width = np.empty(24 * vector, m.dtype), 4 * along * across
    for o in range(0, across, vector):
        addend, factor = load(plus, o, 0, 1, 4), load(times, o, 0, 1, 4)
        for t in range(count):
            place = (first + t) // along * 4 * width + (first + t) % along * 4 * across + o
            for k in range(6):
                tile = load(m, k * step + t * across + o, 6 * step, 1, 6)
                store(from_points(tile, RESULTS), between, k * vector, 6 * vector)
            for k in range(4):
                tile = from_points(load(between, 6 * k * vector, vector, 1, 6), RESULTS)
                tile = bent_tile(multiply_add(tile, factor, addend), bend.least, bend.most, bend.part)
                store(tile, found, place + k * width, across)
