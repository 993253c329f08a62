"""Cross-correlation and its gradients, compiled. The equations are in reference/convolution.py.

One walk serves all strides, dilations, groups and kernels. A padded image is kept flat, its rows one after the
other, `width` cells each. The cell under a tap is then always the same distance ahead of the output p = i·width + j:

    y[o, p] = Σ_k w[o, k] · rows[p + taps[k]]        k over the taps (c, u, v)

There are no row ends, and outputs side by side are one vector; the last cells of each row of y are garbage that is
never read. The sums of a few vectors of outputs for a few filters stay in registers while k runs (see `tiles`).

stride  the cells of one remainder (i mod s, j mod s) are an image of their own, a phase; every tap lies in one.
dx      the same sums over dy, one phase of dx after the other: with stride 1 the full convolution.
dw      dw[o, k] += Σ_p dy[o, p] · rows[p + taps[k]], with dy zero where a row is garbage.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.bounds import bounds_of, has_tied_bias, is_untied, scales_of
from chainrule.engines.compiled.layout import (
    PaddedLayout,
    Sliding,
    backward_taps,
    buffer_size,
    conflict_free_stride,
    copy_rows,
    correlate_dw_shape,
    correlate_dx_shape,
    correlate_shape,
    forward_taps,
    lay_out,
    padded_layout,
    phase_extent,
    rows_seen,
    spread_rows,
)
from chainrule.engines.compiled.registry import SHARED_FROM, Share, Slide, always, operation, rows_or_filters
from chainrule.engines.compiled.tiles import add_outer, add_products, store, store_sums, zeros
from chainrule.engines.compiled.toolchain import COUNT, WIDTH, inlined, kernel, literally

# Tiles, as (vectors, fewer vectors for a rest, filters): as large as the registers of the processor allow.
EIGHT, SIX, FIVE = ((3, 2, 8), (4, 2, 6), (5, 3, 5)) if COUNT == 32 else ((1, 1, 8), (2, 1, 6), (2, 1, 5))
TALL, BROAD = (4, 6) if COUNT == 32 else (2, 6)  # a tile of a kernel gradient: filters and taps, or the reverse
SQUARE = 5 if COUNT == 32 else 3  # filters and taps of a third tile
PRODUCTS_IN_REGISTERS = 4096  # products of a kernel gradient that are summed in registers before the lanes are added up


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


class Epilogue(NamedTuple):
    """How sums in rows of `width` become results: times `times`, plus `plus`, and within `least` and `most`.

    1, −∞ and ∞ stand for no factor and no bound: a choice in the loop would prevent vectors.
    """

    width: int
    plus: Any
    times: Any
    least: Any
    most: Any


def share_tiles(shape: tuple[int, ...], itemsize: int) -> Share:
    """Share rows, or tiles of filters."""
    tile = filters_per_tile(shape[0])
    parts = -(-shape[0] // tile)
    return rows_or_filters(shape, tile, -(-parts // 2) / parts)


@operation(
    correlate_shape,
    flat=("b",),
    share=share_tiles,
    shared_from=SHARED_FROM,
    epilogues={"scaled": has_tied_bias, "rectify": always, "capped": always, "pooled": has_tied_bias},
    slide=Slide("y", tiled=True),
)
@kernel
def cross_correlate(
    x,
    w,
    b,
    y,
    stride=(1, 1),
    padding=((0, 0), (0, 0)),
    dilation=(1, 1),
    groups=1,
    flip=False,
    scaled=False,
    rectify=False,
    capped=0.0,
    pooled=False,
    first=0,
    last=-1,
    lowest=0,
    highest=-1,
):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    scaled   b holds addends and factors of the filters: y = (w ⋆ x)·factor + addend
    rectify  set y to 0 where it is not positive, as the ReLU that follows would
    capped   the same, and to this where it is larger, unless it is 0
    pooled   write the largest of each 2×2 results alone; the bias must be tied
    """
    slide = Sliding(stride, padding, dilation, flip)
    last, end = y.shape[2] if last < 0 else last, y.shape[1] if highest < 0 else highest
    untied, (least, most) = is_untied(b, scaled, y), bounds_of(rectify, capped, y)
    plus, times = scales_of(b, scaled, y)
    outs, filters = y.shape[1] // groups, w[0].size
    laid = padded_layout(x, slide)
    offsets = forward_taps(w.shape, laid, slide)
    if last <= first:
        return
    by = 2 if pooled else 1
    wanted, above = rows_seen(x, w, slide, by * first, by * last), by * first * laid.width
    length = (by * (last - first) - 1) * laid.width + by * y.shape[3]
    size = _row_size(length, x.itemsize)
    phases = laid.plane * stride[0] * stride[1]
    furthest = (groups - 1) * w.shape[1] * phases + above
    rows = np.zeros(buffer_size(x.shape[1] * phases, furthest, offsets, size), x.dtype)
    sums = Sums(np.empty(_padded_rows(outs) * size, x.dtype), size, length)
    flat = _with_slack(w, outs if end - lowest == y.shape[1] else (end - lowest if groups == 1 else 1), filters)
    for s in range(x.shape[0]):
        lay_out(x[s], rows, laid, slide, wanted)
        for g in range(groups):
            ahead = g * w.shape[1] * phases + above
            begin, count = max(lowest, g * outs), min(end, (g + 1) * outs) - max(lowest, g * outs)
            if count <= 0:
                continue
            weights = Weights(flat, begin * filters, filters, np.arange(filters))
            _correlate_tiles(Rows(rows, 0, offsets), ahead, weights, sums, count)
            for o in range(count):
                f = begin + o
                target, tied = y[s, f, first:last], Epilogue(laid.width, plus[f], times[f], least, most)
                if pooled:
                    _pool_with_bias(sums.values, o * size, target, tied)
                elif untied:
                    place = (f * y.shape[2] + first) * y.shape[3]
                    more = plus[place : place + target.size]
                    _copy_with_untied_bias(sums.values, o * size, target, Epilogue(laid.width, more, 1, least, most))
                else:
                    _copy_with_bias(sums.values, o * size, target, tied)


