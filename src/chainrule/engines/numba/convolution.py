"""Cross-correlation and its gradients, compiled. The equations are in reference/convolution.py.

One walk serves all strides, dilations, groups and kernels. A padded picture is kept flat, its rows one after the
other, `width` cells each. The cell under a tap is then always the same distance ahead of the output p = i·width + j:

    y[o, p] = Σ_k w[o, k] · rows[p + places[k]]        k over the taps (c, u, v)

There are no row ends, and outputs side by side are one vector; the last cells of each row of y are garbage that
nobody reads. The sums of a few vectors of outputs for a few filters stay in registers while k runs (see `tiles`).

stride  the cells of one remainder (i mod s, j mod s) are a picture of their own, a phase; every tap lies in one.
dx      the same sums over dy, one phase of dx after the other: with stride 1 the full convolution.
dw      dw[o, k] += Σ_p dy[o, p] · rows[p + places[k]], with dy zero where a row is garbage.
"""

import numpy as np

from chainrule.engines.numba.layout import (
    aligned_zeros,
    apart,
    backward_taps,
    copy_rows,
    forward_taps,
    frame,
    lay_out,
    reach,
    room_for,
)
from chainrule.engines.numba.tiles import add_outer, add_products, store, store_sums, zeros
from chainrule.engines.numba.toolchain import COUNT, WIDTH, inlined, kernel, literally

# Tiles, as (vectors, fewer vectors for a rest, filters): what fits into the registers of the processor.
EIGHT, SIX = ((3, 2, 8), (4, 2, 6)) if COUNT == 32 else ((1, 1, 8), (2, 1, 6))
TALL, BROAD = (4, 6) if COUNT == 32 else (2, 6)  # a tile of a kernel gradient: filters and taps, or the reverse
MANY = 4096  # products of a kernel gradient that are summed in registers before the lanes are added up


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
    rectify=False,
    pooled=False,
    first=0,
    last=-1,
):
    """y = w ⋆ x + b for every sample of a block: all filters, or those that a thread has of one picture.

    rectify  y is 0 where that is not positive, as ReLU behind it would have it
    pooled   y has the largest of each 2×2 results, which are not written elsewhere; no untied bias
    """
    last = y.shape[1] if last < 0 else last
    untied, least = b is not None and b.size > y.shape[1], y.dtype.type(0 if rectify else -np.inf)
    bias = np.zeros(y.shape[1], y.dtype) if b is None else b
    outs, filters = y.shape[1] // groups, w[0].size
    width, plane = frame(x, stride, padding)
    places = forward_taps(w.shape, width, plane, stride, dilation, flip)
    by = 2 if pooled else 1
    length = (by * y.shape[2] - 1) * width + by * y.shape[3]
    size = _row_size(length, x.itemsize)
    phases = plane * stride[0] * stride[1]
    rows = np.zeros(room_for(x.shape[1] * phases, (groups - 1) * w.shape[1] * phases, places, size), x.dtype)
    sums = np.empty(_tall(outs) * size, x.dtype)
    weights = _with_slack(w, outs if last - first == y.shape[1] else (last - first if groups == 1 else 1), filters)
    for s in range(x.shape[0]):
        lay_out(x[s], rows, width, plane, stride, padding)
        for g in range(groups):
            ahead = g * w.shape[1] * phases
            begin, many = max(first, g * outs), min(last, (g + 1) * outs) - max(first, g * outs)
            if many <= 0:
                continue
            _sum(rows, ahead, places, weights, begin * filters, filters, np.arange(filters), sums, size, length, many)
            for o in range(many):
                target = y[s, begin + o]
                if pooled:
                    _pool_up(sums, o * size, width, target, bias[begin + o], least)
                elif untied:
                    more = bias[(begin + o) * target.size : (begin + o + 1) * target.size]
                    _take_up_untied(sums, o * size, width, target, more, least)
                else:
                    _take_up(sums, o * size, width, target, bias[begin + o], least)


@kernel
def cross_correlate_dx(dy, w, dx, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, flip=False):
    """dx: the cells of every phase from the taps that fall on it."""
    for down in range(stride[0]):
        for along in range(stride[1]):
            _correlate_phase(dy, w, dx, (down, along), stride, padding, dilation, groups, flip)


