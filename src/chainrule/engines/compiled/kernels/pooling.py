"""Pooling and its gradients, compiled. The equations are in reference/pooling.py.

Kernels for the most common windows, which compile faster, are in common_windows.py.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.shapes import NO_PADDING, Pair, output_size
from chainrule.engines.compiled.compiler import WIDTH, add_cells, inlined, keep_larger, kernel, no_cells, store_larger
from chainrule.engines.compiled.kernels.registry import COSTLY_FROM, Attributes, Conditions, Shapes, operation
from chainrule.engines.compiled.kernels.tiles import larger, larger_neighbors, load, store, store_part, zeros

# Divisor of a window in average pooling: 1, the elements inside the image, or all elements. Kernels get the index.
DIVISORS = ("one", "cells", "window")


def pooled(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N, C, H', W') of the result."""
    window: Pair = attributes["window"]
    axes = zip(
        arrays[0].shape[2:],
        window,
        attributes.get("stride", window),
        attributes.get("padding", NO_PADDING),
        strict=True,
    )
    return [(*arrays[0].shape[:2], *(output_size(*axis) for axis in axes))]


def max_pooled(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shapes of the maxima and of their indices (the winners): both are (N, C, H', W')."""
    return 2 * pooled(arrays, attributes)


def spread(arrays: Sequence[Any], attributes: Attributes) -> Shapes:
    """Return the shape (N, C, H, W) of dx."""
    return [(*arrays[0].shape[:2], *attributes["size"])]


@operation(
    max_pooled, integers=("winner",), picks=True, piece=2, shared_from=COSTLY_FROM, defaults={"stride": "window"}
)
@kernel
def max_pool(x, y, winner, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0))):
    """Compute the maximum of each window, and the index of the maximum in its channel.

    Column strides up to 3 are compiled as constants, so that vectors can be used.
    """
    channels = x.shape[0] * x.shape[1]
    images, outputs = x.reshape(channels, *x.shape[2:]), (channels, *y.shape[2:])
    result, winners = y.reshape(outputs), winner.reshape(outputs)
    if stride[1] == 1:
        _max_rows(images, result, winners, window, stride[0], padding, 1)
    elif stride[1] == 2:
        _max_rows(images, result, winners, window, stride[0], padding, 2)
    elif stride[1] == 3:
        _max_rows(images, result, winners, window, stride[0], padding, 3)
    else:
        for c in range(channels):
            _max_apart(images[c], result[c], winners[c], window, stride, padding)


@inlined
def _lanes_inside(first_column, stride, width, count):
    """Return the first lane that reads an element inside a row of the image, and the lane after the last.

    Lane k reads element first_column + k·stride. Only the first `count` lanes are used.
    """
    first = (stride - 1 - first_column) // stride if first_column < 0 else 0
    return first, min(count, (width - 1 - first_column + stride) // stride) if first_column < width else 0


@inlined
def _max_rows(x, y, winner, window, down, padding, along):
    """Apply max pooling with stride (down, along) to images (channels, H, W).

    A vector of neighboring windows is computed at a time: where the first window reads column k of the image, lane l
    reads column k + l · along. Lanes outside the image, or beyond the last window, keep their maxima. `along` is a
    constant.
    """
    height, width, rows, cells = x.shape[1], x.shape[2], y.shape[1], y.shape[2]
    flat, maxima, winners = x.reshape(x.size), y.reshape(y.size), winner.reshape(winner.size)
    vector = WIDTH // x.itemsize
    for c in range(x.shape[0]):
        for i in range(rows):
            top = i * down - padding[0][0]
            first_row, end_row = max(top, 0), min(top + window[0], height)
            for j in range(0, cells, vector):
                first_column, count = j * along - padding[1][0], min(vector, cells - j)
                largest = no_cells(x, (first_row - top) * width, first_column, along)
                for h in range(first_row, end_row):
                    for k in range(first_column, first_column + window[1]):
                        first, last = _lanes_inside(k, along, width, count)
                        start, number = (c * height + h) * width + k, (h - top) * width + k - first_column
                        largest = keep_larger(largest, flat, start, along, first, last, number)
                store_larger(
                    largest, maxima, winners, (c * rows + i) * cells + j, count, top * width + first_column, along
                )


@kernel
def _max_apart(x, y, winner, window, stride, padding):
    """Apply max pooling to an image (H, W), one window at a time.

    The first of equal elements wins, and the first NaN: once the maximum is NaN, it is not replaced.
    """
    height, width = x.shape
    for i in range(y.shape[0]):
        top = i * stride[0] - padding[0][0]
        for j in range(y.shape[1]):
            first_column = j * stride[1] - padding[1][0]
            first = max(top, 0) * width + max(first_column, 0)
            maximum, index = x[max(top, 0), max(first_column, 0)], first
            for h in range(max(top, 0), min(top + window[0], height)):
                for k in range(max(first_column, 0), min(first_column + window[1], width)):
                    value = x[h, k]
                    if maximum == maximum and (value > maximum or value != value):
                        maximum, index = value, h * width + k
            y[i, j] = maximum
            winner[i, j] = index


def has_windows_of_2x2(attributes: Attributes) -> bool:
    """Return whether windows are 2×2 with stride 2 and no padding."""
    window = attributes["window"]
    sliding = window, attributes.get("stride", window), attributes.get("padding", NO_PADDING)
    return sliding == ((2, 2), (2, 2), NO_PADDING)


def _without_winners(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether no operation reads the indices of the maxima, and the columns of windows overlap or touch."""
    window: Pair = attributes["window"]
    return conditions.unread and attributes.get("stride", window)[1] <= min(window[1], 2)


@operation(
    max_pooled,
    integers=("winner",),
    picks=True,
    piece=2,
    shared_from=COSTLY_FROM,
    defaults={"stride": "window"},
    fits=_without_winners,
    epilogue="pooled",
    epilogue_value=has_windows_of_2x2,
)
@kernel
def largest_cells(x, y, winner, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0))):
    """Compute the maximum of each window, without its index. The columns of windows overlap or are adjacent.

    The loops over the most common windows, 2×2 and 3×3 with stride 2, are unrolled.
    """
    cells, vector = y.shape[3], WIDTH // x.itemsize
    if window[0] == 2 and window[1] == 2 and stride[1] == 2:
        _largest_rows(x, y, (2, 2), (stride[0], 2), padding, 2, 2)
    elif window[0] == 3 and window[1] == 3 and stride[1] == 2:
        if 2 * cells < vector:
            _largest_rows(x, y, (3, 3), (stride[0], 2), padding, 1, 3)
        elif (cells - 1) // (vector - 1) == (cells - 1) // vector:  # as many tiles, although they yield one result less
            _largest_rows(x, y, (3, 3), (stride[0], 2), padding, 2, 3)
        else:
            _largest_rows(x, y, (3, 3), (stride[0], 2), padding, 2, 2)
    elif stride[1] == 2:
        _largest_rows(x, y, window, (stride[0], 2), padding, 2, 2)
    else:
        _largest_rows(x, y, window, (stride[0], 1), padding, 2, 1)


