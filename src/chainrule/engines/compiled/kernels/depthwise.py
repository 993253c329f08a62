"""Cross-correlation and its gradients for small groups, in particular depthwise convolutions.

In a group with one filter per channel, no other filter can reuse a loaded element. Each lane of a vector is therefore
a different filter with its own channel. Inputs and weights are then vectors, and all lanes are used for any stride,
dilation and image width:

    y[i, j] = Σ_u Σ_v w[u, v] · rows[s·i + d·u, s·j + d·v]        a lane for each filter

    layout   as many channels as a vector has lanes are transposed into a buffer of zeros, the frame
    y        a tile consists of `OUTPUTS` outputs, and is transposed back to channels
    dx       the same sums over dy with the taps that reach an element, one phase of dx after the other
    dw       a tile consists of nine taps; x and dy are both transposed, so that no lanes are added up

Lanes beyond the last filter repeat the last filter.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, kernel
from chainrule.engines.compiled.kernels.epilogue import (
    NO_EPILOGUE,
    WHOLE_RESULT,
    LaneEpilogue,
    clamp_of,
    correlation,
    has_tied_bias,
    scales_of,
)
from chainrule.engines.compiled.kernels.layout import PLAIN_WINDOW, correlate_dw_shape, correlate_dx_shape
from chainrule.engines.compiled.kernels.registry import Attributes, Conditions, Share, operation
from chainrule.engines.compiled.kernels.side_by_side import (
    OUTPUTS,
    TAPS,
    add_tap_products,
    frame_of_dy,
    lay_side_by_side,
    pack_weights,
    phases_of_dx,
    separate_channels,
    sum_side_by_side,
    sum_taps,
    vector_frame,
)
from chainrule.engines.compiled.kernels.transposing import panels_shape, whole_vectors

MAX_SUMMED = 4  # channels (or filters) per group that are summed
LANES_PER_GROUP = 3  # lanes in this file that take as long as a group in convolution.py


def filters_are_few(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether a cross-correlation of (x, w, b) has small groups and a tied bias."""
    (outs, ins, *_), groups = arrays[1].shape, attributes.get("groups", 1)
    return _are_small(groups, outs, ins, itemsize) and has_tied_bias(arrays)


