"""Tiles of a cross-correlation with vectors of filters; see `filters.py`.

The weights of a strip of taps are packed immediately before the tiles that read them, so that they are in the fastest
cache. For a single image with few outputs, this avoids storing all packed weights and loading them again.
"""

from typing import Any, NamedTuple

from chainrule.engines.compiled.compiler import COUNT, WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.tiles import (
    add_outer_at,
    clamp_tile,
    largest,
    load,
    load_at,
    load_offsets,
    multiply_add,
    store,
    zeros,
)
from chainrule.engines.compiled.kernels.transposing import (
    RowsToPack,
    pack_panel,
    pairs_end,
    whole_vectors,
)

# Columns of a tile: outputs or taps, and outputs to pool. There are registers for the offsets of ten columns.
TILE_COLUMNS, POOLED_COLUMNS = (10, 8) if COUNT == 32 else (6, 4)
STRIP = 256  # taps or outputs; two vectors for each stay in the fastest cache


class ImageCells(NamedTuple):
    """Elements of images. Output p reads cells[outputs[p] + taps[k]] under tap k."""

    cells: Any
    taps: Any
    outputs: Any


class Bias(NamedTuple):
    """Biases in vectors of filters. The bias for output p of filter o is values[offsets[p] + o].

    scaled  whether sums are multiplied by factors[o] before the bias is added
    """

    values: Any
    offsets: Any
    factors: Any
    scaled: bool


@inlined
def correlate_tiles(weights, fresh, image_cells, bias, sums, count, clamp, pooled):
    """Compute sums[p, o] = bias + Σ_k w[k, o] · cells[outputs[p] + taps[k]], clamped, for `count` results p.

    fresh  whether panels still have to be packed
    """
    padded_width = whole_vectors(weights.rows.rows, weights.values.itemsize)
    pairs = pairs_end(padded_width, weights.values.itemsize)
    if pooled:
        _correlate_pooled(weights, fresh, 0, pairs, image_cells, bias, sums, count, clamp, tile_rows=2)
        _correlate_pooled(weights, fresh, pairs, padded_width, image_cells, bias, sums, count, clamp, tile_rows=1)
    else:
        _correlate_tiles_by(weights, fresh, 0, pairs, image_cells, bias, sums, count, clamp, tile_rows=2)
        _correlate_tiles_by(weights, fresh, pairs, padded_width, image_cells, bias, sums, count, clamp, tile_rows=1)


@kernel
def _correlate_tiles_by(weights, fresh, begin, end, image_cells, bias, sums, count, clamp, tile_rows):
    """Compute `correlate_tiles` for filters `begin` to `end` − 1, in tiles of `tile_rows` vectors by outputs.

    The last tile may extend beyond the last output.
    """
    literally(tile_rows)
    (weight_rows, panels, keeps_all, _), offsets, strip = weights, image_cells.taps, 2 * STRIP // tile_rows
    tile_width, padded_width = tile_rows * (WIDTH // sums.itemsize), whole_vectors(weight_rows.rows, sums.itemsize)
    for o in range(begin, end, tile_width):
        for first in range(0, max(offsets.size, 1), strip):
            last = min(first + strip, offsets.size)
            panel = panels[o * offsets.size + first * tile_width if keeps_all else 0 :]
            if fresh or not keeps_all:
                pack_panel(_of_taps(weight_rows, first, last), o, tile_width, panel, 0)
            panel_taps = TapsOfPanel(panel, first, last)
            for p in range(0, count, TILE_COLUMNS):
                _add_tile(panel_taps, image_cells, bias, sums, p, (o, padded_width), clamp, tile_rows)


class TapsOfPanel(NamedTuple):
    """The weights of a panel under the taps `first` to `last` − 1."""

    values: Any
    first: int
    last: int


@inlined
def _add_tile(panel_taps, image_cells, bias, sums, p, place, clamp, tile_rows):
    """Add the products of some taps to the sums of a tile. After the last tap, apply the factors and the clamp.

    The sums start with the bias or, if they are scaled, with 0; the bias is then added after the factors.

    p      first output
    place  first filter, and distance between outputs in `sums`
    """
    panel, first, last = panel_taps
    rows, offsets, output_offsets = image_cells
    biases, bias_offsets, factors, scaled = bias
    o, padded_width = place
    if first > 0:
        tile = load(sums, p * padded_width + o, padded_width, tile_rows, TILE_COLUMNS)
    elif scaled:
        tile = zeros(rows, tile_rows, TILE_COLUMNS)
    else:
        tile = load_at(biases, o, bias_offsets, p, tile_rows, TILE_COLUMNS)
    outputs = load_offsets(output_offsets, p, TILE_COLUMNS)
    for k in range(first, last):
        tile = add_outer_at(tile, panel, (k - first) * tile_rows * (WIDTH // rows.itemsize), rows, offsets[k], outputs)
    if last == offsets.size:
        if scaled:
            tile = multiply_add(
                tile, load(factors, o, 0, tile_rows, TILE_COLUMNS), load(biases, o, 0, tile_rows, TILE_COLUMNS)
            )
        tile = clamp_tile(tile, clamp.minimum, clamp.maximum)
    store(tile, sums, p * padded_width + o, padded_width)


@inlined
def _of_taps(weight_rows, first, last):
    """Return the weights of a range of taps."""
    return RowsToPack(
        weight_rows.values,
        weight_rows.start + first,
        weight_rows.matrices,
        weight_rows.rows,
        last - first,
        weight_rows.step,
    )


@kernel
def _correlate_pooled(weights, fresh, begin, end, image_cells, bias, sums, count, clamp, tile_rows):
    """Compute `correlate_tiles` for `count` pooled results. Each is the maximum of four sums in registers."""
    literally(tile_rows)
    weight_rows, panels, keeps_all, _ = weights
    rows, offsets, output_offsets = image_cells
    biases, bias_offsets, _, _ = bias
    tile_width, padded_width = tile_rows * (WIDTH // rows.itemsize), whole_vectors(weight_rows.rows, rows.itemsize)
    for o in range(begin, end, tile_width):
        panel = panels[o * offsets.size if keeps_all else 0 :]
        if fresh or not keeps_all:
            pack_panel(weight_rows, o, tile_width, panel, 0)
        for p in range(0, 4 * count, POOLED_COLUMNS):
            tile = load_at(biases, o, bias_offsets, p, tile_rows, POOLED_COLUMNS)
            outputs = load_offsets(output_offsets, p, POOLED_COLUMNS)
            for k in range(offsets.size):
                tile = add_outer_at(tile, panel, k * tile_width, rows, offsets[k], outputs)
            store(
                clamp_tile(largest(tile), clamp.minimum, clamp.maximum),
                sums,
                p // 4 * padded_width + o,
                padded_width,
            )