@inlined
def _largest_rows(x, y, window, stride, padding, vectors, neighbors):
    """Compute the maxima in tiles of neighboring windows.

    A tile contains the maxima over the rows of the windows, and for stride 2 over their columns except for the last
    `neighbors` of each. A row outside the image is replaced by the nearest one, which is in the window. Results beyond
    the end of a row are overwritten later. Windows that extend beyond the columns of the image are computed one by one.

    A tile reads adjacent vectors, and yields `span` results. With stride 2, vectors of four and windows of two or three
    columns, the tile contains the maxima of columns 0 to 7 over the rows, and `larger_neighbors` yields the results:

        windows of two      0 1 | 2 3 | 4 5 | 6 7      →    results 0, 1, 2, 3
        windows of three    0 1 2 | 2 3 4 | 4 5 6      →    results 0, 1, 2

    vectors      number of vectors of a tile, a constant
    neighbors    number of columns that are compared within a tile, a constant; 1 for stride 1
    first, last  the first window that begins inside the image, and the window after the last that ends inside
    """
    (height, width), (rows, cells), step, vector = x.shape[2:], y.shape[2:], stride[1], WIDTH // x.itemsize
    flat, results, before = x.reshape(x.size), y.reshape(y.size), padding[1][0]
    span, stored = (vectors * vector - neighbors) // step + 1, 2 * vector // step
    first, last = (before + step - 1) // step, max((width + before - window[1] + step) // step, 0)
    for c in range(x.shape[0] * x.shape[1]):
        for i in range(rows):
            top, image, output = i * stride[0] - padding[0][0], c * height * width, (c * rows + i) * cells
            for j in range(0, cells, span):
                first_column = image + j * step - before
                end = first_column + min(top + window[0], height) * width + vectors * vector
                if first_column < 0 or end > flat.size or output + j + stored > results.size:
                    for edge_column in range(j, min(j + span, cells)):
                        results[output + edge_column] = _largest(
                            flat[image:], top, edge_column * step - before, window, (height, width)
                        )
                    continue
                tile = load(flat, first_column + min(max(top, 0), height - 1) * width, 0, vectors, 1)
                for u in range(window[0]):
                    row = first_column + min(max(top + u, 0), height - 1) * width
                    for k in range(0, window[1] - neighbors + step, step):
                        tile = larger(tile, load(flat, row + min(k, window[1] - neighbors), 0, vectors, 1))
                if step == 1:
                    store(tile, results, output + j, 0)
                else:
                    store(larger_neighbors(tile, neighbors), results, output + j, 0)
            for j in range(min(first, cells)):
                results[output + j] = _largest(flat[image:], top, j * step - before, window, (height, width))
            for j in range(last, cells):
                results[output + j] = _largest(flat[image:], top, j * step - before, window, (height, width))


