"""Tiles of a cross-correlation with filters side by side (see `filters.py`), and of the outputs that pass by.

Weights are packed a strip of a panel's taps at a time, right before the tiles that read them: so they lie in the
fastest cache, however many there are. For one image of few outputs that saves storing all of them and loading them
again.
"""

from typing import Any, NamedTuple

from chainrule.engines.compiled.compiler import COUNT, WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.tiles import (
    add_picked,
    bent_tile,
    largest,
    load,
    load_picked,
    multiply_add,
    places,
    store,
    zeros,
)
from chainrule.engines.compiled.kernels.transposing import TALLEST, RowsToPack, pack_panel, panel_ends, whole_vectors

# Columns of a tile: outputs or taps, and outputs to pool. Registers keep the places of no more than ten, and with four
# vectors of filters the sums of no more than six.
COLUMNS, POOLED = (10, 8) if COUNT == 32 else (6, 4)
FEW, FEW_POOLED = 6, 4
FEWEST = 4  # columns of a tile for those that broad ones leave over,
AS_LONG_AS = 5  # which takes as long as so many columns of these
STRIP = 256  # taps, or outputs, of which two vectors each stay in the fastest cache while all outputs, or taps, pass by


class ImageCells(NamedTuple):
    """Cells of images; output p sees cells[at[p] + taps[k]] under tap k."""

    cells: Any
    taps: Any
    at: Any


class Bias(NamedTuple):
    """Biases, the filters side by side: values[begin[p] + o] is the one for output p of filter o.

    scaled  sums are multiplied by times[o] before it is added
    """

    values: Any
    begin: Any
    times: Any
    scaled: bool


@inlined
def correlate_tiles(w, fresh, seen, bias, sums, count, clamp, pooled):
    """Compute sums[p, o] = bias + Σ_k w[k, o] · cells[at[p] + taps[k]], bent, for `count` results p.

    fresh  whether no panels have been packed yet
    """
    across = whole_vectors(w.rows.rows, w.values.itemsize)
    fours, pairs = panel_ends(across, w.values.itemsize)
    if pooled:
        if TALLEST == 4:
            _correlate_pooled(w, fresh, 0, fours, seen, bias, sums, count, clamp, tall=4, broad=FEW_POOLED)
        _correlate_pooled(w, fresh, fours, pairs, seen, bias, sums, count, clamp, tall=2, broad=POOLED)
        _correlate_pooled(w, fresh, pairs, across, seen, bias, sums, count, clamp, tall=1, broad=POOLED)
    else:
        if TALLEST == 4:
            _correlate_tiles_by(w, fresh, 0, fours, seen, bias, sums, count, clamp, tall=4, broad=FEW)
        _correlate_tiles_by(w, fresh, fours, pairs, seen, bias, sums, count, clamp, tall=2, broad=COLUMNS)
        _correlate_tiles_by(w, fresh, pairs, across, seen, bias, sums, count, clamp, tall=1, broad=COLUMNS)


@kernel
def _correlate_tiles_by(weights, fresh, begin, end, seen, bias, sums, count, clamp, tall, broad):
    """Compute `correlate_tiles` by tiles of `tall` vectors of filters; the last one reaches beyond the outputs."""
    literally(tall)
    literally(broad)
    (given, panels, kept), offsets, strip = weights, seen.taps, 2 * STRIP // tall
    wide, across = tall * (WIDTH // sums.itemsize), whole_vectors(given.rows, sums.itemsize)
    for o in range(begin, end, wide):
        for first in range(0, max(offsets.size, 1), strip):
            last = min(first + strip, offsets.size)
            panel = panels[o * offsets.size + first * wide if kept else 0 :]
            if fresh or not kept:
                pack_panel(_of_taps(given, first, last), o, wide, panel, 0)
            part, most = TapsOfPanel(panel, first, last), broadly(count, broad)
            for p in range(0, most, broad):
                _add_tile(part, seen, bias, sums, p, (o, across), clamp, tall, broad)
            for p in range(most, count, FEWEST):
                _add_tile(part, seen, bias, sums, p, (o, across), clamp, tall, FEWEST)


class TapsOfPanel(NamedTuple):
    """The weights of a panel under the taps from `first` to `last`."""

    values: Any
    first: int
    last: int


@inlined
def _add_tile(part, seen, bias, sums, p, place, clamp, tall, broad):
    """Add the products of some taps to the sums of a tile, to the bias if the taps are the first."""
    (panel, first, last), (rows, offsets, at), (plus, own, times, scaled), (o, across) = part, seen, bias, place
    if first > 0:
        tile = load(sums, p * across + o, across, tall, broad)
    elif scaled:
        tile = zeros(rows, tall, broad)
    else:
        tile = load_picked(plus, o, own, p, tall, broad)
    seen_by = places(at, p, broad)
    for k in range(first, last):
        tile = add_picked(tile, panel, (k - first) * tall * (WIDTH // rows.itemsize), rows, offsets[k], seen_by)
    if last == offsets.size:
        if scaled:
            tile = multiply_add(tile, load(times, o, 0, tall, broad), load(plus, o, 0, tall, broad))
        tile = bent_tile(tile, clamp.least, clamp.most, clamp.leak)
    store(tile, sums, p * across + o, across)


@inlined
def _of_taps(given, first, last):
    """Return the rows of some of the taps."""
    return RowsToPack(given.values, given.start + first, given.matrices, given.rows, last - first, given.step)


@kernel
def _correlate_pooled(weights, fresh, begin, end, seen, bias, sums, count, clamp, tall, broad):
    """Compute `correlate_tiles` for `count` results, each the largest of four sums, while they are in registers."""
    literally(tall)
    literally(broad)
    (given, panels, kept), (rows, offsets, at), (plus, own, _, _) = weights, seen, bias
    wide, across = tall * (WIDTH // rows.itemsize), whole_vectors(given.rows, rows.itemsize)
    for o in range(begin, end, wide):
        panel = panels[o * offsets.size if kept else 0 :]
        if fresh or not kept:
            pack_panel(given, o, wide, panel, 0)
        for p in range(0, 4 * count, broad):
            tile = load_picked(plus, o, own, p, tall, broad)
            seen_by = places(at, p, broad)
            for k in range(offsets.size):
                tile = add_picked(tile, panel, k * wide, rows, offsets[k], seen_by)
            store(bent_tile(largest(tile), clamp.least, clamp.most, clamp.leak), sums, p // 4 * across + o, across)


@inlined
def broadly(count, broad):
    """Return how many columns to give to broad tiles, so that those of `FEWEST`, which take the rest, end soonest."""
    most = (count + broad - 1) // broad * broad
    found = most
    for _ in range(2):
        most = max(most - broad, 0)
        if in_tiles(count, most) < in_tiles(count, found):
            found = most
    return found


@inlined
def in_tiles(count, most):
    """Return how long tiles take for so many columns, `most` of them in broad ones, as columns of these."""
    return most + (max(count - most, 0) + FEWEST - 1) // FEWEST * AS_LONG_AS
