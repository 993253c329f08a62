"""Convolutions of 1×1 with stride 1 and no padding, compiled: a matrix of weights times the channels of an image.

Each row of the image is read, and each row of the result written, where it lies: no rows are laid out, no weights
transposed, no sums copied:

    y[o, p] = b[o] + Σ_c w[o, c] · x[c, p]        p over the lanes
    dx[c, p] = Σ_o w[o, c] · dy[o, p]             the same with w transposed

The last tiles along both axes compute some results again, so that none reaches beyond its end.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.choice import POINTS, forward_fit, input_gradient_fit
from chainrule.engines.compiled.kernels.epilogue import (
    NO_EPILOGUE,
    WHOLE_RESULT,
    LaneEpilogue,
    clamp_of,
    correlation,
    scales_of,
)
from chainrule.engines.compiled.kernels.layout import PLAIN_WINDOW, correlate_dx_shape
from chainrule.engines.compiled.kernels.registry import (
    Attributes,
    Share,
    operation,
    rows_or_filters,
)
from chainrule.engines.compiled.kernels.tiles import add_picked, bent_tile, load, multiply_add, places, store, zeros

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


def share_points(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Share rows, or filters, in whole tiles; a rest that does not fill a tile is computed one by one."""
    half = _in_tiles(-(-shape[0] // 2)) / _in_tiles(shape[0]) if shape[0] >= 2 * BROAD else 1
    return rows_or_filters(shape, 1, half)


def _in_tiles(filters: int) -> int:
    return -(-filters // BROAD)


@correlation(
    fits=forward_fit("correlate_points"),
    share=share_points,
)
@kernel
def correlate_points(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    See `epilogue.correlation` for the parameters.
    """
    ins, outs, plane = x.shape[1], y.shape[1], y.shape[2] * y.shape[3]
    first, lowest, end = chunk.first, chunk.lowest, outs if chunk.highest < 0 else chunk.highest
    begin, length = first * y.shape[3], ((y.shape[2] if chunk.last < 0 else chunk.last) - first) * y.shape[3]
    plus, times = scales_of(b, epilogue.scaled, y)
    ends = LaneEpilogue(plus[lowest:end], times[lowest:end], epilogue.scaled, clamp_of(epilogue, x))
    weights = WeightMatrix(w.reshape(w.size), lowest * ins, ins, 1)
    image, result = _nearby(x, end - lowest < outs), y.reshape(y.size)
    for s in range(x.shape[0]):
        seen = Channels(image, s * ins * plane + begin, plane)
        found = Channels(result, (s * outs + lowest) * plane + begin, plane)
        _multiply(weights, seen, ins, found, length, ends)


@inlined
def _nearby(x, shared):
    """Return x, flat; a copy where threads share the filters, of which another one may just have written half of x.

    Lines of another processor's cache are fetched several at a time by a loop that passes through them once, but not
    by tiles that read here and there.
    """
    flat = x.reshape(x.size)
    if shared:
        copy = np.empty(x.size, x.dtype)
        for k in range(x.size):
            copy[k] = flat[k]
        flat = copy
    return flat


@operation(correlate_dx_shape, fits=input_gradient_fit("correlate_points_dx"))
@kernel
def correlate_points_dx(dy, w, dx):
    """Compute dx[c, p] = Σ_o w[o, c] dy[o, p]."""
    outs, ins, plane = dy.shape[1], dx.shape[1], dx.shape[2] * dx.shape[3]
    nothing = np.zeros(ins, dy.dtype)
    ends = LaneEpilogue(nothing, nothing, False, clamp_of(NO_EPILOGUE, dy))
    weights, upstream, result = WeightMatrix(w.reshape(w.size), 0, 1, ins), dy.reshape(dy.size), dx.reshape(dx.size)
    for s in range(dy.shape[0]):
        seen = Channels(upstream, s * outs * plane, plane)
        _multiply(weights, seen, outs, Channels(result, s * ins * plane, plane), plane, ends)


@kernel
def _multiply(weights, seen, ins, found, length, ends):
    """Compute `length` positions of each filter that has an ending, from `ins` channels."""
    vector = WIDTH // found.values.itemsize
    filters = ends.plus.size
    if filters < BROAD or length < LOW * vector:
        _multiply_singly(weights, seen, ins, found, length, ends)
        return
    spread = LaneEpilogue(_spread(ends.plus, vector), _spread(ends.times, vector), ends.scaled, ends.clamp)
    tall, low = _tiles(length, vector)
    strip = max(1, STRIP // (ins * TALL * WIDTH))
    for first in range(0, tall.size, strip):
        _multiply_tiles(weights, filters, seen, ins, found, tall[first : first + strip], spread, tall=TALL)
    _multiply_tiles(weights, filters, seen, ins, found, low, spread, tall=LOW)


@inlined
def _spread(values, vector):
    """Return the values of filters, each in all lanes of a tile's vectors."""
    found = np.empty(values.size * TALL * vector, values.dtype)
    for o in range(values.size):
        found[o * TALL * vector : (o + 1) * TALL * vector] = values[o]
    return found


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
def _multiply_tiles(weights, outs, seen, ins, found, begins, ends, tall):
    """Compute tiles of `tall` vectors of positions, which begin at `begins`, by some filters."""
    literally(tall)
    (w, start, apart, step), (x, begin, plane), (y, place, along) = weights, seen, found
    lanes, filters = TALL * (WIDTH // y.itemsize), places(np.arange(BROAD) * apart, 0, BROAD)
    for row in range(0, outs, BROAD):
        o = min(row, outs - BROAD)
        for p in begins:
            tile = zeros(x, tall, BROAD) if ends.scaled else load(ends.plus, o * lanes, lanes, tall, BROAD)
            for c in range(ins):
                tile = add_picked(tile, x, begin + p + c * plane, w, start + o * apart + c * step, filters)
            if ends.scaled:
                times = load(ends.times, o * lanes, lanes, tall, BROAD)
                tile = multiply_add(tile, times, load(ends.plus, o * lanes, lanes, tall, BROAD))
            store(bent_tile(tile, ends.clamp.least, ends.clamp.most, ends.clamp.leak), y, place + o * along + p, along)


@kernel
def _multiply_singly(weights, seen, ins, found, length, ends):
    """Compute the share of one of many threads, which does not fill a tile."""
    (w, start, apart, step), (x, begin, plane), (y, place, along) = weights, seen, found
    least, most, part = ends.clamp
    for o in range(ends.plus.size):
        for p in range(length):
            total = y.dtype.type(0) if ends.scaled else ends.plus[o]
            for c in range(ins):
                total += w[start + o * apart + c * step] * x[begin + c * plane + p]
            total = total * ends.times[o] + ends.plus[o] if ends.scaled else total
            total = least if total < least else most if total > most else total
            y[place + o * along + p] = total if total > 0 else part * total