@inlined
def _largest(x, top, first_column, window, size):
    """Return the maximum of the window whose first row is `top` and whose first column is `first_column`."""
    (height, width), begin = size, max(first_column, 0)
    maximum = x[max(top, 0) * width + begin]
    for h in range(max(top, 0), min(top + window[0], height)):
        for k in range(begin, min(first_column + window[1], width)):
            value = x[h * width + k]
            maximum = value if value > maximum or value != value else maximum
    return maximum


@operation(spread, integers=("winner",), piece=2, shared_from=COSTLY_FROM)
@kernel
def max_pool_dx(dy, winner, dx):
    """Compute dx: add each upstream gradient to the element that was the maximum of its window."""
    count, channels = dy.shape[0], dy.shape[1]
    cells, results = dx.shape[2] * dx.shape[3], dy.shape[2] * dy.shape[3]
    target = dx.reshape(count * channels, cells)
    upstream, offsets = dy.reshape(count * channels, results), winner.reshape(count * channels, results)
    for r in range(count * channels):
        row, slope, winners = target[r], upstream[r], offsets[r]
        row[:] = 0
        for p in range(results):
            row[winners[p]] += slope[p]


@kernel
def _divisor_inverses(like, window, stride, padding, divisor, outputs, size):
    """Return the reciprocals of the divisors of all windows (i, j).

    like     array whose dtype the result has
    divisor  index in `DIVISORS`
    outputs  number of rows and columns of windows
    size     (H, W) of the image
    """
    factors = np.empty(outputs, like.dtype)
    for i in range(outputs[0]):
        rows = _cells(i * stride[0] - padding[0][0], window[0], size[0])
        for j in range(outputs[1]):
            cells = rows * _cells(j * stride[1] - padding[1][0], window[1], size[1])
            factors[i, j] = 1 / (1 if divisor == 0 else cells if divisor == 1 else window[0] * window[1])
    return factors


@inlined
def _cells(start, window, size):
    """Return how many elements of a window are inside an image of this size, along one axis."""
    return min(start + window, size) - max(start, 0)


@operation(pooled, piece=2, shared_from=COSTLY_FROM, defaults={"stride": "window"}, names={"divisor": DIVISORS})
@kernel
def average_pool(x, y, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), divisor=1):
    """Compute the sum of each window, divided by the window's divisor (see `DIVISORS`)."""
    channels = x.shape[0] * x.shape[1]
    images, result = x.reshape(channels, *x.shape[2:]), y.reshape(channels, *y.shape[2:])
    factors = _divisor_inverses(x, window, stride, padding, divisor, y.shape[2:], x.shape[2:])
    if stride[1] == 1:
        _mean_rows(images, result, factors, window, stride[0], padding, 1)
    elif stride[1] == 2:
        _mean_rows(images, result, factors, window, stride[0], padding, 2)
    elif stride[1] == 3:
        _mean_rows(images, result, factors, window, stride[0], padding, 3)
    else:
        _mean_apart(images, result, factors, window, stride, padding)


@inlined
def _mean_rows(x, y, share, window, down, padding, along):
    """Apply average pooling with stride (down, along) to images (channels, H, W); see `_max_rows`.

    share  reciprocal of the divisor of each window
    """
    height, width, rows, cells = x.shape[1], x.shape[2], y.shape[1], y.shape[2]
    flat, result = x.reshape(x.size), y.reshape(y.size)
    vector = WIDTH // x.itemsize
    for c in range(x.shape[0]):
        for i in range(rows):
            top = i * down - padding[0][0]
            for j in range(0, cells, vector):
                first_column, count = j * along - padding[1][0], min(vector, cells - j)
                tile = zeros(x, 1, 1)
                for h in range(max(top, 0), min(top + window[0], height)):
                    for k in range(first_column, first_column + window[1]):
                        first, last = _lanes_inside(k, along, width, count)
                        tile = add_cells(tile, flat, (c * height + h) * width + k, along, first, last)
                store_part(tile, result, (c * rows + i) * cells + j, count)
        image, factors = result[c * rows * cells :], share.reshape(share.size)
        for p in range(factors.size):
            image[p] *= factors[p]