@inlined
def _correlate_phase(dy, w, dx, phase, stride, padding, dilation, groups, flip):
    """dx[c, s·i + r] = Σ_{o, u ≡ r} w[o, c, u] dy[o, i − d·u // s], in both directions alike, r the phase."""
    first_i, rows_i, above, down, below = reach(
        phase[0], stride[0], padding[0][0], dilation[0], w.shape[2], dy.shape[2], dx.shape[2]
    )
    first_j, cells_j, before, along, after = reach(
        phase[1], stride[1], padding[1][0], dilation[1], w.shape[3], dy.shape[3], dx.shape[3]
    )
    if rows_i <= 0 or cells_j <= 0:
        return
    ins, of_group = w.shape[1], dy.shape[1] // groups
    width = dy.shape[3] + max(before, after)
    plane = (above + dy.shape[2] + below) * width
    places, order = backward_taps(w.shape, phase, width, plane, of_group, stride, dilation, flip)
    places += down * width + along
    length = (rows_i - 1) * width + cells_j
    size = _row_size(length, dy.itemsize)
    rows = np.zeros(room_for(dy.shape[1] * plane, (groups - 1) * of_group * plane, places, size), dy.dtype)
    sums = np.empty(_tall(ins) * size, dy.dtype)
    taps = w.shape[2] * w.shape[3]
    weights = _with_slack(w, ins, taps)
    zero, least = dy.dtype.type(0), dy.dtype.type(-np.inf)
    for s in range(dy.shape[0]):
        copy_rows(dy[s], rows, above * width + before, width, plane)
        for g in range(groups):
            start = g * of_group * ins * taps
            _sum(rows, g * of_group * plane, places, weights, start, taps, order, sums, size, length, ins)
            for c in range(ins):
                target = dx[s, g * ins + c]
                if stride[0] == 1 and stride[1] == 1:
                    _take_up(sums, c * size, width, target, zero, least)
                    continue
                top, left = (
                    stride[0] * first_i + phase[0] - padding[0][0],
                    stride[1] * first_j + phase[1] - padding[1][0],
                )
                _take_apart(sums, c * size, width, target[top :: stride[0], left :: stride[1]])


