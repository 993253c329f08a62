"""Cross-correlation by rows of outputs whose sums go directly from registers to the result.

A vector has neighboring outputs of one row, as in `convolution.py`:

    y[o, i, j] = b[o] + Σ_k w[o, k] · rows[at(i, j) + taps[k]]        j over the lanes, k over the taps (c, u, v)

There, a vector may extend from one row of a padded image into the next, and sums are copied to the result without the
elements between the rows. Here, no vector crosses the end of a row, and tiles are stored in the result. The last vector
of a row ends at the end of the row; it may overlap the previous vector and compute some outputs again. A row therefore
has at least as many outputs as a vector has lanes. If the rows of input and output have the same length, as for 1×1
kernels, all rows are one long row. Images without padding are read in place if the stride is 1.

Tiles consist of vectors from a list and filters from a list. Both lists end with copies of their last entry, which fill
the last tile. A tile stores the same values several times for them.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.choice import forward_fit
from chainrule.engines.compiled.kernels.epilogue import (
    NO_EPILOGUE,
    WHOLE_RESULT,
    LaneEpilogue,
    clamp_of,
    correlation,
    scales_of,
)
from chainrule.engines.compiled.kernels.layout import (
    PLAIN_WINDOW,
    buffer_size,
    copied_if_shared,
    forward_taps,
    input_rows,
    lay_out,
    padded_layout,
)
from chainrule.engines.compiled.kernels.registry import Attributes, InputBuffer, Share, operation, rows_or_filters
from chainrule.engines.compiled.kernels.row_tiles import (
    BASE_TILE,
    TILE_OF_5,
    TILE_OF_6,
    filters_per_tile,
    in_tall_tiles,
)
from chainrule.engines.compiled.kernels.tiles import (
    add_vectors_at,
    clamp_tile,
    lanes,
    load_offsets,
    multiply_add,
    spread_columns,
    store_vectors_at,
    zeros,
)
from chainrule.engines.compiled.kernels.transposing import panels_shape

MOST_VECTORS = max(BASE_TILE[0], TILE_OF_6[0], TILE_OF_5[0])  # vectors of outputs in a tile
STRIP = 1 << 17  # bytes of inputs that stay in a cache until the outputs of all filters are computed


class Vectors(NamedTuple):
    """A list of vectors of outputs.

    inputs   offset of the input of each vector's first output under a tap at distance 0
    outputs  offset of each vector in a channel of the result
    number   number of vectors, without the copies of the last one
    """

    inputs: Any
    outputs: Any
    number: int


class Filters(NamedTuple):
    """A list of filters, and what is applied to their sums.

    weights   tap k of filter o of tile t is weights[(t·taps + k)·columns + o]
    outputs   offset of each filter's results
    epilogue  `LaneEpilogue` with addends and factors in the order of the list
    """

    weights: Any
    outputs: Any
    epilogue: Any


def share_rows(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of a result by rows or by tiles of filters. Rows shorter than a vector are not divided."""
    tile = filters_per_tile(shape[0])
    parts = -(-shape[0] // tile)
    half = -(-parts // 2) / parts
    if shape[-1] < lanes(itemsize):
        return Share(("lowest", "highest"), shape[0], tile, half)
    return rows_or_filters(shape, tile, half)


@operation(panels_shape, part_of="cross_correlate")
@kernel
def pack_tiles(w, packed, lowest=0, highest=-1):
    """Pack a range of filters in the order of the tiles. The first filter, o, starts at element o·taps."""
    filter_end, taps, columns = w.shape[0] if highest < 0 else highest, w[0].size, filters_per_tile(w.shape[0])
    flat, outs = w.reshape(w.size), filter_end - lowest
    for t in range((outs + columns - 1) // columns * columns):
        start = (lowest + t // columns * columns) * taps + t % columns
        source = min(lowest + t, filter_end - 1) * taps
        for k in range(taps):
            packed[start + k * columns] = flat[source + k]


@correlation(
    fits=forward_fit("correlate_rows"),
    share=share_rows,
    input_buffer=InputBuffer("y", tiled=False),
    packing="pack_tiles",
)
@kernel
def correlate_rows(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    Without padding and with stride 1, tiles read x itself. Otherwise, each sample is first laid out in `rows`.

    See `epilogue.correlation` for the parameters.
    """
    first, lowest = chunk.first, chunk.lowest
    last, filter_end = y.shape[2] if chunk.last < 0 else chunk.last, y.shape[1] if chunk.highest < 0 else chunk.highest
    if last <= first or filter_end <= lowest:
        return
    layout, ((top, bottom), (left, right)) = padded_layout(x, window), window.padding
    offsets, vectors = forward_taps(w.shape, layout, window), _list_vectors((first, last), y, layout.width)
    columns = filters_per_tile(w.shape[0])
    padded, weights = (filter_end - lowest + columns - 1) // columns * columns, w.reshape(w.size)
    if not packed:
        weights = np.empty((lowest + padded) * w[0].size, w.dtype)
        pack_tiles(w, weights, lowest, filter_end)
    filters = _list_filters(weights[lowest * w[0].size :], padded, b, y, (lowest, filter_end), epilogue)
    results, image, channels = y.reshape(y.size), x.shape[1] * x.shape[2] * x.shape[3], filter_end - lowest
    (down, along), padding = window.stride, top + bottom + left + right
    if down == 1 and along == 1 and padding == 0:
        rows = copied_if_shared(x, channels < y.shape[1])
        for n in range(x.shape[0]):
            sample_start = n * y.shape[1] * y.shape[2] * y.shape[3]
            _correlate(rows[n * image :], offsets, vectors, filters, results[sample_start:], columns)
        return
    phases = layout.plane * window.stride[0] * window.stride[1]
    length = (last - 1) * layout.width + y.shape[3]
    rows = np.zeros(buffer_size(x.shape[1] * phases, 0, offsets, length), x.dtype)
    row_range = input_rows(x, w, window, first, last)
    for n in range(x.shape[0]):
        lay_out(x[n], rows, layout, window, row_range)
        sample_start = n * y.shape[1] * y.shape[2] * y.shape[3]
        _correlate(rows, offsets, vectors, filters, results[sample_start:], columns)


@inlined
def _list_vectors(row_range, y, width):
    """Return the vectors of a range of rows of y.

    width  length of a row of the laid-out image
    """
    (first, last), cells, vector = row_range, y.shape[3], WIDTH // y.itemsize
    start_row, rows, length = first, last - first, cells
    if width == cells:  # one long row
        rows, length = 1, (last - first) * cells
    per_row = (length + vector - 1) // vector
    count = rows * per_row
    inputs, outputs = np.empty(count + MOST_VECTORS, np.int64), np.empty(count + MOST_VECTORS, np.int64)
    for q in range(count + MOST_VECTORS):
        i, part = min(q, count - 1) // per_row, min(q, count - 1) % per_row
        column = min(part * vector, length - vector)
        inputs[q], outputs[q] = (start_row + i) * width + column, (start_row + i) * cells + column
    return Vectors(inputs, outputs, count)


@inlined
def _list_filters(weights, padded, b, y, filter_range, epilogue):
    """Return a range of filters in the order of the tiles. Their number is rounded up to `padded`."""
    (lowest, end), plane = filter_range, y.shape[2] * y.shape[3]
    outputs, listed_addends, listed_factors = (
        np.empty(padded, np.int64),
        np.empty(padded, y.dtype),
        np.empty(padded, y.dtype),
    )
    addends, factors = scales_of(b, epilogue.scaled, y)
    for t in range(padded):
        o = min(lowest + t, end - 1)
        outputs[t], listed_addends[t], listed_factors[t] = o * plane, addends[o], factors[o]
    return Filters(
        weights, outputs, LaneEpilogue(listed_addends, listed_factors, epilogue.scaled, clamp_of(epilogue, y))
    )


@inlined
def _correlate(rows, offsets, vectors, filters, y, columns):
    """Compute the results of the filters for an image in tiles of `columns` filters."""
    if columns == BASE_TILE[2]:
        _correlate_by(rows, offsets, vectors, filters, y, BASE_TILE[0], BASE_TILE[1], BASE_TILE[2])
    elif columns == 5:
        _correlate_by(rows, offsets, vectors, filters, y, TILE_OF_5[0], TILE_OF_5[1], TILE_OF_5[2])
    else:
        _correlate_by(rows, offsets, vectors, filters, y, TILE_OF_6[0], TILE_OF_6[1], TILE_OF_6[2])


@kernel
def _correlate_by(rows, offsets, vectors, filters, y, tile_rows, rest_rows, tile_columns):
    """Compute the results of an image in tiles of `tile_rows` vectors, then of `rest_rows` vectors, by filters."""
    literally(tile_rows)
    literally(rest_rows)
    literally(tile_columns)
    strip = max(1, STRIP // (offsets.size * WIDTH * tile_rows)) * tile_rows
    whole = in_tall_tiles(vectors.number, tile_rows, rest_rows)
    for first in range(0, vectors.number, strip):
        last = min(first + strip, vectors.number)
        for o in range(0, filters.outputs.size, tile_columns):
            for q in range(first, min(last, whole), tile_rows):
                _store_tile(rows, offsets, vectors, filters, y, q, o, tile_rows, tile_columns)
            for q in range(max(first, whole), last, rest_rows):
                _store_tile(rows, offsets, vectors, filters, y, q, o, rest_rows, tile_columns)


@inlined
def _store_tile(rows, offsets, vectors, filters, y, q, o, tile_rows, tile_columns):
    """Compute the tile whose first vector is q and whose first filter is o."""
    inputs, (addends, factors, scaled, clamp) = load_offsets(vectors.inputs, q, tile_rows), filters.epilogue
    bias = spread_columns(addends, o, tile_rows, tile_columns)
    tile = zeros(rows, tile_rows, tile_columns) if scaled else bias
    for k in range(offsets.size):
        tile = add_vectors_at(tile, rows, offsets[k], inputs, filters.weights, o * offsets.size + k * tile_columns)
    if scaled:
        tile = multiply_add(tile, spread_columns(factors, o, tile_rows, tile_columns), bias)
    store_vectors_at(clamp_tile(tile, clamp.minimum, clamp.maximum), y, vectors.outputs, q, filters.outputs, o)
