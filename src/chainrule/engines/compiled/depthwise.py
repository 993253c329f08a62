"""Cross-correlation and its gradients where a group has few filters: depthwise convolutions above all.

With one filter for each channel there is nothing to share a loaded vector with but the taps of that filter. So a tile
is one vector from each of a few rows of outputs, below one another, and where a column of taps slides over them, each
row of the image is loaded once for three taps:

    y[i, j] = Σ_v Σ_u w[u, v] · rows[i + u, j + v]        i over the rows of the tile, j over the lanes

The padded channels of one group are laid out at a time; they stay in the fastest cache.

stride  the cells of one remainder are an image of their own (see `layout`); their taps are added one by one.
dx      the same sums over dy, one phase of dx after the other.
dw      see `depthwise_gradient.py`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.bounds import bounds_of, has_tied_bias, is_untied, scales_of
from chainrule.engines.compiled.filling import input_gradient_fit
from chainrule.engines.compiled.layout import (
    PaddedLayout,
    Sliding,
    backward_taps,
    buffer_size,
    copy_rows,
    correlate_dx_shape,
    correlate_shape,
    forward_taps,
    lay_out_channels,
    padded_layout,
    phase_extent,
    spread_rows,
)
from chainrule.engines.compiled.registry import SHARED_FROM, Attributes, Share, always, operation
from chainrule.engines.compiled.tiles import (
    add_rows,
    load_rows,
    multiply_add,
    store_pairs,
    store_rows,
    within,
    zeros,
)
from chainrule.engines.compiled.toolchain import COUNT, WIDTH, inlined, kernel, literally

ROWS = 4  # rows of outputs of a tile
FASTEST_CACHE = 1 << 14  # bytes of it that the channels laid out together may take
FEW = 4 if COUNT == 32 else 3  # filters of a group up to which these kernels are the faster ones


def filters_are_few(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether a cross-correlation has groups, and few filters in each.

    Without groups, such layers are left to the kernel that pools in registers.
    """
    groups = given.get("groups", 1)
    return groups > 1 and arrays[1].shape[0] <= FEW * groups