@operation(correlate_dx_shape, slide=Slide("dx", tiled=True))
@kernel
def cross_correlate_dx(dy, w, dx, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, flip=False):
    """Compute the cells of every phase of dx from the taps that fall on it."""
    for down in range(stride[0]):
        for along in range(stride[1]):
            _correlate_phase(dy, w, dx, (down, along), groups, Sliding(stride, padding, dilation, flip))


@inlined
def _correlate_phase(dy, w, dx, phase, groups, slide):
    """Compute dx[c, s·i + r] = Σ_{o, u ≡ r} w[o, c, u] dy[o, i − d·u // s], on both axes alike, r the phase."""
    stride, padding = slide.stride, slide.padding
    down = phase_extent(0, phase, slide, w.shape, dy.shape, dx.shape)
    along = phase_extent(1, phase, slide, w.shape, dy.shape, dx.shape)
    if down.count <= 0 or along.count <= 0:
        return
    ins, of_group = w.shape[1], dy.shape[1] // groups
    width = dy.shape[3] + max(along.before, along.after)
    laid = PaddedLayout(width, (down.before + dy.shape[2] + down.after) * width)
    offsets, order = backward_taps(w.shape, phase, laid, of_group, slide)
    offsets += down.skip * width + along.skip
    length = (down.count - 1) * width + along.count
    size = _row_size(length, dy.itemsize)
    rows = np.zeros(
        buffer_size(dy.shape[1] * laid.plane, (groups - 1) * of_group * laid.plane, offsets, size), dy.dtype
    )
    sums = Sums(np.empty(_padded_rows(ins) * size, dy.dtype), size, length)
    taps = w.shape[2] * w.shape[3]
    flat = _with_slack(w, ins, taps)
    number = dy.dtype.type
    result = Epilogue(width, number(0), number(1), number(-np.inf), number(np.inf))
    for s in range(dy.shape[0]):
        copy_rows(dy[s], rows, down.before * width + along.before, laid)
        for g in range(groups):
            weights = Weights(flat, g * of_group * ins * taps, taps, order)
            _correlate_tiles(Rows(rows, 0, offsets), g * of_group * laid.plane, weights, sums, ins)
            for c in range(ins):
                target = dx[s, g * ins + c]
                if stride[0] == 1 and stride[1] == 1:
                    _copy_with_bias(sums.values, c * size, target, result)
                    continue
                top = stride[0] * down.first + phase[0] - padding[0][0]
                left = stride[1] * along.first + phase[1] - padding[1][0]
                spread_rows(sums.values, c * size, width, target, (top, left), stride)


