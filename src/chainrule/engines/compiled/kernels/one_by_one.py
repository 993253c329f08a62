"""Convolutions with 1×1 kernels, stride 1 and no padding, compiled: a matrix of weights times an image's channels.

Rows are read and written in place; neither rows nor sums are copied, and weights are not transposed:

    y[o, p] = b[o] + Σ_c w[o, c] · x[c, p]        p over the lanes

The last tile along each axis may overlap the previous tile and compute some results again, so that no tile extends
beyond the end.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.choice import POINT_TILE, forward_fit
from chainrule.engines.compiled.kernels.epilogue import (
    NO_EPILOGUE,
    WHOLE_RESULT,
    LaneEpilogue,
    clamp_of,
    correlation,
    scales_of,
)
from chainrule.engines.compiled.kernels.layout import PLAIN_WINDOW
from chainrule.engines.compiled.kernels.registry import Attributes, Share, rows_or_filters
from chainrule.engines.compiled.kernels.tiles import (
    add_outer_at,
    clamp_tile,
    load,
    load_offsets,
    multiply_add,
    store,
    zeros,
)

TILE_ROWS, REST_ROWS, TILE_COLUMNS = POINT_TILE  # vectors of positions, fewer for the remainder, and filters
STRIP = 1 << 17  # bytes of positions, in all channels, that stay in a cache until all filters are computed


class WeightMatrix(NamedTuple):
    """Weights: filter o has the weight values[start + o·stride + c] for channel c."""

    values: Any
    start: int
    stride: int


class Channels(NamedTuple):
    """Channels of an image: position p of channel c is values[start + c·step + p]."""

    values: Any
    start: int
    step: int


def share_points(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of a result by rows or by filters.

    The work is estimated in whole tiles of filters.
    """
    half = _in_tiles(-(-shape[0] // 2)) / _in_tiles(shape[0]) if shape[0] >= 2 * TILE_COLUMNS else 1
    return rows_or_filters(shape, 1, half)


def _in_tiles(filters: int) -> int:
    return -(-filters // TILE_COLUMNS)


@correlation(fits=forward_fit("correlate_points"), share=share_points)
@kernel
def correlate_points(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    See `epilogue.correlation` for the parameters.
    """
    ins, outs, plane = x.shape[1], y.shape[1], y.shape[2] * y.shape[3]
    first, lowest, filter_end = chunk.first, chunk.lowest, outs if chunk.highest < 0 else chunk.highest
    first_position, length = first * y.shape[3], ((y.shape[2] if chunk.last < 0 else chunk.last) - first) * y.shape[3]
    addends, factors = scales_of(b, epilogue.scaled, y)
    epilogues = LaneEpilogue(
        addends[lowest:filter_end], factors[lowest:filter_end], epilogue.scaled, clamp_of(epilogue, x)
    )
    weights = WeightMatrix(w.reshape(w.size), lowest * ins, ins)
    image, result = _copied_if_shared(x, filter_end - lowest < outs), y.reshape(y.size)
    for s in range(x.shape[0]):
        inputs = Channels(image, s * ins * plane + first_position, plane)
        outputs = Channels(result, (s * outs + lowest) * plane + first_position, plane)
        _multiply(weights, inputs, ins, outputs, length, epilogues)


@inlined
def _copied_if_shared(x, shared):
    """Return x as a flat array, or a copy if filters are split across threads, since other threads may have written x.

    A sequential copy fetches several lines of another processor's cache at a time; the scattered reads of tiles do not.
    """
    flat = x.reshape(x.size)
    if shared:
        copy = np.empty(x.size, x.dtype)
        for k in range(x.size):
            copy[k] = flat[k]
        flat = copy
    return flat


@kernel
def _multiply(weights, inputs, ins, outputs, length, epilogues):
    """Compute the results of all filters at `length` positions, from `ins` channels."""
    vector = WIDTH // outputs.values.itemsize
    filters = epilogues.addends.size
    if filters < TILE_COLUMNS or length < REST_ROWS * vector:
        _multiply_by_element(weights, inputs, ins, outputs, length, epilogues)
        return
    repeated = LaneEpilogue(
        _repeat_in_lanes(epilogues.addends, vector),
        _repeat_in_lanes(epilogues.factors, vector),
        epilogues.scaled,
        epilogues.clamp,
    )
    tile_starts, rest_starts = _tiles(length, vector)
    strip = max(1, STRIP // (ins * TILE_ROWS * WIDTH))
    for first in range(0, tile_starts.size, strip):
        _multiply_tiles(
            weights, filters, inputs, ins, outputs, tile_starts[first : first + strip], repeated, tile_rows=TILE_ROWS
        )
    _multiply_tiles(weights, filters, inputs, ins, outputs, rest_starts, repeated, tile_rows=REST_ROWS)


@inlined
def _repeat_in_lanes(values, vector):
    """Return the values of filters. Each is repeated for all lanes of a tile's vectors.

    vector  number of lanes
    """
    outputs = np.empty(values.size * TILE_ROWS * vector, values.dtype)
    for o in range(values.size):
        outputs[o * TILE_ROWS * vector : (o + 1) * TILE_ROWS * vector] = values[o]
    return outputs


@inlined
def _tiles(length, vector):
    """Return two lists of first positions: of the large tiles and of the remainder tiles for `length` positions.

    The last tile may overlap the previous tile.
    """
    count = length // (TILE_ROWS * vector)
    rest = length - count * TILE_ROWS * vector
    rest_count = 0 if rest == 0 else 1
    if rest > REST_ROWS * vector:
        rest_count, count = (0, count + 1) if count > 0 else (2, 0)
    elif rest > 0 and TILE_ROWS == REST_ROWS + 1 and REST_ROWS > 1 and rest <= vector and count > 0:
        rest_count, count = 2, count - 1
    tile_starts, rest_starts = np.arange(count) * (TILE_ROWS * vector), np.empty(rest_count, np.int64)
    if count > 0 and rest_count == 0:
        tile_starts[count - 1] = length - TILE_ROWS * vector
    for k in range(rest_count):
        rest_starts[k] = length - REST_ROWS * vector if k == rest_count - 1 else count * TILE_ROWS * vector
    return tile_starts, rest_starts


@kernel
def _multiply_tiles(weights, outs, inputs, ins, outputs, starts, epilogues, tile_rows):
    """Compute all filters for the tiles of `tile_rows` vectors of positions that start at `starts`."""
    literally(tile_rows)
    w, start, filter_stride = weights
    x, input_start, input_stride = inputs
    y, output_start, output_stride = outputs
    lanes = TILE_ROWS * (WIDTH // y.itemsize)
    filters = load_offsets(np.arange(TILE_COLUMNS) * filter_stride, 0, TILE_COLUMNS)
    for row in range(0, outs, TILE_COLUMNS):
        o = min(row, outs - TILE_COLUMNS)
        for p in starts:
            tile = (
                zeros(x, tile_rows, TILE_COLUMNS)
                if epilogues.scaled
                else load(epilogues.addends, o * lanes, lanes, tile_rows, TILE_COLUMNS)
            )
            for c in range(ins):
                tile = add_outer_at(
                    tile,
                    x,
                    input_start + p + c * input_stride,
                    w,
                    start + o * filter_stride + c,
                    filters,
                )
            if epilogues.scaled:
                factors = load(epilogues.factors, o * lanes, lanes, tile_rows, TILE_COLUMNS)
                tile = multiply_add(tile, factors, load(epilogues.addends, o * lanes, lanes, tile_rows, TILE_COLUMNS))
            store(
                clamp_tile(tile, epilogues.clamp.minimum, epilogues.clamp.maximum),
                y,
                output_start + o * output_stride + p,
                output_stride,
            )


@kernel
def _multiply_by_element(weights, inputs, ins, outputs, length, epilogues):
    """Compute a chunk that is too small for a tile, element by element."""
    w, start, filter_stride = weights
    x, input_start, input_stride = inputs
    y, output_start, output_stride = outputs
    minimum, maximum = epilogues.clamp
    for o in range(epilogues.addends.size):
        for p in range(length):
            total = y.dtype.type(0) if epilogues.scaled else epilogues.addends[o]
            for c in range(ins):
                total += w[start + o * filter_stride + c] * x[input_start + c * input_stride + p]
            total = total * epilogues.factors[o] + epilogues.addends[o] if epilogues.scaled else total
            y[output_start + o * output_stride + p] = (
                minimum if total < minimum else maximum if total > maximum else total
            )
