"""Pooling and its gradients, compiled. The equations are in reference/pooling.py."""

from chainrule.engines.numba.layout import unpadded
from chainrule.engines.numba.tiles import largest_of_four
from chainrule.engines.numba.toolchain import WIDTH, inlined, kernel

DIVISORS = ("one", "cells", "window")  # kernels get the place of the name in this list


@kernel
def max_pool(x, y, winner, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0))):
    """The largest cell of each window and its place; windows of 2×2 side by side have loops of their own."""
    count, channels = x.shape[0], x.shape[1]
    if _by_two(window, stride, padding):
        _max_two(x, y, winner)
        return
    for s in range(count):
        for c in range(channels):
            _max_any(x[s, c], y[s, c], winner[s, c], window, stride, padding)


@inlined
def _by_two(window, stride, padding):
    """Whether windows are 2×2, side by side, without padding: most of them are."""
    return unpadded(padding) and window[0] == 2 and window[1] == 2 and stride[0] == 2 and stride[1] == 2


@inlined
def _wins(new, most):
    """Whether a cell becomes the largest: NaN does, once."""
    return (most == most) & ((new > most) | (new != new))


@kernel
def _max_two(x, y, winner):
    """2×2 windows, stride 2, no padding: a vector of windows at a time.

    What those at the end of a row write too much, the next row overwrites; the last ones of all go one by one.
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
    """One window; the first of several is the largest, and NaN is."""
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


@kernel
def max_pool_dx(dy, winner, dx):
    """Every slope to its winner; where windows overlap they add up."""
    count, channels = dy.shape[0], dy.shape[1]
    cells, results = dx.shape[2] * dx.shape[3], dy.shape[2] * dy.shape[3]
    target = dx.reshape(count * channels, cells)
    slopes, places = dy.reshape(count * channels, results), winner.reshape(count * channels, results)
    for r in range(count * channels):
        row, slope, place = target[r], slopes[r], places[r]
        row[:] = 0
        for p in range(results):
            row[place[p]] += slope[p]


@kernel
def _cells(start, window, size):
    """The part of a window that lies on the axis: first and last + 1."""
    return max(start, 0), min(start + window, size)


@kernel
def average_pool(x, y, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), divisor=1):
    """The sum of each window over its divisor."""
    count, channels, height, width = x.shape
    two, part = _by_two(window, stride, padding), 1 / _share(x, divisor, 4, window)
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
    """2×2 windows, stride 2, no padding: two rows are read along together."""
    for i in range(y.shape[0]):
        upper, lower, result = x[2 * i], x[2 * i + 1], y[i]
        for j in range(result.size):
            result[j] = (upper[2 * j] + upper[2 * j + 1] + lower[2 * j] + lower[2 * j + 1]) * part


@kernel
def _spread_two(dy, dx, part):
    """The gradient of `_mean_two`; a last odd row or column is in no window."""
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
    """What a window's sum is divided by, in the dtype of x."""
    number = 1 if divisor == 0 else (cells if divisor == 1 else window[0] * window[1])
    return x.dtype.type(number)


@kernel
def average_pool_dx(dy, dx, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), divisor=1):
    """Every slope, over its divisor, to all cells of its window; where windows overlap they add up."""
    count, channels, height, width = dx.shape
    two, share = _by_two(window, stride, padding), 1 / _share(dy, divisor, 4, window)
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
