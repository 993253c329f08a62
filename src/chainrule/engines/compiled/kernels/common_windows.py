"""Pooling and its gradients for common cases: 2×2 with stride 2, averages of whole images, and maxima of narrow images.

These are separate kernels, so that most networks do not need the general kernels in pooling.py to be compiled.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.shapes import NO_PADDING, output_size
from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel
from chainrule.engines.compiled.kernels.layout import ConvolutionWindow
from chainrule.engines.compiled.kernels.pooling import DIVISORS, has_windows_of_2x2, max_pooled, pooled, spread
from chainrule.engines.compiled.kernels.registry import COSTLY_FROM, Attributes, Conditions, operation
from chainrule.engines.compiled.kernels.side_by_side import OUTPUTS, lay_side_by_side, vector_frame
from chainrule.engines.compiled.kernels.tiles import (
    add_parts,
    larger,
    largest_of_four,
    load,
    load_at,
    store,
    store_sums,
    store_transposed,
    sum_fours,
    zeros,
)

CHANNELS = WIDTH // 4  # channels whose sums are computed at a time; they fill whole vectors of float32 and of float64
MIN_FILLED = 0.7  # smallest fraction of lanes that channels fill, for maxima of channels side by side
MAX_COLUMNS, MAX_IRREGULAR_COLUMNS = 8, 28  # most results per row: with more, `pooling.largest_cells` is faster
SHARED_BY_IMAGE: dict[str, Any] = {"piece": 2, "shared_from": COSTLY_FROM}


def _are_2x2(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    return has_windows_of_2x2(attributes)


def _covers_image(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether the window covers the whole image."""
    size = attributes.get("size", arrays[0].shape[-2:])
    return (attributes["window"], attributes.get("padding", NO_PADDING)) == (size, NO_PADDING)


@operation(max_pooled, integers=("winner",), picks=True, epilogue="pooled", **SHARED_BY_IMAGE, fits=_are_2x2)
@kernel
def max_pool_2x2(x, y, winner):
    """Compute the maximum of each 2×2 window and the index of the maximum in its channel.

    A vector of windows is computed at a time, also where fewer remain in a row of y. The surplus results are stored
    where the next row of y begins, which overwrites them because rows are computed in ascending order. For rows of 6
    results and vectors of 4, the second vector of row 0 stores its last two results in row 1.

    Near the ends of x and y, where a vector would read or store beyond them, windows are computed one by one.

    A window has three indices:

        first    of its first element in its channel; `winner` contains such indices
        start    of the same element in x
        output   of its result in y and in `winner`
    """
    height, width, rows, cells = x.shape[2], x.shape[3], y.shape[2], y.shape[3]
    flat, best, winners = x.reshape(x.size), y.reshape(y.size), winner.reshape(winner.size)
    vector = WIDTH // x.itemsize
    for c in range(x.shape[0] * x.shape[1]):
        for i in range(rows):
            for j in range(0, cells, vector):
                first, output = 2 * (i * width + j), (c * rows + i) * cells + j
                start = c * height * width + first
                # the vector reads 2·vector elements of each of two rows, and stores `vector` results
                if start + width + 2 * vector <= flat.size and output + vector <= best.size:
                    largest_of_four(flat, start, width, best, winners, output, first)
                    continue
                for k in range(min(vector, cells - j)):
                    _max_of_four(flat, start + 2 * k, width, best, winners, output + k, first + 2 * k)


@inlined
def _max_of_four(flat, start, width, best, winners, output, first):
    """Pool one window, and store the index of the first NaN, or without NaN, of the first maximum.

    start   index of the window's first element in `flat`
    width   elements in a row of the image
    output  index where the maximum is stored in `best`, and the maximum's index in `winners`
    first   index of the window's first element in its channel
    """
    maximum, index = flat[start], first
    for step in (1, width, width + 1):
        value = flat[start + step]
        if maximum == maximum and (value > maximum or value != value):
            maximum, index = value, first + step
    best[output], winners[output] = maximum, index