@operation(correlate_dw_shape, accumulates=True, slide=Slide("dw", tiled=True))
@kernel
def cross_correlate_dw(x, dy, dw, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, flip=False):
    """Add x ⋆ dy to dw, summed over the samples of a block, as many at a time as stay in a cache."""
    slide = Sliding(stride, padding, dilation, flip)
    laid = padded_layout(x, slide)
    offsets = forward_taps(dw.shape, laid, slide)
    length = (dy.shape[2] - 1) * laid.width + dy.shape[3]
    size = _row_size(length, x.itemsize)
    phases = laid.plane * stride[0] * stride[1]
    image, upstream_stride = conflict_free_stride(x.shape[1] * phases), conflict_free_stride(dy.shape[1] * size)
    samples_per_block = max(1, min(x.shape[0], PRODUCTS_IN_REGISTERS // length))
    last = (samples_per_block - 1) * image + (groups - 1) * dw.shape[1] * phases
    rows = np.zeros(buffer_size(samples_per_block * image, last, offsets, size), x.dtype)
    upstream = np.zeros((samples_per_block - 1) * upstream_stride + (dy.shape[1] + BROAD) * size, x.dtype)
    outs = dy.shape[1] // groups
    for first in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - first)
        for s in range(count):
            lay_out(x[first + s], rows[s * image :], laid, slide, (0, x.shape[2]))
            copy_rows(dy[first + s], upstream, s * upstream_stride, PaddedLayout(laid.width, size))
        for g in range(groups):
            given = UpstreamRows(upstream[g * outs * size :], upstream_stride, size, length)
            seen = Rows(rows[g * dw.shape[1] * phases :], image, offsets)
            _weight_gradient(given, seen, dw[g * outs : (g + 1) * outs], count)


# ---------------------------------------------------------------------- rows of sums


@inlined
def _row_size(length, itemsize):
    """Return the entries that tiles read from a tap on, and write, for a row: whole vectors, or a whole tile."""
    vector = WIDTH // itemsize
    return max((length + vector - 1) // vector, max(EIGHT[0], SIX[0], FIVE[0])) * vector


@inlined
def _padded_rows(outs):
    """Return the number of rows of sums, with the rest of the last tile."""
    return (outs + filters_per_tile(outs) - 1) // filters_per_tile(outs) * filters_per_tile(outs)


@inlined
def _with_slack(w, outs, step):
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


@kernel
def _copy_with_bias(sums, start, image, result):
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


@inlined
def filters_per_tile(outs):
    """Return the filters of a tile: 8, 6 or 5, whichever leaves least of it empty."""
    eight, six, five = -outs % 8, -outs % 6, -outs % 5
    if five < min(eight, six):
        return 5
    return 8 if eight <= six else 6


@inlined
def _correlate_tiles(rows, ahead, weights, sums, outs):
    """Compute sums[o·size + p] = Σ_k w[start + o·step + order[k]] · rows[ahead + p + taps[k]] for `outs` filters o."""
    tile = filters_per_tile(outs)
    if tile == 8:
        _correlate_tiles_by(rows, ahead, weights, sums, outs, tall=EIGHT[0], low=EIGHT[1], broad=EIGHT[2])
    elif tile == 5:
        _correlate_tiles_by(rows, ahead, weights, sums, outs, tall=FIVE[0], low=FIVE[1], broad=FIVE[2])
    else:
        _correlate_tiles_by(rows, ahead, weights, sums, outs, tall=SIX[0], low=SIX[1], broad=SIX[2])


@kernel
def _correlate_tiles_by(laid, ahead, weights, results, outs, tall, low, broad):
    """Compute `_sum` by tiles of `tall` vectors of outputs by `broad` filters, and one or two of `low` for the rest.

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
    rest = vectors % tall
    if rest > low:
        rest = 0  # a whole tile
    elif rest + tall == 2 * low and vectors > tall:
        rest += tall  # two low tiles
    whole = vectors - rest
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
def _weight_gradient(given, seen, dw, count):
    """Add Σ_s Σ_p dy[s·image + o·size + p] · rows[s·image + p + taps[k]] over `count` samples to dw[o, k]."""
    tall, broad, square = -dw.shape[0] % TALL, -dw.shape[0] % BROAD, -dw.shape[0] % SQUARE
    if square < min(tall, broad):
        _weight_gradient_by(given, seen, dw, count, tall=SQUARE, broad=SQUARE)
    elif tall <= broad:
        _weight_gradient_by(given, seen, dw, count, tall=TALL, broad=BROAD)
    else:
        _weight_gradient_by(given, seen, dw, count, tall=BROAD, broad=TALL)


@kernel
def _weight_gradient_by(given, seen, dw, count, tall, broad):
    """Compute `_weight_gradient` by tiles of `tall` filters by `broad` taps, without what lies beyond the edges."""
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
            tile = zeros(rows, tall, broad)
            for s in range(count):
                g, r = s * upstream_stride + o * size, s * image
                for p in range(0, length, vector):
                    tile = add_products(tile, upstream, g + p, size, rows, r + p, ahead, k)
            store_sums(tile, sums, 0)
            for a in range(min(tall, outs - o)):
                for b in range(min(broad, taps - k)):
                    gradient[o + a, k + b] += sums[a * broad + b]
