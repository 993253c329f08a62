"""Cross-correlation and its gradients where filters fill whole vectors: their numbers lie side by side.

`convolution.py` has neighbouring outputs in a vector. Here a vector has one output of as many filters, and the cells of
the picture are single numbers, which meet it wherever they lie:

    y[p, o] = Σ_k w[k, o] · rows[at[p] + places[k]]        k over the taps (c, u, v), o over the lanes
    dw[k, o] += Σ_p rows[at[p] + places[k]] · dy[p, o]

So there is no garbage at the ends of rows, outputs of several small pictures are one list, and the sums of a kernel
gradient are in their lanes as they are, where else they have to be added up across a vector. The price: kernel and
slopes are turned (see `turning`) before, and results behind. That is a few hundredths of the time if there are
many taps, and with pooling only a quarter of the results is left to turn.

dx   the same sums over dy, filters and channels having changed places; with stride 1 only.
"""

import numpy as np

from chainrule.engines.numba.layout import (
    apart,
    backward_taps,
    copy_rows,
    forward_taps,
    frame,
    lay_out,
    positions,
    reach,
    room_for,
    unpadded,
)
from chainrule.engines.numba.tiles import add_picked, at_least, largest, load, load_picked, store
from chainrule.engines.numba.toolchain import COUNT, WIDTH, inlined, kernel, literally
from chainrule.engines.numba.turning import turn_each, turn_matrix

# Columns of a tile, which has two vectors of filters, or one where there are not more: outputs, outputs to pool, taps.
OUTPUTS, POOLED, TAPS = (14, 12, 12) if COUNT == 32 else (6, 4, 6)
MANY = 256  # outputs from which on a list of them is long enough to fill its tiles
STRIP = 256  # outputs whose slopes stay in the fastest cache while all taps pass by