def channels_are_few(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether an input gradient from (dy, w) has small groups."""
    (outs, ins, *_), groups = arrays[1].shape, attributes.get("groups", 1)
    return _are_small(groups, ins * groups, outs // groups, itemsize)


def gradients_are_few(arrays: Sequence[Any], attributes: Attributes, itemsize: int, conditions: Conditions) -> bool:
    """Return whether a kernel gradient from (x, dy) has small groups."""
    groups = attributes.get("groups", 1)
    return _are_small(groups, arrays[1].shape[-3], arrays[0].shape[-3] // groups, itemsize)


def _are_small(groups: int, side_by_side: int, summed: int, itemsize: int) -> bool:
    """Return whether there are several groups, each with few channels or filters to sum and few lanes.

    At most `MAX_SUMMED` channels or filters are summed. On average, the vectors have at most `LANES_PER_GROUP` lanes
    per group, including the unused lanes of the last vector.
    """
    lanes = WIDTH // itemsize
    return groups > 1 and summed <= MAX_SUMMED and LANES_PER_GROUP * groups >= -(-side_by_side // lanes) * lanes


def share_vectors(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of the filters, in whole vectors.

    Even tall images are not divided by rows, because threads would write to the same cache lines.
    """
    lanes = WIDTH // itemsize
    vectors = -(-shape[0] // lanes)
    return Share(("lowest", "highest"), shape[0], lanes, -(-vectors // 2) / vectors)


@operation(panels_shape, part_of="cross_correlate")
@kernel
def pack_lanes(w, packed, lowest=0, highest=-1):
    """Pack a range of filters into vectors with a lane per filter. The first filter, o, starts at element o·taps."""
    filter_end, taps, lanes = w.shape[0] if highest < 0 else highest, w[0].size, WIDTH // w.itemsize
    flat, starts, order = w.reshape(w.size), np.empty(lanes, np.int64), np.arange(taps)
    for first in range(lowest, filter_end, lanes):
        for k in range(lanes):
            starts[k] = min(first + k, filter_end - 1) * taps
        pack_weights(flat, starts, order, packed[first * taps :])


@correlation(share=share_vectors, fits=filters_are_few, packing="pack_lanes")
@kernel
def correlate_few(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's filters of one image.

    See `epilogue.correlation` for the parameters.
    """
    lowest, filter_end = chunk.lowest, y.shape[1] if chunk.highest < 0 else chunk.highest
    addends, factors = scales_of(b, epilogue.scaled, y)
    outs, ins, lanes = y.shape[1] // window.groups, w.shape[1], WIDTH // x.itemsize
    inside, outside, count = x.shape[2] * x.shape[3], y.shape[2] * y.shape[3], ins * w.shape[2] * w.shape[3]
    frame = vector_frame(x, w, y, window)
    vectors = w.reshape(w.size)
    if not packed:
        vectors = np.empty((lowest + whole_vectors(filter_end - lowest, w.itemsize)) * count, x.dtype)
        pack_lanes(w, vectors, lowest, filter_end)
    lane_addends, lane_factors = np.empty(lanes, x.dtype), np.empty(lanes, x.dtype)
    lane_epilogue = LaneEpilogue(lane_addends, lane_factors, epilogue.scaled, clamp_of(epilogue, y))
    source, result = x.reshape(x.size), y.reshape(y.size)
    input_offsets = np.empty(lanes, np.int64)
    output_offsets = np.empty(lanes, np.int64)
    for first in range(lowest, filter_end, lanes):
        group = first // outs
        for k in range(lanes):
            o = min(first + k, filter_end - 1)
            if o == (group + 1) * outs:  # without a division per filter, which would take as long as a small image
                group += 1
            input_offsets[k] = group * ins * inside
            output_offsets[k] = o * outside
            lane_addends[k], lane_factors[k] = addends[o], factors[o]
        weights = vectors[first * count :]
        for n in range(x.shape[0]):
            for c in range(ins):
                image_start = (n * x.shape[1] + c) * inside + frame.start
                lay_side_by_side(
                    source, image_start, input_offsets, frame.rows, c * frame.plane, frame.cells, frame.count
                )
            image_start = n * y.shape[1] * outside
            sum_taps(
                frame.rows,
                frame.outputs,
                frame.tap_offsets,
                weights,
                lane_epilogue,
                result,
                image_start,
                output_offsets,
                outside,
            )


@operation(correlate_dx_shape, fits=channels_are_few)
@kernel
def correlate_few_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx[c, s·q + r] = Σ_{o, d·u ≡ r} w[o, c, u] dy[o, q − d·u // s] on both axes, for phase r.

    s·q + r is a row, or column, of padded dx. The congruence ≡ is modulo the stride s, and d is the dilation.
    """
    outs = dy.shape[1] // window.groups
    ins = w.shape[1]
    lanes = WIDTH // dy.itemsize
    inside, outside, size = dx.shape[2] * dx.shape[3], dy.shape[2] * dy.shape[3], w.shape[2] * w.shape[3]
    layout, origin, start, copied, cell_offsets = frame_of_dy(dy, w, dx, window)
    phases = phases_of_dx(w, dx, layout, origin, outs, window)
    writes_directly = window.stride[0] == window.stride[1] == 1
    frame = np.zeros(outs * layout.plane * lanes, dy.dtype)
    sums = np.empty(0 if writes_directly else max(inside, OUTPUTS) * lanes, dy.dtype)
    weights, unused = np.empty(outs * size * lanes, dy.dtype), np.zeros(lanes, dy.dtype)
    epilogue = LaneEpilogue(unused, unused, False, clamp_of(NO_EPILOGUE, dy))
    source, filters, result = dy.reshape(dy.size), w.reshape(w.size), dx.reshape(dx.size)
    input_offsets = np.empty(lanes, np.int64)
    output_offsets = np.empty(lanes, np.int64)
    weight_offsets = np.empty(lanes, np.int64)
    for first in range(0, dx.shape[1], lanes):
        for k in range(lanes):
            c = min(first + k, dx.shape[1] - 1)
            o = c // ins * outs  # the first filter of the group
            input_offsets[k] = o * outside
            output_offsets[k] = c * inside
            weight_offsets[k] = (o * ins + c % ins) * size
        pack_weights(filters, weight_offsets, phases.weight_order, weights)
        for n in range(dy.shape[0]):
            for o in range(outs):
                image_start = (n * dy.shape[1] + o) * outside + start
                lay_side_by_side(
                    source, image_start, input_offsets, frame, o * layout.plane * lanes, cell_offsets, copied
                )
            image_start = n * dx.shape[1] * inside
            if writes_directly:
                inputs, taps = phases.input_offsets, phases.tap_offsets
                sum_taps(frame, inputs, taps, weights, epilogue, result, image_start, output_offsets, inside)
                continue
            for p in range(phases.tap_starts.size - 1):
                first_tap, end_tap = phases.tap_starts[p], phases.tap_starts[p + 1]
                first_cell, end_cell = phases.cell_starts[p], phases.cell_starts[p + 1]
                part = weights[first_tap * lanes : end_tap * lanes]
                if end_cell > first_cell:
                    cells_of_phase = phases.input_offsets[first_cell:end_cell]
                    sums_of_phase = phases.sum_offsets[first_cell:end_cell]
                    taps_of_phase = phases.tap_offsets[first_tap:end_tap]
                    sum_side_by_side(frame, cells_of_phase, taps_of_phase, part, epilogue, sums, sums_of_phase)
            separate_channels(sums, inside, result, image_start, output_offsets)


@operation(correlate_dw_shape, accumulates=True, fits=gradients_are_few)
@kernel
def correlate_few_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block.

    A vector contains `lanes` filters; lane k is filter first + k, or repeats the last filter. For each filter, its
    upstream gradient and the channels of its group are copied to the lane. The vectors are:

        frame.rows    element p of channel c of the group    at c · plane + cells[p]
        upstream      output q                               at q · lanes
        vectors       weight t of the filter                 at t · lanes; the last tile of taps is filled up
    """
    outs = dy.shape[1] // window.groups
    ins = dw.shape[1]
    lanes = WIDTH // x.itemsize
    inside, outside, size = x.shape[2] * x.shape[3], dy.shape[2] * dy.shape[3], ins * dw.shape[2] * dw.shape[3]
    frame, cell_offsets = vector_frame(x, dw, dy, window), np.arange(max(outside, lanes)) * lanes
    ahead = np.empty((size + TAPS - 1) // TAPS * TAPS, np.int64)
    for t in range(ahead.size):
        ahead[t] = frame.tap_offsets[min(t, size - 1)]
    upstream, vectors = np.empty(cell_offsets.size * lanes, x.dtype), np.empty(ahead.size * lanes, x.dtype)
    source, all_upstream, gradient = x.reshape(x.size), dy.reshape(dy.size), dw.reshape(dw.size)
    input_offsets, upstream_offsets = np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    for first in range(0, dy.shape[1], lanes):
        for k in range(lanes):
            o = min(first + k, dy.shape[1] - 1)
            input_offsets[k], upstream_offsets[k] = o // outs * ins * inside, o * outside
        vectors[:] = 0
        for n in range(x.shape[0]):
            lay_side_by_side(
                all_upstream, n * dy.shape[1] * outside, upstream_offsets, upstream, 0, cell_offsets, outside
            )
            for c in range(ins):
                image_start = (n * x.shape[1] + c) * inside + frame.start
                lay_side_by_side(
                    source, image_start, input_offsets, frame.rows, c * frame.plane, frame.cells, frame.count
                )
            add_tap_products(frame.rows, frame.outputs, ahead, upstream[: outside * lanes], vectors)
        for k in range(min(lanes, dy.shape[1] - first)):
            for t in range(size):
                gradient[(first + k) * size + t] += vectors[t * lanes + k]