def channels_are_few(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether an input gradient has few channels in a group, which are its filters, and fills no vectors."""
    return arrays[1].shape[1] <= FEW and input_gradient_fit("convolution")(arrays, given, itemsize)


class TapRuns(NamedTuple):
    """Taps of a filter: first columns of three, one row below the other, then single ones.

    at       how far ahead of its output the cell under the first tap of a run lies
    weights  where in its filter the weight of that tap lies
    threes   number of columns of three
    apart    distance of the weights in such a column
    """

    at: Any
    weights: Any
    threes: int
    apart: int


class Start(NamedTuple):
    """What sums start from: output (i, j) from values[first + i·down + j·along]."""

    values: Any
    first: int
    down: int
    along: int


class ResultRows(NamedTuple):
    """Rows of results: (height, cells) of them at values[first + i·width + j].

    times  a vector of the factor that sums are multiplied with before their start is added; empty: they start from it
    """

    values: Any
    first: int
    width: int
    height: int
    cells: int
    bounds: Any
    times: Any


def share_channels(shape: tuple[int, ...], itemsize: int) -> Share:
    """Share filters, of a tall image too: with rows, two threads would write to neighbouring lines of the cache."""
    return Share(("lowest", "highest"), shape[0], 1, -(-shape[0] // 2) / shape[0])


@operation(
    correlate_shape,
    flat=("b",),
    replaces="cross_correlate",
    by_channel=("lowest", "highest"),
    share=share_channels,
    shared_from=SHARED_FROM,
    fits=filters_are_few,
    epilogues={"scaled": has_tied_bias, "rectify": always, "capped": always},
)
@kernel
def correlate_few(
    x,
    w,
    b,
    y,
    stride=(1, 1),
    padding=((0, 0), (0, 0)),
    dilation=(1, 1),
    groups=1,
    flip=False,
    scaled=False,
    rectify=False,
    capped=0.0,
    lowest=0,
    highest=-1,
):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's filters of one image.

    scaled   b holds addends and factors of the filters: y = (w ⋆ x)·factor + addend
    rectify  set y to 0 where it is not positive, as the ReLU that follows would
    capped   the same, and to this where it is larger, unless it is 0
    """
    slide = Sliding(stride, padding, dilation, flip)
    behind = y.shape[1] if highest < 0 else highest
    outs, ins, size, lanes = y.shape[1] // groups, w.shape[1], w[0].size, WIDTH // x.itemsize
    laid, height, cells = padded_layout(x, slide), y.shape[2], y.shape[3]
    offsets = forward_taps(w.shape, laid, slide)
    runs = _runs(offsets, np.arange(size), w.shape, ins, laid.width)
    phases = laid.plane * stride[0] * stride[1]
    block = groups_per_block(groups, ins * phases, x.itemsize)
    length = (height - 1) * laid.width + cells + lanes
    rows = np.zeros(buffer_size(block * ins * phases, (block - 1) * ins * phases, offsets, length), x.dtype)
    weights, result = w.reshape(w.size), y.reshape(y.size)
    untied, bounds = is_untied(b, scaled, y), bounds_of(rectify, capped, y)
    plus, times = scales_of(b, scaled, y)
    plus, times = plus if untied else in_all_lanes(plus, lanes), in_all_lanes(times, lanes)
    for s in range(x.shape[0]):
        for g in range(lowest // outs, (behind + outs - 1) // outs, block):
            end = min(g + block, (behind + outs - 1) // outs)
            lay_out_channels(x, s, (g * ins, end * ins), rows, laid, slide, (0, x.shape[2]))
            for o in range(max(lowest, g * outs), min(behind, end * outs)):
                place = o * height * cells
                start = Start(plus, place, cells, 1) if untied else Start(plus, o * lanes, 0, 0)
                factor = times[o * lanes : (o + 1) * lanes] if scaled else times[:0]
                begin = s * y.shape[1] * height * cells + place
                target = ResultRows(result, begin, cells, height, cells, bounds, factor)
                ahead = (o // outs - g) * ins * phases
                _slide_rows(rows, ahead, laid.width, runs, weights, o * size, start, target)


@inlined
def groups_per_block(groups, cells, itemsize):
    """Return how many groups of `cells` are laid out together: as many as stay in the fastest cache."""
    return max(1, min(groups, FASTEST_CACHE // (cells * itemsize)))


@inlined
def in_all_lanes(values, lanes):
    """Return the values of filters, each in as many lanes."""
    found = np.empty(values.size * lanes, values.dtype)
    for o in range(values.size):
        found[o * lanes : (o + 1) * lanes] = values[o]
    return found


@operation(correlate_dx_shape, replaces="cross_correlate_dx", fits=channels_are_few)
@kernel
def correlate_few_dx(dy, w, dx, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=1, flip=False):
    """Compute the cells of every phase of dx from the taps that fall on it."""
    slide = Sliding(stride, padding, dilation, flip)
    for down in range(stride[0]):
        rows = phase_extent(0, (down, 0), slide, w.shape, dy.shape, dx.shape)
        top = stride[0] * rows.first + down - padding[0][0]
        if rows.count > 0 and stride[1] == 2:
            _correlate_phase_pair(dy, w, dx, down, (top, rows.count), groups, slide)
        elif rows.count > 0:
            for along in range(stride[1]):
                _correlate_phase(dy, w, dx, (down, along), (top, rows.count), groups, slide)


@inlined
def _frame_of_phase(dy, w, dx, phase, slide):
    """Return the frame of dy around which a phase of dx has all its zeros, and the cells before dy in it."""
    down = phase_extent(0, phase, slide, w.shape, dy.shape, dx.shape)
    along = phase_extent(1, phase, slide, w.shape, dy.shape, dx.shape)
    width = dy.shape[3] + max(along.before, along.after)
    return PaddedLayout(width, (down.before + dy.shape[2] + down.after) * width), down, along


@inlined
def _taps_of_phase(w, phase, laid, before, extents, outs, slide):
    """Return the offsets of the taps of a phase of dx, `before` cells before each row of dy, and their weights."""
    down, along = extents
    offsets, order = backward_taps(w.shape, phase, laid, outs, slide)
    offsets += down.skip * laid.width + along.skip + before - along.before
    return offsets, order


@kernel
def _correlate_phase(dy, w, dx, phase, extent, groups, slide):
    """Compute dx[c, s·i + r] = Σ_{o, u ≡ r} w[o, c, u] dy[o, i − d·u // s], on both axes alike, r the phase."""
    stride, (top, count) = slide.stride, extent
    laid, down, along = _frame_of_phase(dy, w, dx, phase, slide)
    if along.count <= 0:
        return
    ins, outs, taps, lanes = w.shape[1], dy.shape[1] // groups, w.shape[2] * w.shape[3], WIDTH // dy.itemsize
    offsets, order = _taps_of_phase(w, phase, laid, along.before, (down, along), outs, slide)
    runs = _runs(offsets, order, w.shape, outs, laid.width)
    cells, block = outs * laid.plane, groups_per_block(groups, outs * laid.plane, dy.itemsize)
    length = (count - 1) * laid.width + along.count + lanes
    rows = np.zeros(buffer_size(block * cells, (block - 1) * cells, offsets, length), dy.dtype)
    weights, result, bounds = w.reshape(w.size), dx.reshape(dx.size), bounds_of(False, 0.0, dy)
    none = np.empty(0, dy.dtype)
    whole, nothing = stride[1] == 1, Start(np.zeros(lanes, dy.dtype), 0, 0, 0)
    sums = np.empty(0 if whole else count * along.count, dy.dtype)
    left = stride[1] * along.first + phase[1] - slide.padding[1][0]
    for s in range(dy.shape[0]):
        for g in range(0, groups, block):
            end = min(g + block, groups)
            copy_rows(dy[s, g * outs : end * outs], rows, down.before * laid.width + along.before, laid)
            for c in range(g * ins, end * ins):
                ahead, filters = (c // ins - g) * cells, c // ins * outs * ins + c % ins
                values, place, step = sums, 0, along.count
                if whole:
                    values, step = result, stride[0] * dx.shape[3]
                    place = ((s * dx.shape[1] + c) * dx.shape[2] + top) * dx.shape[3]
                target = ResultRows(values, place, step, count, along.count, bounds, none)
                _slide_rows(rows, ahead, laid.width, runs, weights, filters * taps, nothing, target)
                if not whole:
                    spread_rows(sums, 0, along.count, dx[s, c], (top, left), stride)


@kernel
def _correlate_phase_pair(dy, w, dx, down, extent, groups, slide):
    """Compute the same for both phases of columns of stride 2, whose cells alternate along a row of dx."""
    top, count = extent
    first = slide.padding[1][0] % 2  # phase of the cells 0, 2, 4 … of a row
    even_frame, vertical, even = _frame_of_phase(dy, w, dx, (down, first), slide)
    _, _, odd = _frame_of_phase(dy, w, dx, (down, 1 - first), slide)
    width = dy.shape[3] + max(max(even.before, odd.before), max(even.after, odd.after))
    laid, before = PaddedLayout(width, even_frame.plane // even_frame.width * width), max(even.before, odd.before)
    ins, outs, taps, lanes = w.shape[1], dy.shape[1] // groups, w.shape[2] * w.shape[3], WIDTH // dy.itemsize
    even_taps, order = _taps_of_phase(w, (down, first), laid, before, (vertical, even), outs, slide)
    even_runs = _runs(even_taps, order, w.shape, outs, width)
    odd_taps, order = _taps_of_phase(w, (down, 1 - first), laid, before, (vertical, odd), outs, slide)
    odd_runs = _runs(odd_taps, order, w.shape, outs, width)
    cells, block = outs * laid.plane, groups_per_block(groups, outs * laid.plane, dy.itemsize)
    length = (count - 1) * width + even.count + lanes
    size = buffer_size(block * cells, (block - 1) * cells, even_taps, length)
    rows = np.zeros(buffer_size(size, (block - 1) * cells, odd_taps, length), dy.dtype)
    weights, result, bounds = w.reshape(w.size), dx.reshape(dx.size), bounds_of(False, 0.0, dy)
    none = np.empty(0, dy.dtype)
    for s in range(dy.shape[0]):
        for g in range(0, groups, block):
            end = min(g + block, groups)
            copy_rows(dy[s, g * outs : end * outs], rows, vertical.before * width + before, laid)
            for c in range(g * ins, end * ins):
                place = ((s * dx.shape[1] + c) * dx.shape[2] + top) * dx.shape[3]
                target = ResultRows(result, place, slide.stride[0] * dx.shape[3], count, dx.shape[3], bounds, none)
                ahead, filters = (c // ins - g) * cells, c // ins * outs * ins + c % ins
                if count < ROWS:
                    _slide_pairs(rows, ahead, width, even_runs, odd_runs, weights, filters * taps, target, tall=1)
                else:
                    _slide_pairs(rows, ahead, width, even_runs, odd_runs, weights, filters * taps, target, tall=ROWS)


@inlined
def _runs(offsets, order, shape, channels, width):
    """Return the `TapRuns` of taps (c, u, v), which lie `offsets` ahead; `channels` are filters for dx."""
    height, cells = shape[2], shape[3]
    taps, threes = height * cells, 0
    at, weights, apart = np.empty(offsets.size, np.int64), np.empty(offsets.size, np.int64), 0
    single = np.ones(offsets.size, np.bool_)
    if height > 2 and offsets.size == channels * taps and abs(offsets[cells] - offsets[0]) == width:
        upward = offsets[cells] < offsets[0]
        apart = order[0] - order[cells] if upward else order[cells] - order[0]
        for c in range(0, offsets.size, taps):
            for u in range(0, height - 2, 3):
                for v in range(cells):
                    k = c + u * cells + v
                    uppermost = k + 2 * cells if upward else k
                    at[threes], weights[threes], threes = offsets[uppermost], order[uppermost], threes + 1
                    single[k], single[k + cells], single[k + 2 * cells] = False, False, False
    count = threes
    for k in range(offsets.size):
        if single[k]:
            at[count], weights[count], count = offsets[k], order[k], count + 1
    return TapRuns(at[:count], weights[:count], threes, apart)


@inlined
def _slide_rows(rows, ahead, width, runs, w, first, start, result):
    """Compute result[i, j] = start[i, j] + Σ_k w[first + weights[k]] · rows[ahead + i·width + j + at[k]] for rows i."""
    if result.height < ROWS:
        _slide_rows_by(rows, ahead, width, runs, w, first, start, result, tall=1)
    else:
        _slide_rows_by(rows, ahead, width, runs, w, first, start, result, tall=ROWS)


@kernel
def _slide_rows_by(rows, ahead, width, runs, w, first, start, result, tall):
    """Compute `_slide_rows` by tiles of `tall` rows; the last ones cover some outputs again."""
    literally(tall)
    plus, begin, down, along = start
    values, place, step, height, cells, bounds, times = result
    lanes = WIDTH // rows.itemsize
    for t in range(0, height, tall):
        i = min(t, height - tall)
        for r in range(0, cells, lanes):
            j = min(r, max(cells - lanes, 0))
            p, count = ahead + i * width + j, cells - j
            tile = load_rows(plus, begin + i * down + j * along, down, count, tall, 1)
            if times.size > 0:
                sums = _add_runs(zeros(rows, tall, 1), rows, p, width, runs, w, first)
                tile = multiply_add(sums, load_rows(times, 0, 0, count, tall, 1), tile)
            else:
                tile = _add_runs(tile, rows, p, width, runs, w, first)
            store_rows(within(tile, bounds.least, bounds.most), values, place + i * step + j, step, count)


@kernel
def _slide_pairs(rows, ahead, width, even, odd, w, first, result, tall):
    """Compute what `_slide_rows` does of one list of taps for the even cells of a row, of another for the odd ones."""
    literally(tall)
    values, place, step, height, cells, _, _ = result
    lanes = WIDTH // rows.itemsize
    for t in range(0, height, tall):
        i = min(t, height - tall)
        for j in range(0, (cells + 1) // 2, lanes):
            p = ahead + i * width + j
            left = _add_runs(zeros(rows, tall, 1), rows, p, width, even, w, first)
            right = _add_runs(zeros(rows, tall, 1), rows, p, width, odd, w, first)
            store_pairs(left, right, values, place + i * step + 2 * j, step, cells - 2 * j)


@inlined
def _add_runs(tile, rows, p, width, runs, w, first):
    """Add the products of taps, Σ_k w[first + weights[k]] · rows[p + a·width + lane + at[k]], to row a of a tile."""
    at, weights, threes, apart = runs
    for k in range(threes):
        tile = add_rows(tile, rows, p + at[k], width, w, first + weights[k], apart, 3)
    for k in range(threes, at.size):
        tile = add_rows(tile, rows, p + at[k], width, w, first + weights[k], 0, 1)
    return tile
