"""Pooling and its gradients, compiled. The equations are in reference/pooling.py."""

from collections.abc import Sequence
from typing import Any

from chainrule.engines.numba.layout import unpadded
from chainrule.engines.numba.registry import Attributes, Shapes, operation
from chainrule.engines.numba.tiles import largest_of_four
from chainrule.engines.numba.toolchain import WIDTH, inlined, kernel
from chainrule.shapes import Padding, Pair, output_size

DIVISORS = ("one", "cells", "window")  # kernels get the index of the name

NO_PADDING: Padding = ((0, 0), (0, 0))


def _pooled(arrays: Sequence[Any], given: Attributes) -> Shapes:
    """Return (N, C, H', W')."""
    window: Pair = given["window"]
    axes = zip(arrays[0].shape[2:], window, given.get("stride", window), given.get("padding", NO_PADDING), strict=True)
    return [(*arrays[0].shape[:2], *(output_size(*axis) for axis in axes))]


def _spread(arrays: Sequence[Any], given: Attributes) -> Shapes:
    """Return (N, C, H, W)."""
    return [(*arrays[0].shape[:2], *given["size"])]


def _in_quarters(given: Attributes) -> bool:
    """Return whether windows are 2×2, side by side, without padding."""
    sliding = given["window"], given.get("stride", given["window"]), given.get("padding", NO_PADDING)
    return sliding == ((2, 2), (2, 2), NO_PADDING)


@operation(
    lambda arrays, given: 2 * _pooled(arrays, given),
    integers=("winner",),
    defaults={"stride": "window"},
    epilogue="pooled",
    epilogue_value=_in_quarters,
)
@kernel
def max_pool(x, y, winner, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0))):
    """Find the largest cell of each window and its offset; windows of 2×2 side by side have loops of their own."""
    count, channels = x.shape[0], x.shape[1]
    if _is_2x2(window, stride, padding):
        _max_two(x, y, winner)
        return
    for s in range(count):
        for c in range(channels):
            _max_any(x[s, c], y[s, c], winner[s, c], window, stride, padding)


@inlined
def _is_2x2(window, stride, padding):
    """Return whether windows are 2×2, side by side, without padding, as most are."""
    return unpadded(padding) and window[0] == 2 and window[1] == 2 and stride[0] == 2 and stride[1] == 2


@inlined
def _wins(new, most):
    """Return whether a cell becomes the largest: NaN does, once."""
    return (most == most) & ((new > most) | (new != new))


@kernel
def _max_two(x, y, winner):
    """Pool 2×2 windows, stride 2, no padding: a vector of windows at a time.

    Results beyond the end of a row are overwritten by the next row; the last windows of all are taken one by one.
    """
    height, width, rows, cells = x.shape[2], x.shape[3], y.shape[2], y.shape[3]
    flat, best, place = x.reshape(x.size), y.reshape(y.size), winner.reshape(winner.size)
    vector = WIDTH // x.itemsize
    for c in range(x.shape[0] * x.shape[1]):
        for i in range(rows):
            for j in range(0, cells, vector):
                first, found = 2 * (i * width + j), (c * rows + i) * cells + j
                start = c * height * width + first
                if start + width + 2 * vector <= flat.size and found + vector <= best.size:
                    largest_of_four(flat, start, width, best, place, found, first)
                    continue
                for k in range(min(vector, cells - j)):
                    _max_of_four(flat, start + 2 * k, width, best, place, found + k, first + 2 * k)


@inlined
def _max_of_four(flat, start, width, best, place, found, first):
    """Pool one window; the first of equal cells wins, and NaN does."""
    most, at = flat[start], first
    for ahead in (1, width, width + 1):
        value = flat[start + ahead]
        if most == most and (value > most or value != value):
            most, at = value, first + ahead
    best[found], place[found] = most, at


@kernel
def _max_any(x, y, winner, window, stride, padding):
    height, width = x.shape
    for i in range(y.shape[0]):
        top = i * stride[0] - padding[0][0]
        for j in range(y.shape[1]):
            left = j * stride[1] - padding[1][0]
            first = max(top, 0) * width + max(left, 0)
            most, at = x[max(top, 0), max(left, 0)], first
            for h in range(max(top, 0), min(top + window[0], height)):
                for k in range(max(left, 0), min(left + window[1], width)):
                    value = x[h, k]
                    if most == most and (value > most or value != value):
                        most, at = value, h * width + k
            y[i, j] = most
            winner[i, j] = at


