"""Correlations of images that are laid out in rows, by tiles of sums in registers; see `convolution`."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import COUNT, WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.epilogue import leak_row
from chainrule.engines.compiled.kernels.tiles import add_outer, add_products, places, store, store_sums, zeros

# Tiles, as (vectors, fewer vectors for a rest, filters): as large as the registers of the processor allow.
EVEN, SIX, FIVE = ((3, 2, 8), (4, 2, 6), (5, 3, 5)) if COUNT == 32 else ((3, 2, 4), (2, 1, 6), (2, 1, 5))
# Tiles of a kernel gradient, as (filters, taps): one of them, the same turned round, and a third.
TALL, BROAD = (4, 6) if COUNT == 32 else (3, 4)
THIRD = (5, 5) if COUNT == 32 else (2, 6)


class Rows(NamedTuple):
    """Images in rows, `image` cells apart; taps: how far ahead of its output the cell under each tap lies."""

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
    """Rows of values of filters, `size` entries apart, each `length` long without the rest of its last tile."""

    values: Any
    size: int
    length: int


class UpstreamRows(NamedTuple):
    """Upstream gradients of images, `image` entries apart, in rows of values like `Sums`."""

    values: Any
    image: int
    size: int
    length: int


class FilterEpilogue(NamedTuple):
    """How sums in rows of `width` become results: times `times`, plus `plus`, and within `least` and `most`.

    1, −∞ and ∞ stand for no factor and no bound: a choice in the loop would prevent vectors.
    """

    width: int
    plus: Any
    times: Any
    least: Any
    most: Any


class RowEpilogue(NamedTuple):
    """How sums become the results of all filters: `times` and `plus` of each filter; if `untied`, `plus` of each cell.

    clamp    of the results
    """

    width: int
    plus: Any
    times: Any
    untied: Any
    clamp: Any


@inlined
def row_size(length, itemsize):
    """Return the entries that tiles read from a tap on, and write, for a row: whole vectors, or a whole tile."""
    vector = WIDTH // itemsize
    return max((length + vector - 1) // vector, max(EVEN[0], SIX[0], FIVE[0])) * vector


@inlined
def padded_rows(outs):
    """Return the number of rows of sums, with the rest of the last tile."""
    return (outs + filters_per_tile(outs) - 1) // filters_per_tile(outs) * filters_per_tile(outs)


@inlined
def with_slack(w, outs, step):
    """Return w, flat; where the last tile is broader than the filters that are left, with zeros for it to read.

    No tile is taken that has more to spare than one of six, so the zeros for six are enough.
    """
    flat = w.reshape(w.size)
    if outs % filters_per_tile(outs):
        longer = np.zeros(w.size + (SIX[2] - 1) * step, w.dtype)
        for k in range(w.size):
            longer[k] = flat[k]
        flat = longer
    return flat


@inlined
def filters_per_tile(outs):
    """Return the filters of a tile: those of `EVEN`, 6 or 5, whichever leaves least of it empty."""
    even, six, five = -outs % EVEN[2], -outs % 6, -outs % 5
    if five < min(even, six):
        return 5
    return EVEN[2] if even <= six else 6


@inlined
def correlate_tiles(rows, ahead, weights, sums, outs):
    """Compute sums[o·size + p] = Σ_k w[start + o·step + order[k]] · rows[ahead + p + taps[k]] for `outs` filters o."""
    tile = filters_per_tile(outs)
    if tile == EVEN[2]:
        _correlate_tiles_by(rows, ahead, weights, sums, outs, tall=EVEN[0], low=EVEN[1], broad=EVEN[2])
    elif tile == 5:
        _correlate_tiles_by(rows, ahead, weights, sums, outs, tall=FIVE[0], low=FIVE[1], broad=FIVE[2])
    else:
        _correlate_tiles_by(rows, ahead, weights, sums, outs, tall=SIX[0], low=SIX[1], broad=SIX[2])


@inlined
def in_tall_tiles(vectors, tall, low):
    """Return how many vectors of outputs tiles of `tall` vectors compute; those of `low` compute the rest."""
    rest = vectors % tall
    if rest > low:
        rest = 0  # a whole tile
    elif rest + tall == 2 * low and vectors > tall:
        rest += tall  # two low tiles
    return vectors - rest


@kernel
def _correlate_tiles_by(laid, ahead, weights, results, outs, tall, low, broad):
    """Compute `correlate_tiles` by `tall` vectors of outputs by `broad` filters, and one or two of `low` for the rest.

    The last tile of a row covers some outputs again, or reaches behind its end.
    """
    literally(tall)
    literally(low)
    literally(broad)
    rows, _, offsets = laid
    w, start, step, order = weights
    sums, size, length = results
    vector = WIDTH // rows.itemsize
    vectors = (length + vector - 1) // vector
    whole = in_tall_tiles(vectors, tall, low)
    for o in range(0, outs, broad):
        first = start + o * step
        for t in range(0, whole, tall):
            p = min(t, max(vectors - tall, 0)) * vector
            tile = zeros(rows, tall, broad)
            for k in range(offsets.size):
                tile = add_outer(tile, rows, ahead + p + offsets[k], w, first + order[k], step)
            store(tile, sums, o * size + p, size)
        for t in range(whole, vectors, low):
            p = min(t, max(vectors - low, 0)) * vector
            tile = zeros(rows, low, broad)
            for k in range(offsets.size):
                tile = add_outer(tile, rows, ahead + p + offsets[k], w, first + order[k], step)
            store(tile, sums, o * size + p, size)


@inlined
def weight_gradient(given, seen, dw, count):
    """Add Σ_s Σ_p dy[s·image + o·size + p] · rows[s·image + p + taps[k]] over `count` samples to dw[o, k]."""
    tall, broad, third = -dw.shape[0] % TALL, -dw.shape[0] % BROAD, -dw.shape[0] % THIRD[0]
    if third < min(tall, broad):
        _weight_gradient_by(given, seen, dw, count, tall=THIRD[0], broad=THIRD[1])
    elif tall <= broad:
        _weight_gradient_by(given, seen, dw, count, tall=TALL, broad=BROAD)
    else:
        _weight_gradient_by(given, seen, dw, count, tall=BROAD, broad=TALL)


@kernel
def _weight_gradient_by(given, seen, dw, count, tall, broad):
    """Compute `weight_gradient` by tiles of `tall` filters by `broad` taps, without what lies beyond the edges."""
    literally(tall)
    literally(broad)
    upstream, upstream_stride, size, length = given
    rows, image, offsets = seen
    outs, taps, vector = dw.shape[0], offsets.size, WIDTH // rows.itemsize
    gradient, sums = dw.reshape(outs, taps), np.empty(tall * broad + vector, rows.dtype)
    ahead = np.zeros(taps + broad, np.int64)
    for k in range(taps):
        ahead[k] = offsets[k]
    for o in range(0, outs, tall):
        for k in range(0, taps, broad):
            tile, under = zeros(rows, tall, broad), places(ahead, k, broad)
            for s in range(count):
                g, r = s * upstream_stride + o * size, s * image
                for p in range(0, length, vector):
                    tile = add_products(tile, upstream, g + p, size, rows, r + p, under)
            store_sums(tile, sums, 0)
            for a in range(min(tall, outs - o)):
                for b in range(min(broad, taps - k)):
                    gradient[o + a, k + b] += sums[a * broad + b]


@inlined
def write_results(sums, start, y, sample_and_filter, rows, ends, pooled):
    """Make the results of one filter for one sample, some rows of y, of the sums from `start` on; `pooled`: of 2×2."""
    (s, f), (first, last) = sample_and_filter, rows
    target, (least, most, part) = y[s, f, first:last], ends.clamp
    if pooled:
        _pool_with_bias(sums, start, target, FilterEpilogue(ends.width, ends.plus[f], ends.times[f], least, most))
    elif ends.untied:
        cell = (f * y.shape[2] + first) * y.shape[3]
        more = ends.plus[cell : cell + target.size]
        _copy_with_untied_bias(sums, start, target, FilterEpilogue(ends.width, more, 1, least, most))
    else:
        copy_with_bias(sums, start, target, FilterEpilogue(ends.width, ends.plus[f], ends.times[f], least, most))
    leak_row(target.reshape(target.size), part)


@kernel
def copy_with_bias(sums, start, image, result):
    """Copy rows from `start` on into (H, W), without the garbage at their ends."""
    width, bias, times, least, most = result
    height, cells = image.shape
    for i in range(height):
        place = start + i * width
        source, target = sums[place : place + cells], image[i]
        for j in range(cells):
            value = source[j] * times + bias
            target[j] = least if value <= least else most if value >= most else value


@kernel
def _pool_with_bias(sums, start, image, result):
    """Copy the largest of each 2×2 sums; NaN is larger than all."""
    width, bias, _, least, most = result
    height, cells = image.shape
    for i in range(height):
        place = start + 2 * i * width
        upper, lower, target = sums[place : place + width], sums[place + width : place + 2 * width], image[i]
        for j in range(cells):
            a, b = _larger(upper[2 * j], upper[2 * j + 1]), _larger(lower[2 * j], lower[2 * j + 1])
            value = _larger(a, b) + bias
            target[j] = least if value <= least else most if value >= most else value


@inlined
def _larger(a, b):
    return a if a > b or a != a else b


@kernel
def _copy_with_untied_bias(sums, start, image, result):
    """Copy rows with a bias for every cell."""
    width, bias, _, least, most = result
    height, cells = image.shape
    for i in range(height):
        place = start + i * width
        source, more, target = sums[place : place + cells], bias[i * cells : (i + 1) * cells], image[i]
        for j in range(cells):
            value = source[j] + more[j]
            target[j] = least if value <= least else most if value >= most else value