def _is_narrow(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether no operation reads the winners, channels fill vectors, and results do not fill rows of vectors.

    Windows that extend beyond the image, or have gaps between them, are faster in this way up to a larger width.
    """
    (channels, _, width), lanes = arrays[0].shape[-3:], WIDTH // itemsize
    window, padding = attributes["window"][1], attributes.get("padding", NO_PADDING)
    stride = attributes.get("stride", attributes["window"])[1]
    is_irregular = padding != NO_PADDING or stride > min(window, 2)
    is_filled = channels >= MIN_FILLED * lanes * -(-channels // lanes)
    max_columns = MAX_IRREGULAR_COLUMNS if is_irregular else min(MAX_COLUMNS, 2 * lanes - 1)
    return conditions.unread and is_filled and output_size(width, window, stride, padding[1]) <= max_columns


@operation(
    max_pooled,
    integers=("winner",),
    picks=True,
    **SHARED_BY_IMAGE,
    defaults={"stride": "window"},
    fits=_is_narrow,
    epilogue="pooled",
    epilogue_value=has_windows_of_2x2,
)
@kernel
def largest_side_by_side(x, y, winner, window=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0))):
    """Compute the maximum of each window, without its index. A vector has a lane for each channel of all images.

    Padding is −∞. The last vector repeats the last channel.
    """
    channels, lanes = x.shape[0] * x.shape[1], WIDTH // x.itemsize
    inside, outside = x.shape[2] * x.shape[3], y.shape[2] * y.shape[3]
    like_weights = np.empty((1, 1, window[0], window[1]), x.dtype)
    frame = vector_frame(x, like_weights, y, ConvolutionWindow(stride, padding))
    frame.rows[:] = -np.inf
    source, result = x.reshape(x.size), y.reshape(y.size)
    input_offsets, output_offsets = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    for first in range(0, channels, lanes):
        for k in range(lanes):
            c = min(first + k, channels - 1)
            input_offsets[k], output_offsets[k] = c * inside, c * outside
        lay_side_by_side(source, frame.start, input_offsets, frame.rows, 0, frame.cells, frame.count)
        for t in range(0, frame.outputs.size, OUTPUTS):
            p = min(t, frame.outputs.size - OUTPUTS)
            tile = load_at(frame.rows, frame.tap_offsets[0], frame.outputs, p, 1, OUTPUTS)
            for k in range(1, frame.tap_offsets.size):
                tile = larger(tile, load_at(frame.rows, frame.tap_offsets[k], frame.outputs, p, 1, OUTPUTS))
            store_transposed(tile, result, p, output_offsets, outside)


@inlined
def _divisor_inverse(x, divisor, cells):
    """Return the reciprocal of the divisor of a window without padding, in the dtype of x.

    divisor  index in `pooling.DIVISORS`
    cells    number of elements of the window
    """
    return x.dtype.type(1) / x.dtype.type(1 if divisor == 0 else cells)


@operation(pooled, **SHARED_BY_IMAGE, names={"divisor": DIVISORS}, fits=_are_2x2)
@kernel
def average_pool_2x2(x, y, divisor=1):
    """Compute the sum of each 2×2 window, divided by the window's divisor. Two rows of x are read at a time."""
    factor = _divisor_inverse(x, divisor, 4)
    for n in range(x.shape[0]):
        for c in range(x.shape[1]):
            for i in range(y.shape[2]):
                upper, lower, result = x[n, c, 2 * i], x[n, c, 2 * i + 1], y[n, c, i]
                for j in range(result.size):
                    result[j] = (upper[2 * j] + upper[2 * j + 1] + lower[2 * j] + lower[2 * j + 1]) * factor


@operation(spread, names={"divisor": DIVISORS}, fits=_are_2x2)
@kernel
def average_pool_2x2_dx(dy, dx, divisor=1):
    """Write each upstream gradient, divided by the divisor, to the four elements of its window.

    If the number of rows or columns is odd, the last one stays 0.
    """
    factor = _divisor_inverse(dy, divisor, 4)
    dx[:] = 0
    for n in range(dx.shape[0]):
        for c in range(dx.shape[1]):
            for i in range(dy.shape[2]):
                upper, lower, slope = dx[n, c, 2 * i], dx[n, c, 2 * i + 1], dy[n, c, i]
                for j in range(slope.size):
                    value = slope[j] * factor
                    upper[2 * j] = value
                    upper[2 * j + 1] = value
                    lower[2 * j] = value
                    lower[2 * j + 1] = value


@operation(pooled, **SHARED_BY_IMAGE, names={"divisor": DIVISORS}, fits=_covers_image)
@kernel
def average_pool_whole(x, y, divisor=1):
    """Compute the sum of each channel, divided by the divisor. Several channels are computed at a time.

    Images of four elements fill vectors with several channels.
    """
    size, flat, result = x.shape[2] * x.shape[3], x.reshape(x.size), y.reshape(y.size)
    factor, end = _divisor_inverse(x, divisor, size), result.size - result.size % CHANNELS
    summed = 0
    if size == 4:
        summed = end
        for c in range(0, end, WIDTH // x.itemsize):
            store(sum_fours(load(flat, c * size, 0, 4, 1)), result, c, 0)
    for c in range(summed, end, CHANNELS):
        store_sums(_sums_of_channels(flat, c * size, size, CHANNELS), result, c)
    last = np.empty(WIDTH // x.itemsize, x.dtype)  # a sum is stored as a whole vector
    for c in range(end, result.size):
        store_sums(_sums_of_channels(flat, c * size, size, 1), last, 0)
        result[c] = last[0]
    for c in range(result.size):
        result[c] *= factor


@inlined
def _sums_of_channels(x, offset, size, channels):
    """Return a tile with the sums of the lanes of adjacent channels, whose number is a constant."""
    tile, vector = zeros(x, 1, channels), WIDTH // x.itemsize
    for k in range(0, size, vector):
        tile = add_parts(tile, x, offset + k, size, size - k)
    return tile


@operation(spread, names={"divisor": DIVISORS}, fits=_covers_image)
@kernel
def average_pool_whole_dx(dy, dx, divisor=1):
    """Write each channel's upstream gradient, divided by the divisor, to all elements of the channel."""
    size, upstream = dx.shape[2] * dx.shape[3], dy.reshape(dy.size)
    images, factor = dx.reshape(upstream.size, size), _divisor_inverse(dy, divisor, size)
    for c in range(upstream.size):
        images[c] = upstream[c] * factor