@kernel
def correlate_filters(
    x,
    w,
    b,
    y,
    stride=(1, 1),
    padding=((0, 0), (0, 0)),
    dilation=(1, 1),
    flip=False,
    rectify=False,
    pooled=False,
    first=0,
    last=-1,
    lowest=0,
    highest=-1,
):
    """y = w ⋆ x + b for every sample of a block: all of y, or the rows or the filters that a thread has of one picture.

    rectify  y is 0 where that is not positive, as ReLU behind it would have it
    pooled   y has the largest of each 2×2 results, which never leave the registers
    """
    all_outs = y.shape[1]
    last = y.shape[2] if last < 0 else last
    outs = (all_outs if highest < 0 else highest) - lowest
    by = 2 if pooled else 1
    width, plane = frame(x, stride, padding)
    places = forward_taps(w.shape, width, plane, stride, dilation, flip)
    cells = (last - first) * y.shape[3]
    untied = b is not None and b.size > all_outs
    together = 1 if untied else max(1, min(x.shape[0], (MANY + cells - 1) // max(cells, 1)))
    length = (by * last - 1) * width + by * y.shape[3]
    in_place, picture, rows = _room(x, together, plane, length, places, stride, padding)
    weights = np.empty(places.size * outs, x.dtype)
    turn_matrix(w.reshape(w.size), lowest * places.size, places.size, outs, places.size, weights, 0, outs)
    at = np.zeros(together * cells * by * by + OUTPUTS, np.int64)
    _lay_windows(at, together, last - first, y.shape[3], width, picture, pooled)
    begin = np.zeros(at.size, np.int64)
    plus, above = np.zeros(outs, x.dtype), 0
    if untied:
        plane_of_b = b.size // all_outs
        across = plane_of_b // _height(x, w, stride, padding, dilation)
        _lay_windows(begin, together, last - first, y.shape[3], across, 0, pooled)
        begin, above = begin * outs, first * by * across * outs
        plus = np.empty(plane_of_b * outs, x.dtype)
        turn_matrix(b, lowest * plane_of_b, plane_of_b, outs, plane_of_b, plus, 0, outs)
    elif b is not None:
        for o in range(outs):
            plus[o] = b[lowest + o]
    sums = np.empty((together * cells + OUTPUTS) * outs, x.dtype)
    result, whole = y.reshape(y.size), y.shape[2] * y.shape[3]
    least = x.dtype.type(0 if rectify else -np.inf)
    for start in range(0, x.shape[0], together):
        many = min(together, x.shape[0] - start)
        seen = _laid(x, start, many, rows, in_place, picture, width, plane, stride, padding)[first * by * width :]
        for p in range(many * cells * by * by, at.size):  # the last tile looks at no sample behind the last
            at[p] = 0
        _sum(weights, outs, seen, places, at, plus[above:], begin, sums, many * cells, least, pooled)
        for s in range(many):
            place = ((start + s) * all_outs + lowest) * whole + first * y.shape[3]
            turn_matrix(sums, s * cells * outs, outs, cells, outs, result, place, whole)


@kernel
def correlate_filters_dx(dy, w, dx, padding=((0, 0), (0, 0)), dilation=(1, 1), flip=False):
    """dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i − d·u], in both directions alike."""
    one, ins, outs = (1, 1), w.shape[1], w.shape[0]
    lanes = WIDTH // dy.itemsize
    _, _, above, down, below = reach(0, 1, padding[0][0], dilation[0], w.shape[2], dy.shape[2], dx.shape[2])
    _, _, before, along, after = reach(0, 1, padding[1][0], dilation[1], w.shape[3], dy.shape[3], dx.shape[3])
    width = dy.shape[3] + max(before, after)
    plane = (above + dy.shape[2] + below) * width
    found, order = backward_taps(w.shape, (0, 0), width, plane, outs, one, dilation, flip)
    taps = w.shape[2] * w.shape[3]
    places = np.empty(found.size, np.int64)
    for k in range(found.size):  # of the turned kernel (o, u, v, c)
        places[k // taps * taps + order[k % taps]] = found[k] + down * width + along
    weights = np.empty((outs * taps + lanes) * ins, dy.dtype)
    turn_each(w.reshape(w.size), outs, ins, taps, weights)
    picture, cells = apart(dy.shape[1] * plane), dx.shape[2] * dx.shape[3]
    together = max(1, min(dy.shape[0], (MANY + cells - 1) // max(cells, 1)))
    length = (dx.shape[2] - 1) * width + dx.shape[3]
    rows = np.zeros(room_for(together * picture, (together - 1) * picture, places, length), dy.dtype)
    at = np.zeros(together * cells + OUTPUTS, np.int64)
    positions(at, together, dx.shape[2], dx.shape[3], width, picture)
    begin, plus = np.zeros(together * cells + OUTPUTS, np.int64), np.zeros(ins, dy.dtype)
    sums = np.empty((together * cells + OUTPUTS) * ins, dy.dtype)
    result, least = dx.reshape(dx.size), dy.dtype.type(-np.inf)
    for start in range(0, dy.shape[0], together):
        many = min(together, dy.shape[0] - start)
        for s in range(many):
            copy_rows(dy[start + s], rows[s * picture :], above * width + before, width, plane)
        _sum(weights, ins, rows, places, at, plus, begin, sums, many * cells, least, False)
        for s in range(many):
            turn_matrix(sums, s * cells * ins, ins, cells, ins, result, (start + s) * cells * ins, cells)


@kernel
def correlate_filters_dw(x, dy, dw, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), flip=False):
    """dw += x ⋆ dy, summed over the samples of a block."""
    outs, cells = dy.shape[1], dy.shape[2] * dy.shape[3]
    width, plane = frame(x, stride, padding)
    found, places = forward_taps(dw.shape, width, plane, stride, dilation, flip), np.zeros(dw[0].size + TAPS, np.int64)
    for k in range(found.size):
        places[k] = found[k]
    together = max(1, min(x.shape[0], (MANY + cells - 1) // max(cells, 1)))
    length = (dy.shape[2] - 1) * width + dy.shape[3]
    in_place, picture, rows = _room(x, together, plane, length, found, stride, padding)
    slopes = np.empty(together * cells * outs, x.dtype)
    at = np.empty(together * cells, np.int64)
    positions(at, together, dy.shape[2], dy.shape[3], width, picture)
    sums = np.zeros(places.size * outs, x.dtype)
    for start in range(0, x.shape[0], together):
        many = min(together, x.shape[0] - start)
        seen = _laid(x, start, many, rows, in_place, picture, width, plane, stride, padding)
        for s in range(many):
            given = (start + s) * outs * cells
            turn_matrix(dy.reshape(dy.size), given, cells, outs, cells, slopes, s * cells * outs, outs)
        if outs % (2 * (WIDTH // x.itemsize)) == 0:
            _sum_up(slopes, outs, seen, at, many * cells, places, dw[0].size, sums, 2)
        else:
            _sum_up(slopes, outs, seen, at, many * cells, places, dw[0].size, sums, 1)
    turned, gradient = np.empty(dw.size, x.dtype), dw.reshape(dw.size)
    turn_matrix(sums, 0, outs, dw[0].size, outs, turned, 0, dw[0].size)
    for k in range(dw.size):
        gradient[k] += turned[k]


@inlined
def _height(x, w, stride, padding, dilation):
    """Rows of y before it is pooled."""
    return (x.shape[2] + padding[0][0] + padding[0][1] - dilation[0] * (w.shape[2] - 1) - 1) // stride[0] + 1


@inlined
def _room(x, together, plane, length, places, stride, padding):
    """Whether pictures are read where they are, since nothing has to be put around them; how far they lie apart; and
    the rows they are read from, those of x or a room for so many, with `length` cells under the first tap.
    """
    in_place = unpadded(padding) and stride[0] == 1 and stride[1] == 1
    picture = x[0].size if in_place else apart(x.shape[1] * plane * stride[0] * stride[1])
    size = 0 if in_place else room_for(together * picture, (together - 1) * picture, places, length)
    rows = x.reshape(x.size) if in_place else np.zeros(size, x.dtype)
    return in_place, picture, rows


@inlined
def _laid(x, start, many, rows, in_place, picture, width, plane, stride, padding):
    """The rows of the pictures from `start` on; of so many, which are laid out if they are not read where they are."""
    if not in_place:
        for s in range(many):
            lay_out(x[start + s], rows[s * picture :], width, plane, stride, padding)
    return rows[start * picture if in_place else 0 :]


@kernel
def _lay_windows(at, samples, results, cells, width, picture, pooled):
    """at[p]: place of output p in rows of `width` cells; if pooled, four of 2×2 belong to each of the results."""
    if not pooled:
        positions(at, samples, results, cells, width, picture)
        return
    p = 0
    for s in range(samples):
        for i in range(results):
            for j in range(cells):
                place = s * picture + 2 * i * width + 2 * j
                at[p], at[p + 1], at[p + 2], at[p + 3] = place, place + 1, place + width, place + width + 1
                p += 4


@inlined
def _sum(w, outs, rows, places, at, plus, begin, sums, count, least, pooled):
    """sums[p, o] = plus[begin[p] + o] + Σ_k w[k, o] · rows[at[p] + places[k]], no less than `least`."""
    two = outs % (2 * (WIDTH // rows.itemsize)) == 0
    if pooled and two:
        _sum_pooled(w, outs, rows, places, at, plus, begin, sums, count, least, 2)
    elif pooled:
        _sum_pooled(w, outs, rows, places, at, plus, begin, sums, count, least, 1)
    elif two:
        _sum_by(w, outs, rows, places, at, plus, begin, sums, count, least, 2)
    else:
        _sum_by(w, outs, rows, places, at, plus, begin, sums, count, least, 1)


@kernel
def _sum_by(w, outs, rows, places, at, plus, begin, sums, count, least, tall):
    """The same by tiles of `tall` vectors of filters by some outputs; the last tile of all reaches behind them."""
    literally(tall)
    for o in range(0, outs, tall * (WIDTH // rows.itemsize)):
        for p in range(0, count, OUTPUTS):
            tile = load_picked(plus, o, begin, p, tall, OUTPUTS)
            for k in range(places.size):
                tile = add_picked(tile, w, k * outs + o, rows, places[k], at, p)
            store(at_least(tile, least), sums, p * outs + o, outs)


@kernel
def _sum_pooled(w, outs, rows, places, at, plus, begin, sums, count, least, tall):
    """The same for `count` results, each the largest of four sums, while they are in registers."""
    literally(tall)
    for o in range(0, outs, tall * (WIDTH // rows.itemsize)):
        for p in range(0, 4 * count, POOLED):
            tile = load_picked(plus, o, begin, p, tall, POOLED)
            for k in range(places.size):
                tile = add_picked(tile, w, k * outs + o, rows, places[k], at, p)
            store(at_least(largest(tile), least), sums, p // 4 * outs + o, outs)


@kernel
def _sum_up(slopes, outs, rows, at, count, places, taps, sums, tall):
    """sums[k, o] += Σ_p slopes[p, o] · rows[at[p] + places[k]] by tiles of filters by taps; behind them is room."""
    literally(tall)
    for o in range(0, outs, tall * (WIDTH // rows.itemsize)):
        for first in range(0, count, STRIP):
            last = min(first + STRIP, count)
            for k in range(0, taps, TAPS):
                tile = load(sums, k * outs + o, outs, tall, TAPS)
                for p in range(first, last):
                    tile = add_picked(tile, slopes, p * outs + o, rows, at[p], places, k)
                store(tile, sums, k * outs + o, outs)