@kernel
def cross_correlate_dw(x, dy, dw, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, flip=False):
    """dw += x ⋆ dy, summed over the samples of a block, as many at a time as stay in a cache."""
    width, plane = frame(x, stride, padding)
    places = forward_taps(dw.shape, width, plane, stride, dilation, flip)
    length = (dy.shape[2] - 1) * width + dy.shape[3]
    size = _row_size(length, x.itemsize)
    phases = plane * stride[0] * stride[1]
    picture, all_slopes = apart(x.shape[1] * phases), apart(dy.shape[1] * size)
    together = max(1, min(x.shape[0], MANY // length))
    last = (together - 1) * picture + (groups - 1) * dw.shape[1] * phases
    rows = np.zeros(room_for(together * picture, last, places, size), x.dtype)
    slopes = aligned_zeros((together - 1) * all_slopes + (dy.shape[1] + BROAD) * size, x)
    outs = dy.shape[1] // groups
    for first in range(0, x.shape[0], together):
        many = min(together, x.shape[0] - first)
        for s in range(many):
            lay_out(x[first + s], rows[s * picture :], width, plane, stride, padding)
            copy_rows(dy[first + s], slopes, s * all_slopes, width, size)
        for g in range(groups):
            ahead = g * dw.shape[1] * phases
            _sum_up(
                slopes[g * outs * size :],
                all_slopes,
                size,
                rows[ahead:],
                picture,
                places,
                dw[g * outs : (g + 1) * outs],
                many,
                length,
            )


# ---------------------------------------------------------------------- rows of sums


@inlined
def _row_size(length, itemsize):
    """Numbers that tiles read from a tap on, and write, for a row of so many sums: whole vectors, or a whole tile."""
    vector = WIDTH // itemsize
    return max((length + vector - 1) // vector, max(EIGHT[0], SIX[0])) * vector


@inlined
def _tall(outs):
    """So many rows of sums, and those that the last tile has too much."""
    return (outs + _broad(outs) - 1) // _broad(outs) * _broad(outs)


@inlined
def _with_slack(w, outs, step):
    """The kernel, flat; where tiles are broader than filters are left, with what they read behind it.

    That is never more than a tile of six has too much, since tiles of eight are taken where they have less.
    """
    flat = w.reshape(w.size)
    if outs % _broad(outs):
        longer = np.zeros(w.size + (SIX[2] - 1) * step, w.dtype)
        for k in range(w.size):
            longer[k] = flat[k]
        flat = longer
    return flat


@kernel
def _take_up(sums, start, width, picture, plus, least):
    """Copy rows of `width` cells into (H, W), without the garbage at their ends; add a number, and be no less than one.

    The least is −∞ where there is none: a choice in the loop would cost the vectors.
    """
    height, cells = picture.shape
    for i in range(height):
        place = start + i * width
        source, target = sums[place : place + cells], picture[i]
        for j in range(cells):
            value = source[j] + plus
            target[j] = least if value <= least else value


@kernel
def _pool_up(sums, start, width, picture, plus, least):
    """The same of the largest of each 2×2 sums; NaN is larger than all."""
    height, cells = picture.shape
    for i in range(height):
        place = start + 2 * i * width
        upper, lower, target = sums[place : place + width], sums[place + width : place + 2 * width], picture[i]
        for j in range(cells):
            a, b = _larger(upper[2 * j], upper[2 * j + 1]), _larger(lower[2 * j], lower[2 * j + 1])
            value = _larger(a, b) + plus
            target[j] = least if value <= least else value


@inlined
def _larger(a, b):
    return a if a > b or a != a else b


@kernel
def _take_up_untied(sums, start, width, picture, bias, least):
    """The same with a number to add for every cell."""
    height, cells = picture.shape
    for i in range(height):
        place = start + i * width
        source, more, target = sums[place : place + cells], bias[i * cells : (i + 1) * cells], picture[i]
        for j in range(cells):
            value = source[j] + more[j]
            target[j] = least if value <= least else value


@kernel
def _take_apart(sums, start, width, picture):
    """The same into every s-th cell of every s-th row."""
    height, cells = picture.shape
    for i in range(height):
        for j in range(cells):
            picture[i, j] = sums[start + i * width + j]


# ---------------------------------------------------------------------- the sums


@inlined
def _broad(outs):
    """How many filters a tile takes: 8 or 6, whichever leaves fewer places empty."""
    return 8 if -outs % 8 <= -outs % 6 else 6


@inlined
def _sum(rows, ahead, places, w, start, step, order, sums, size, length, outs):
    """sums[o·size + p] = Σ_k w[start + o·step + order[k]] · rows[ahead + p + places[k]]."""
    if _broad(outs) == 8:
        _sum_by(rows, ahead, places, w, start, step, order, sums, size, length, outs, EIGHT[0], EIGHT[1], EIGHT[2])
    else:
        _sum_by(rows, ahead, places, w, start, step, order, sums, size, length, outs, SIX[0], SIX[1], SIX[2])


@kernel
def _sum_by(rows, ahead, places, w, start, step, order, sums, size, length, outs, tall, low, broad):
    """The same by tiles of `tall` vectors of outputs by `broad` filters, and one or two of `low` for the rest.

    The last tile of a row covers some outputs again, or reaches behind its end.
    """
    literally(tall)
    literally(low)
    literally(broad)
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
            for k in range(places.size):
                tile = add_outer(tile, rows, ahead + p + places[k], w, first + order[k], step)
            store(tile, sums, o * size + p, size)
        for t in range(whole, vectors, low):
            p = min(t, max(vectors - low, 0)) * vector
            tile = zeros(rows, low, broad)
            for k in range(places.size):
                tile = add_outer(tile, rows, ahead + p + places[k], w, first + order[k], step)
            store(tile, sums, o * size + p, size)


@inlined
def _sum_up(slopes, all_slopes, size, rows, picture, places, dw, many, length):
    """dw[o, k] += Σ_s Σ_p slopes[s·all_slopes + o·size + p] · rows[s·picture + p + places[k]]."""
    if -dw.shape[0] % TALL <= -dw.shape[0] % BROAD:
        _sum_up_by(slopes, all_slopes, size, rows, picture, places, dw, many, length, TALL, BROAD)
    else:
        _sum_up_by(slopes, all_slopes, size, rows, picture, places, dw, many, length, BROAD, TALL)


@kernel
def _sum_up_by(slopes, all_slopes, size, rows, picture, places, dw, many, length, tall, broad):
    """The same by tiles of `tall` filters by `broad` taps; of those at the edges, what is left over is not taken."""
    literally(tall)
    literally(broad)
    outs, taps, vector = dw.shape[0], places.size, WIDTH // rows.itemsize
    gradient, sums = dw.reshape(outs, taps), np.empty(tall * broad + vector, rows.dtype)
    ahead = np.zeros(taps + broad, np.int64)
    for k in range(taps):
        ahead[k] = places[k]
    for o in range(0, outs, tall):
        for k in range(0, taps, broad):
            tile = zeros(rows, tall, broad)
            for s in range(many):
                g, r = s * all_slopes + o * size, s * picture
                for p in range(0, length, vector):
                    tile = add_products(tile, slopes, g + p, size, rows, r + p, ahead, k)
            store_sums(tile, sums, 0)
            for a in range(min(tall, outs - o)):
                for b in range(min(broad, taps - k)):
                    gradient[o + a, k + b] += sums[a * broad + b]
