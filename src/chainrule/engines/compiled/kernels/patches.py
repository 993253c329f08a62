"""Cross-correlation as products with patches, for one image with few outputs and many weights.

The inputs of an output under all taps are copied into a contiguous patch; the weights are read in place. The result of
a filter at an output is then the product of two rows, and the lanes of a vector are taps:

    y[o, p] = Σ_k w[o, k] · patch[p, k]        k over the taps (c, u, v)

`filters.py` and `taps.py` transpose the weights, which takes as long as the products for one image with few outputs.
In `convolution.py`, lanes without an output are unused: 7 of 32 with 25 outputs. Here, elements are copied, and the
lanes of every sum are added up. This is faster if many filters read the same patch and a sum has many taps.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel
from chainrule.engines.compiled.kernels.choice import PATCH_TILE, forward_fit
from chainrule.engines.compiled.kernels.epilogue import (
    NO_EPILOGUE,
    WHOLE_RESULT,
    clamp_of,
    correlation,
    is_untied,
    scales_of,
)
from chainrule.engines.compiled.kernels.layout import (
    CACHE_LINE,
    PLAIN_WINDOW,
    buffer_size,
    forward_taps,
    lay_out,
    padded_layout,
)
from chainrule.engines.compiled.kernels.registry import Attributes, Share
from chainrule.engines.compiled.kernels.row_tiles import RowEpilogue, write_results
from chainrule.engines.compiled.kernels.side_by_side import lay_side_by_side
from chainrule.engines.compiled.kernels.tiles import add_products, fetch, load, load_offsets, store, store_sums, zeros

FILTERS, OUTPUTS = PATCH_TILE  # filters and outputs of a tile
BLOCK_FILTERS, STRIP_TAPS = (
    8,
    512,
)  # filters and taps whose weights stay in the fastest cache for all patches


class Patches(NamedTuple):
    """The elements of patches, and the offset of each output's patch. The last offset is repeated to fill a tile."""

    values: Any
    starts: Any


def share_in_tiles(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of the filters, in whole tiles."""
    parts = -(-shape[0] // FILTERS)
    return Share(("lowest", "highest"), shape[0], FILTERS, -(-parts // 2) / parts)


@correlation(
    fits=forward_fit("correlate_patches"),
    share=share_in_tiles,
)
@kernel
def correlate_patches(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's filters of one image.

    There must be at least as many filters as in a tile, and the taps of a filter must fill whole vectors.

    See `epilogue.correlation` for the parameters.
    """
    lowest = chunk.lowest
    filter_end = y.shape[1] if chunk.highest < 0 else chunk.highest
    outputs = y.shape[2] * y.shape[3]
    if filter_end <= lowest:
        return
    addends, factors = scales_of(b, epilogue.scaled, y)
    row_epilogue = RowEpilogue(y.shape[3], addends, factors, is_untied(b, epilogue.scaled, y), clamp_of(epilogue, y))
    layout, vector = padded_layout(x, window), WIDTH // x.itemsize
    offsets = forward_taps(w.shape, layout, window)
    size = _patch_size(offsets.size, x.itemsize)
    cells, starts = _patch_offsets(y, layout.width, size)
    channels = x.shape[1] * window.stride[0] * window.stride[1]
    rows = np.zeros(buffer_size(channels * layout.plane, 0, offsets, cells.size), x.dtype)
    patches = Patches(np.empty((outputs + 1) * size, x.dtype), starts)
    sums = np.empty(BLOCK_FILTERS * outputs, x.dtype)
    for s in range(x.shape[0]):
        lay_out(x[s], rows, layout, window, (0, x.shape[2]))
        for k in range(0, offsets.size, vector):
            lay_side_by_side(rows, 0, offsets[k:], patches.values, k, cells)
        for o in range(lowest, filter_end, BLOCK_FILTERS):
            last = min(o + BLOCK_FILTERS, filter_end)
            _multiply(w, o, last, patches, outputs, sums)
            for f in range(o, last):
                write_results(sums, (f - o) * outputs, y, (s, f), (0, y.shape[2]), row_epilogue, False)


@inlined
def _patch_size(entries, itemsize):
    """Return a patch size of an odd number of cache lines, so that patches do not evict each other from the cache."""
    lines = (entries * itemsize + CACHE_LINE - 1) // CACHE_LINE
    return (lines + 1 - lines % 2) * CACHE_LINE // itemsize


@inlined
def _patch_offsets(y, width, size):
    """Return two lists: the offset of the patch that starts at each element, and the offset of each output's patch.

    Elements are in rows of `width` elements. The first list has at least as many offsets as a vector has lanes.
    Elements where no output starts share the last patch, which is never read. If an image is narrower than its padding,
    outputs of two rows start at the same element and have the same patch.

    size  size of a patch
    """
    (height, along), lanes = (y.shape[2], y.shape[3]), WIDTH // y.itemsize
    cells = np.empty(max((height - 1) * width + along, lanes), np.int64)
    starts = np.empty(height * along + OUTPUTS, np.int64)
    cells[:] = height * along * size
    for i in range(height):
        for j in range(along):
            cells[i * width + j] = (i * along + j) * size
    for p in range(starts.size):
        output = min(p, height * along - 1)
        starts[p] = cells[output // along * width + output % along]
    return cells, starts


@kernel
def _multiply(w, lowest, highest, patches, outputs, sums):
    """Compute sums[f − lowest, p] = Σ_k w[f, k] · patch[p, k] for filters f from `lowest` to `highest` − 1.

    A tile that would extend beyond the last filter of w starts earlier; the sums that it computes again are not
    written. Weights come from a slow cache. Each tile therefore prefetches a row of the weights that are needed next:
    those of the next strip of taps, or of the next filters.
    """
    (values, starts), taps, weights = patches, w[0].size, w.reshape(w.size)
    vector = WIDTH // w.itemsize
    size = FILTERS * vector
    partial_sums = np.empty(
        (outputs + OUTPUTS) * BLOCK_FILTERS * vector, w.dtype
    )  # the sums of all tiles between two strips
    tile_sums = np.empty(FILTERS * OUTPUTS + vector, w.dtype)
    for first in range(0, taps, STRIP_TAPS):
        last, row = min(first + STRIP_TAPS, taps), 0
        following = lowest * taps + last if last < taps else highest * taps
        for p in range(0, outputs, OUTPUTS):
            patch_starts = load_offsets(starts, p, OUTPUTS)
            for o in range(lowest, highest, FILTERS):
                f, sum_start = min(o, w.shape[0] - FILTERS), (p * BLOCK_FILTERS + (o - lowest) * OUTPUTS) * vector
                tile = load(partial_sums, sum_start, size, FILTERS, OUTPUTS) if first else zeros(w, FILTERS, OUTPUTS)
                ahead, row = following + row * taps - first, (row + 1) % BLOCK_FILTERS
                for k in range(first, last, vector):
                    fetch(weights, ahead + k)
                    tile = add_products(tile, weights, f * taps + k, taps, values, k, patch_starts)
                if last < taps:
                    store(tile, partial_sums, sum_start, size)
                    continue
                store_sums(tile, tile_sums, 0)
                for a in range(o - f, FILTERS):
                    for c in range(min(OUTPUTS, outputs - p)):
                        sums[(f + a - lowest) * outputs + p + c] = tile_sums[a * OUTPUTS + c]
