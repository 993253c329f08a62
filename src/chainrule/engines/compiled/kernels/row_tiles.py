"""Cross-correlation of images stored in rows, computed with tiles of sums in registers; see `convolution.py`."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import COUNT, WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.tiles import add_outer, add_products, load_offsets, store, store_sums, zeros

# Tiles as (vectors, vectors for a remainder, filters), as large as the registers of the processor allow.
BASE_TILE, TILE_OF_6, TILE_OF_5 = (
    ((3, 2, 8), (4, 2, 6), (5, 3, 5)) if COUNT == 32 else ((3, 2, 4), (2, 1, 6), (2, 1, 5))
)
# Tiles of a kernel gradient as (filters, taps): SHORT_SIDE × LONG_SIDE or LONG_SIDE × SHORT_SIDE.
SHORT_SIDE, LONG_SIDE = (4, 6) if COUNT == 32 else (3, 4)


class Rows(NamedTuple):
    """Images stored in rows.

    image  distance between images, in elements
    taps   for each tap, the distance from an output to its input under this tap
    """

    cells: Any
    image: int
    taps: Any


class Weights(NamedTuple):
    """Weights of filters: tap k of filter o is values[start + o·step + order[k]]."""

    values: Any
    start: int
    step: int
    order: Any


class Sums(NamedTuple):
    """The sums of filters: one row per filter.

    size    distance between rows, in elements
    length  number of elements in a row, without the unused remainder of the row's last tile
    """

    values: Any
    size: int
    length: int


class UpstreamRows(NamedTuple):
    """The upstream gradients of images: one row per image and filter, as in `Sums`.

    image  distance between images, in elements
    """

    values: Any
    image: int
    size: int
    length: int


class FilterEpilogue(NamedTuple):
    """Conversion of the sums of one filter to results: sums·factor + bias, clamped to [minimum, maximum].

    If they are not needed, the factor is 1 and the bounds are ±∞, since a branch in the loop would prevent
    vectorization.

    width  length of a row of sums
    """

    width: int
    bias: Any
    factor: Any
    minimum: Any
    maximum: Any


class RowEpilogue(NamedTuple):
    """Conversion of the sums of all filters to results.

    width    length of a row of sums
    addends  one per filter, or one per output if `untied`
    factors  one per filter
    clamp    `Clamp`: bounds of the results, and the leak
    """

    width: int
    addends: Any
    factors: Any
    untied: Any
    clamp: Any


@inlined
def row_size(length, itemsize):
    """Return the number of elements of a row that tiles read under a tap and write: `length`, rounded up to vectors.

    The result is at least the width of the widest tile.
    """
    vector = WIDTH // itemsize
    return max((length + vector - 1) // vector, max(BASE_TILE[0], TILE_OF_6[0], TILE_OF_5[0])) * vector


@inlined
def padded_rows(outs):
    """Return the number of rows of sums for `outs` filters, rounded up to whole tiles."""
    return (outs + filters_per_tile(outs) - 1) // filters_per_tile(outs) * filters_per_tile(outs)


@inlined
def with_slack(w, outs, step):
    """Return w as a flat array, followed by zeros if the last tile has more columns than filters remain.

    The chosen tile never has more unused columns than a tile of six filters, so zeros for five filters are sufficient.

    outs  number of filters that are computed together
    step  number of weights of a filter
    """
    flat = w.reshape(w.size)
    if outs % filters_per_tile(outs):
        longer = np.zeros(w.size + (TILE_OF_6[2] - 1) * step, w.dtype)
        for k in range(w.size):
            longer[k] = flat[k]
        flat = longer
    return flat


@inlined
def filters_per_tile(outs):
    """Return the number of filters of the tile that leaves the fewest columns unused for `outs` filters."""
    even, six, five = -outs % BASE_TILE[2], -outs % 6, -outs % 5
    if five < min(even, six):
        return 5
    return BASE_TILE[2] if even <= six else 6


@inlined
def correlate_tiles(rows, start_of_rows, weights, sums, outs):
    """Compute sums[o·size + p] = Σ_k w[start + o·step + order[k]] · rows[ahead + p + taps[k]] for `outs` filters o.

    start_of_rows  offset `ahead` of the first output's input under a tap at distance 0
    """
    tile = filters_per_tile(outs)
    if tile == BASE_TILE[2]:
        _correlate_tiles_by(rows, start_of_rows, weights, sums, outs, BASE_TILE[0], BASE_TILE[1], BASE_TILE[2])
    elif tile == 5:
        _correlate_tiles_by(rows, start_of_rows, weights, sums, outs, TILE_OF_5[0], TILE_OF_5[1], TILE_OF_5[2])
    else:
        _correlate_tiles_by(rows, start_of_rows, weights, sums, outs, TILE_OF_6[0], TILE_OF_6[1], TILE_OF_6[2])


@inlined
def in_tall_tiles(vectors, tile_rows, rest_rows):
    """Return how many vectors of outputs to compute in tiles of `tile_rows`; the others are in tiles of `rest_rows`."""
    rest = vectors % tile_rows
    if rest > rest_rows:
        rest = 0  # one more large tile
    elif rest + tile_rows == 2 * rest_rows and vectors > tile_rows:
        rest += tile_rows  # two small tiles
    return vectors - rest


@kernel
def _correlate_tiles_by(rows_and_taps, start_of_rows, weights, results, outs, tile_rows, rest_rows, tile_columns):
    """Compute `correlate_tiles` in tiles of `tile_rows` vectors by `tile_columns` filters, then of `rest_rows` vectors.

    The last tile of a row computes some outputs again, or extends beyond the row.
    """
    literally(tile_rows)
    literally(rest_rows)
    literally(tile_columns)
    rows, _, offsets = rows_and_taps
    w, start, step, order = weights
    sums, size, length = results
    vector = WIDTH // rows.itemsize
    vectors = (length + vector - 1) // vector
    whole = in_tall_tiles(vectors, tile_rows, rest_rows)
    for o in range(0, outs, tile_columns):
        first = start + o * step
        for t in range(0, whole, tile_rows):
            p = min(t, max(vectors - tile_rows, 0)) * vector
            tile = zeros(rows, tile_rows, tile_columns)
            for k in range(offsets.size):
                tile = add_outer(tile, rows, start_of_rows + p + offsets[k], w, first + order[k], step)
            store(tile, sums, o * size + p, size)
        for t in range(whole, vectors, rest_rows):
            p = min(t, max(vectors - rest_rows, 0)) * vector
            tile = zeros(rows, rest_rows, tile_columns)
            for k in range(offsets.size):
                tile = add_outer(tile, rows, start_of_rows + p + offsets[k], w, first + order[k], step)
            store(tile, sums, o * size + p, size)


@inlined
def weight_gradient(upstream_rows, input_rows, dw, count):
    """Add Σ_n Σ_p dy[n·image + o·size + p] · rows[n·image + p + taps[k]] over `count` samples to dw[o, k].

    `image` is the distance between images, which differs between dy and the input rows.
    """
    if -dw.shape[0] % SHORT_SIDE <= -dw.shape[0] % LONG_SIDE:
        _weight_gradient_by(upstream_rows, input_rows, dw, count, SHORT_SIDE, LONG_SIDE)
    else:
        _weight_gradient_by(upstream_rows, input_rows, dw, count, LONG_SIDE, SHORT_SIDE)


@kernel
def _weight_gradient_by(upstream_rows, input_rows, dw, count, tile_rows, tile_columns):
    """Compute `weight_gradient` in tiles of filters by taps. Sums beyond the edges are not written.

    A tile starts at filter o and tap k, and sums vectors of products over all samples and outputs. `store_sums` then
    adds up the lanes: sums[i · tile_columns + j] belongs to filter o + i and tap k + j.
    """
    literally(tile_rows)
    literally(tile_columns)
    upstream, upstream_stride, size, length = upstream_rows
    rows, image, offsets = input_rows
    outs, taps, vector = dw.shape[0], offsets.size, WIDTH // rows.itemsize
    gradient, sums = dw.reshape(outs, taps), np.empty(tile_rows * tile_columns + vector, rows.dtype)
    padded_offsets = np.zeros(taps + tile_columns, np.int64)
    for k in range(taps):
        padded_offsets[k] = offsets[k]
    for o in range(0, outs, tile_rows):
        for k in range(0, taps, tile_columns):
            tile, offsets_of_taps = zeros(rows, tile_rows, tile_columns), load_offsets(padded_offsets, k, tile_columns)
            for n in range(count):
                upstream_start, row_start = n * upstream_stride + o * size, n * image
                for offset in range(0, length, vector):
                    tile = add_products(
                        tile, upstream, upstream_start + offset, size, rows, row_start + offset, offsets_of_taps
                    )
            store_sums(tile, sums, 0)
            for i in range(min(tile_rows, outs - o)):
                for j in range(min(tile_columns, taps - k)):
                    gradient[o + i, k + j] += sums[i * tile_columns + j]


@inlined
def write_results(sums, start, y, sample_and_filter, rows, row_epilogue, pooled):
    """Write a range of rows of y for one filter of one sample, and apply the epilogue.

    start   offset of the first sum
    pooled  whether to write the maximum of each 2×2 block of sums
    """
    (n, o), (first, last) = sample_and_filter, rows
    target, (minimum, maximum) = y[n, o, first:last], row_epilogue.clamp
    if pooled:
        _pool_with_bias(
            sums,
            start,
            target,
            FilterEpilogue(row_epilogue.width, row_epilogue.addends[o], row_epilogue.factors[o], minimum, maximum),
        )
    elif row_epilogue.untied:
        first_output = (o * y.shape[2] + first) * y.shape[3]
        biases = row_epilogue.addends[first_output : first_output + target.size]
        _copy_with_untied_bias(sums, start, target, FilterEpilogue(row_epilogue.width, biases, 1, minimum, maximum))
    else:
        copy_with_bias(
            sums,
            start,
            target,
            FilterEpilogue(row_epilogue.width, row_epilogue.addends[o], row_epilogue.factors[o], minimum, maximum),
        )


@kernel
def copy_with_bias(sums, start, image, epilogue):
    """Copy rows of sums to an image (H, W), and apply the epilogue. Garbage at the ends of the rows is skipped.

    start  offset of the first sum
    """
    width, bias, factor, minimum, maximum = epilogue
    height, cells = image.shape
    for i in range(height):
        row_start = start + i * width
        source, target = sums[row_start : row_start + cells], image[i]
        for j in range(cells):
            value = source[j] * factor + bias
            target[j] = minimum if value <= minimum else maximum if value >= maximum else value


@kernel
def _pool_with_bias(sums, start, image, epilogue):
    """Store the maximum of each 2×2 block of sums, with the epilogue. NaN propagates."""
    width, bias, _, minimum, maximum = epilogue
    height, cells = image.shape
    for i in range(height):
        row_start = start + 2 * i * width
        upper, lower = sums[row_start:], sums[row_start + width :]
        target = image[i]
        for j in range(cells):
            a, b = _larger(upper[2 * j], upper[2 * j + 1]), _larger(lower[2 * j], lower[2 * j + 1])
            value = _larger(a, b) + bias
            target[j] = minimum if value <= minimum else maximum if value >= maximum else value


@inlined
def _larger(a, b):
    return a if a > b or a != a else b


@kernel
def _copy_with_untied_bias(sums, start, image, epilogue):
    """Copy rows of sums as `copy_with_bias` does, but with one bias per output and without a factor."""
    width, bias, _, minimum, maximum = epilogue
    height, cells = image.shape
    for i in range(height):
        row_start = start + i * width
        source, biases, target = sums[row_start : row_start + cells], bias[i * cells : (i + 1) * cells], image[i]
        for j in range(cells):
            value = source[j] + biases[j]
            target[j] = minimum if value <= minimum else maximum if value >= maximum else value
