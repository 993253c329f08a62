"""Convolutions of 1×1 with stride 1 and no padding, compiled: a matrix of weights times the channels of an image.

Each row of the image is read, and each row of the result written, where it lies: no rows are laid out, no weights
transposed, no sums copied:

    y[o, p] = b[o] + Σ_c w[o, c] · x[c, p]        p over the lanes
    dx[c, p] = Σ_o w[o, c] · dy[o, p]             the same with w transposed

The last tiles along both axes compute some results again, so that none reaches beyond its end.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.numba.bounds import bounds_of
from chainrule.engines.numba.filling import POINTS, points_fit, points_fit_dx
from chainrule.engines.numba.layout import correlate_dx_shape, correlate_shape
from chainrule.engines.numba.registry import SHARED_FROM, TALL_IMAGE, Share, always, operation
from chainrule.engines.numba.tiles import add_outer, load, store, within
from chainrule.engines.numba.toolchain import WIDTH, inlined, kernel, literally

TALL, LOW, BROAD = POINTS  # vectors of positions of a tile, fewer for the rest, and filters
STRIP = 1 << 17  # bytes of an image's positions, in all channels, that stay in a cache while all filters pass by


class WeightMatrix(NamedTuple):
    """Weights of filters: the one of channel c of filter o is values[start + o·apart + c·step]."""

    values: Any
    start: int
    apart: int
    step: int


class Channels(NamedTuple):
    """Channels of an image: position p of channel c is values[start + c·step + p]."""

    values: Any
    start: int
    step: int


def share_points(shape: tuple[int, ...], itemsize: int) -> Share:
    """Share rows of a tall image; else filters or rows, whichever leaves less to each of two threads."""
    filters, height = shape[0], shape[-2]
    half = _in_tiles(-(-filters // 2)) / _in_tiles(filters)
    if height < TALL_IMAGE and half <= -(-height // 2) / height:
        return Share(("lowest", "highest"), filters, 1, half)
    return Share(("first", "last"), height, 1, -(-height // 2) / height, axis=1)


def _in_tiles(filters: int) -> int:
    return -(-filters // BROAD)


@operation(
    correlate_shape,
    flat=("b",),
    replaces="cross_correlate",
    shared_from=SHARED_FROM,
    fits=points_fit,
    share=share_points,
    epilogues={"rectify": always, "capped": always},
)
@kernel
def correlate_points(x, w, b, y, rectify=False, capped=0.0, first=0, last=-1, lowest=0, highest=-1):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    rectify  set y to 0 where it is not positive, as the ReLU that follows would
    capped   the same, and to this where it is larger, unless it is 0
    """
    ins, outs, plane = x.shape[1], y.shape[1], y.shape[2] * y.shape[3]
    end = outs if highest < 0 else highest
    begin, length = first * y.shape[3], ((y.shape[2] if last < 0 else last) - first) * y.shape[3]
    bias = np.zeros(outs, x.dtype) if b is None else b
    bounds = bounds_of(rectify, capped, x)
    weights = WeightMatrix(w.reshape(w.size), lowest * ins, ins, 1)
    image, result = x.reshape(x.size), y.reshape(y.size)
    for s in range(x.shape[0]):
        seen = Channels(image, s * ins * plane + begin, plane)
        found = Channels(result, (s * outs + lowest) * plane + begin, plane)
        _multiply(weights, bias[lowest:end], seen, ins, found, length, bounds)


@operation(correlate_dx_shape, replaces="cross_correlate_dx", fits=points_fit_dx)
@kernel
def correlate_points_dx(dy, w, dx):
    """Compute dx[c, p] = Σ_o w[o, c] dy[o, p]."""
    outs, ins, plane = dy.shape[1], dx.shape[1], dx.shape[2] * dx.shape[3]
    nothing, bounds = np.zeros(ins, dy.dtype), bounds_of(False, 0.0, dy)
    weights, upstream, result = WeightMatrix(w.reshape(w.size), 0, 1, ins), dy.reshape(dy.size), dx.reshape(dx.size)
    for s in range(dy.shape[0]):
        seen = Channels(upstream, s * outs * plane, plane)
        _multiply(weights, nothing, seen, outs, Channels(result, s * ins * plane, plane), plane, bounds)


@kernel
def _multiply(weights, bias, seen, ins, found, length, bounds):
    """Compute `length` positions of each filter that has a bias, from `ins` channels."""
    vector = WIDTH // found.values.itemsize
    if bias.size < BROAD or length < LOW * vector:
        _multiply_singly(weights, bias, seen, ins, found, length, bounds)
        return
    plus = np.empty(bias.size * TALL * vector, bias.dtype)
    for o in range(bias.size):
        plus[o * TALL * vector : (o + 1) * TALL * vector] = bias[o]
    tall, low = _tiles(length, vector)
    strip = max(1, STRIP // (ins * TALL * WIDTH))
    for first in range(0, tall.size, strip):
        _multiply_tiles(weights, plus, bias.size, seen, ins, found, tall[first : first + strip], bounds, tall=TALL)
    _multiply_tiles(weights, plus, bias.size, seen, ins, found, low, bounds, tall=LOW)


@inlined
def _tiles(length, vector):
    """Return where tall and low tiles begin that cover `length` positions; the last ones may cover some again."""
    count = length // (TALL * vector)
    rest = length - count * TALL * vector
    lows = 0 if rest == 0 else 1
    if rest > LOW * vector:
        lows, count = (0, count + 1) if count > 0 else (2, 0)
    elif rest > 0 and TALL == LOW + 1 and LOW > 1 and rest <= vector and count > 0:
        lows, count = 2, count - 1
    tall, low = np.arange(count) * (TALL * vector), np.empty(lows, np.int64)
    if count > 0 and lows == 0:
        tall[count - 1] = length - TALL * vector
    for k in range(lows):
        low[k] = length - LOW * vector if k == lows - 1 else count * TALL * vector
    return tall, low


@kernel
def _multiply_tiles(weights, plus, outs, seen, ins, found, places, bounds, tall):
    """Compute tiles of `tall` vectors of positions, which begin at `places`, by some filters."""
    literally(tall)
    (w, start, apart, step), (x, begin, plane), (y, place, along) = weights, seen, found
    lanes = TALL * (WIDTH // y.itemsize)
    for row in range(0, outs, BROAD):
        o = min(row, outs - BROAD)
        for p in places:
            tile = load(plus, o * lanes, lanes, tall, BROAD)
            for c in range(ins):
                tile = add_outer(tile, x, begin + p + c * plane, w, start + o * apart + c * step, apart)
            store(within(tile, bounds.least, bounds.most), y, place + o * along + p, along)


@kernel
def _multiply_singly(weights, bias, seen, ins, found, length, bounds):
    """Compute the share of one of many threads, which does not fill a tile."""
    (w, start, apart, step), (x, begin, plane), (y, place, along) = weights, seen, found
    for o in range(bias.size):
        for p in range(length):
            total = bias[o]
            for c in range(ins):
                total += w[start + o * apart + c * step] * x[begin + c * plane + p]
            total = bounds.least if total <= bounds.least else total
            y[place + o * along + p] = bounds.most if total >= bounds.most else total