@kernel
def _mean_apart(x, y, factors, window, stride, padding):
    """Apply average pooling to images (channels, H, W), one window at a time, with vectors along a window's rows.

    For windows at a distance of 4 or more columns. With smaller strides, `_mean_rows` computes a vector of adjacent
    windows, whose lanes read elements at a distance of the stride; the stride must then be a constant of its code. Here
    the lanes are adjacent elements of one row of the window, for any stride:

        row of the window    a b c d e f g      with vectors of 4
        added to the tile    a b c d, then e f g in the first three lanes

    Each lane of the tile sums its elements of all rows; the sum of the window is that of the lanes. Only the part of
    the window inside the image is read: rows begin to end − 1, columns first to last − 1.

    The tile is a single vector (1 row and 1 column of vectors). `add_cells` reads adjacent elements (step 1) into the
    lanes from 0 to the number of columns that remain.

    factors  reciprocal of the divisor of each window (rows, columns)
    """
    height, width, rows, cells = x.shape[1], x.shape[2], y.shape[1], y.shape[2]
    flat, result, vector = x.reshape(x.size), y.reshape(y.size), WIDTH // x.itemsize
    sums = np.empty(vector, x.dtype)
    for place in range(y.size):
        c, i, j = place // (rows * cells), place // cells % rows, place % cells
        top, first_column = i * stride[0] - padding[0][0], j * stride[1] - padding[1][0]
        begin, end = max(top, 0), min(top + window[0], height)
        first, last = max(first_column, 0), min(first_column + window[1], width)
        tile = zeros(x, 1, 1)
        for h in range(begin, end):
            for k in range(first, last, vector):
                tile = add_cells(tile, flat, (c * height + h) * width + k, 1, 0, min(vector, last - k))
        store_part(tile, sums, 0, vector)
        total = x.dtype.type(0)
        for k in range(vector):
            total += sums[k]
        result[place] = total * factors[i, j]


@operation(spread, defaults={"stride": "window"}, names={"divisor": DIVISORS})
@kernel
def average_pool_dx(dy, dx, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)), divisor=1):
    """Compute dx: add each upstream gradient, divided by the window's divisor, to all elements of its window."""
    channels = dx.shape[0] * dx.shape[1]
    upstream, images = dy.reshape(channels, *dy.shape[2:]), dx.reshape(channels, *dx.shape[2:])
    factors = _divisor_inverses(dy, window, stride, padding, divisor, dy.shape[2:], dx.shape[2:])
    _spread_rows(upstream, images, factors, window, stride, padding)


@kernel
def _spread_rows(dy, dx, factors, window, stride, padding):
    """Compute dx from the upstream gradients and the reciprocals of the divisors (`factors`).

    All rows of a window receive the same contribution, so it is computed once for each row of windows. A row of dx is
    the sum of the contributions of the windows that contain it.
    """
    height, width, vector = dx.shape[1], dx.shape[2], WIDTH // dx.itemsize
    rows, flat = np.empty((dy.shape[1], width), dx.dtype), dx.reshape(dx.size)
    for c in range(dy.shape[0]):
        rows[:] = 0
        for i in range(dy.shape[1]):
            _spread_row(dy[c, i], rows[i], factors[i], window[1], stride[1], padding[1][0])
        column_sums = rows.reshape(rows.size)
        for h in range(height):
            above = h + padding[0][0]
            first = max(0, (above - window[0] + stride[0]) // stride[0])
            last = min(dy.shape[1], above // stride[0] + 1)
            for k in range(0, width, vector):
                tile, count = zeros(dx, 1, 1), min(vector, width - k)
                for i in range(first, last):
                    tile = add_cells(tile, column_sums, i * width + k, 1, 0, count)
                store_part(tile, flat, (c * height + h) * width + k, count)


@kernel
def _spread_row(dy, row, factors, window, stride, before):
    """Add the upstream gradients of a row of windows, times the factors, to the columns under the windows.

    before  columns of padding on the first_column
    """
    for j in range(dy.size):
        first_column, slope = j * stride - before, dy[j] * factors[j]
        cells = row[max(first_column, 0) : min(first_column + window, row.size)]
        for k in range(cells.size):
            cells[k] += slope