@operation(_spread, integers=("winner",))
@kernel
def max_pool_dx(dy, winner, dx):
    """Add every upstream gradient to the winner of its window."""
    count, channels = dy.shape[0], dy.shape[1]
    cells, results = dx.shape[2] * dx.shape[3], dy.shape[2] * dy.shape[3]
    target = dx.reshape(count * channels, cells)
    upstream, offsets = dy.reshape(count * channels, results), winner.reshape(count * channels, results)
    for r in range(count * channels):
        row, slope, place = target[r], upstream[r], offsets[r]
        row[:] = 0
        for p in range(results):
            row[place[p]] += slope[p]


@kernel
def _cells(start, window, size):
    """Return the part of a window that lies on the axis: its first cell, and the one after its last."""
    return max(start, 0), min(start + window, size)


@operation(_pooled, defaults={"stride": "window"}, names={"divisor": DIVISORS})
@kernel
def average_pool(x, y, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), divisor=1):
    """Compute the sum of each window over its divisor."""
    count, channels, height, width = x.shape
    two, part = _is_2x2(window, stride, padding), 1 / _share(x, divisor, 4, window)
    for s in range(count):
        for c in range(channels):
            source, result = x[s, c], y[s, c]
            if two:
                _mean_two(source, result, part)
                continue
            for i in range(result.shape[0]):
                top, bottom = _cells(i * stride[0] - padding[0][0], window[0], height)
                for j in range(result.shape[1]):
                    left, right = _cells(j * stride[1] - padding[1][0], window[1], width)
                    total = x.dtype.type(0)
                    for h in range(top, bottom):
                        for k in range(left, right):
                            total += source[h, k]
                    result[i, j] = total / _share(x, divisor, (bottom - top) * (right - left), window)


@kernel
def _mean_two(x, y, part):
    """Pool 2×2 windows, stride 2, no padding, two rows at a time."""
    for i in range(y.shape[0]):
        upper, lower, result = x[2 * i], x[2 * i + 1], y[i]
        for j in range(result.size):
            result[j] = (upper[2 * j] + upper[2 * j + 1] + lower[2 * j] + lower[2 * j + 1]) * part


@kernel
def _spread_two(dy, dx, part):
    """Compute the gradient of `_mean_two`; a last odd row or column is in no window."""
    for i in range(dy.shape[0]):
        upper, lower, slope = dx[2 * i], dx[2 * i + 1], dy[i]
        for j in range(slope.size):
            value = slope[j] * part
            upper[2 * j] = value
            upper[2 * j + 1] = value
            lower[2 * j] = value
            lower[2 * j + 1] = value


@kernel
def _share(x, divisor, cells, window):
    """Return the divisor of a window's sum, in the dtype of x."""
    number = 1 if divisor == 0 else (cells if divisor == 1 else window[0] * window[1])
    return x.dtype.type(number)


@operation(_spread, defaults={"stride": "window"}, names={"divisor": DIVISORS})
@kernel
def average_pool_dx(dy, dx, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), divisor=1):
    """Add every upstream gradient, over its divisor, to all cells of its window."""
    count, channels, height, width = dx.shape
    two, share = _is_2x2(window, stride, padding), 1 / _share(dy, divisor, 4, window)
    dx[:] = 0
    for s in range(count):
        for c in range(channels):
            target, slope = dx[s, c], dy[s, c]
            if two:
                _spread_two(slope, target, share)
                continue
            for i in range(slope.shape[0]):
                top, bottom = _cells(i * stride[0] - padding[0][0], window[0], height)
                for j in range(slope.shape[1]):
                    left, right = _cells(j * stride[1] - padding[1][0], window[1], width)
                    part = slope[i, j] / _share(dy, divisor, (bottom - top) * (right - left), window)
                    for h in range(top, bottom):
                        for k in range(left, right):
                            target[h, k] += part
