"""Cross-correlation and its gradients, compiled. The equations are in reference/convolution.py.

The same loops are used for all strides, dilations, groups and kernel sizes. A padded image is stored as a flat array,
in rows of `width` elements. Output (i, j) has index p = i·width + j, and its input under tap k is taps[k] elements
after element p:

    y[o, p] = Σ_k w[o, k] · rows[p + taps[k]]        k over the taps (c, u, v)

The ends of rows need no special treatment, and neighboring outputs form a vector. The last elements of each row of y,
where no output exists, are garbage that is never read. The sums of a tile of outputs and filters stay in registers
during the loop over k (see `tiles`).

Other cases:

stride  elements with the same remainders (i mod s, j mod s) form a separate image, a phase; every tap reads one phase.
dx      the same sums over dy, for one phase of dx at a time; with stride 1, this is the full convolution.
dw      dw[o, k] += Σ_p dy[o, p] · rows[p + taps[k]], with dy zero where a row is garbage.
"""

import numpy as np

from chainrule.engines.compiled.compiler import inlined, kernel
from chainrule.engines.compiled.kernels.epilogue import (
    EPILOGUES,
    NO_EPILOGUE,
    WHOLE_RESULT,
    clamp_of,
    correlation,
    has_tied_bias,
    is_untied,
    scales_of,
)
from chainrule.engines.compiled.kernels.layout import (
    PLAIN_WINDOW,
    PaddedLayout,
    backward_taps,
    buffer_size,
    conflict_free_stride,
    copy_rows,
    correlate_dw_shape,
    correlate_dx_shape,
    forward_taps,
    input_rows,
    lay_out,
    padded_layout,
    phase_extent,
    spread_rows,
)
from chainrule.engines.compiled.kernels.registry import (
    Attributes,
    InputBuffer,
    Share,
    operation,
    rows_or_filters,
)
from chainrule.engines.compiled.kernels.row_tiles import (
    LONG_SIDE,
    FilterEpilogue,
    RowEpilogue,
    Rows,
    Sums,
    UpstreamRows,
    Weights,
    copy_with_bias,
    correlate_tiles,
    filters_per_tile,
    padded_rows,
    row_size,
    weight_gradient,
    with_slack,
    write_results,
)

MAX_PRODUCTS = 4096  # products summed in registers before the lanes are added up (kernel gradient)


def share_tiles(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of a result by rows or by tiles of filters."""
    tile = filters_per_tile(shape[0])
    parts = -(-shape[0] // tile)
    return rows_or_filters(shape, tile, -(-parts // 2) / parts)


@correlation(
    share=share_tiles,
    epilogues={**EPILOGUES, "pooled": has_tied_bias},
    input_buffer=InputBuffer("y", tiled=True),
)
@kernel
def cross_correlate(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    `rows` contains the padded image. `sums` contains `size` elements for each filter of a group, with result (i, j) at
    index i · width + j. A thread's part of `rows` begins `skipped` elements after the first element. With pooling, two
    rows of sums yield one row of y.

    See `epilogue.correlation` for the parameters. `epilogue.pooled` requires a tied bias.
    """
    groups, pooled, first, lowest = window.groups, epilogue.pooled, chunk.first, chunk.lowest
    last, filter_end = y.shape[2] if chunk.last < 0 else chunk.last, y.shape[1] if chunk.highest < 0 else chunk.highest
    addends, factors = scales_of(b, epilogue.scaled, y)
    outs, weights_per_filter = y.shape[1] // groups, w[0].size
    layout = padded_layout(x, window)
    row_epilogue = RowEpilogue(layout.width, addends, factors, is_untied(b, epilogue.scaled, y), clamp_of(epilogue, y))
    offsets = forward_taps(w.shape, layout, window)
    if last <= first:
        return
    pool_size = 2 if pooled else 1
    row_range, skipped = input_rows(x, w, window, pool_size * first, pool_size * last), pool_size * first * layout.width
    length = (pool_size * (last - first) - 1) * layout.width + pool_size * y.shape[3]
    size = row_size(length, x.itemsize)
    channel_size = layout.plane * window.stride[0] * window.stride[1]
    furthest = (groups - 1) * w.shape[1] * channel_size + skipped
    rows = np.zeros(buffer_size(x.shape[1] * channel_size, furthest, offsets, size), x.dtype)
    sums = Sums(np.empty(padded_rows(outs) * size, x.dtype), size, length)
    flat = with_slack(
        w,
        outs if filter_end - lowest == y.shape[1] else (filter_end - lowest if groups == 1 else 1),
        weights_per_filter,
    )
    for n in range(x.shape[0]):
        lay_out(x[n], rows, layout, window, row_range)
        for g in range(groups):
            start = g * w.shape[1] * channel_size + skipped
            first_filter, count = max(lowest, g * outs), min(filter_end, (g + 1) * outs) - max(lowest, g * outs)
            if count <= 0:
                continue
            weights = Weights(
                flat, first_filter * weights_per_filter, weights_per_filter, np.arange(weights_per_filter)
            )
            correlate_tiles(Rows(rows, 0, offsets), start, weights, sums, count)
            for o in range(count):
                write_results(sums.values, o * size, y, (n, first_filter + o), (first, last), row_epilogue, pooled)


@operation(correlate_dx_shape, input_buffer=InputBuffer("dx", tiled=True))
@kernel
def cross_correlate_dx(dy, w, dx, window=PLAIN_WINDOW):
    """Compute dx, one phase after the other; see `_correlate_phase`."""
    for down in range(window.stride[0]):
        for along in range(window.stride[1]):
            _correlate_phase(dy, w, dx, (down, along), window)


@inlined
def _correlate_phase(dy, w, dx, phase, window):
    """Compute dx[c, s·i + r] = Σ_{o, u ≡ r} w[o, c, u] dy[o, i − d·u // s], on both axes, for phase r.

    Here, dx is padded, u ≡ r means d·u ≡ r modulo the stride s, and d is the dilation. The phase consists of every s-th
    row and column of dx. Its sums are contiguous, like the results of a forward convolution of dy, and are then written
    to these rows and columns; with stride 1, there is one phase, and its sums are dx.
    """
    stride, padding, groups = window.stride, window.padding, window.groups
    down = phase_extent(0, phase, window, w.shape, dy.shape, dx.shape)
    along = phase_extent(1, phase, window, w.shape, dy.shape, dx.shape)
    if down.count <= 0 or along.count <= 0:
        return
    ins, group_filters = w.shape[1], dy.shape[1] // groups
    width = dy.shape[3] + max(along.before, along.after)
    layout = PaddedLayout(width, (down.before + dy.shape[2] + down.after) * width)
    offsets, order = backward_taps(w.shape, phase, layout, group_filters, window)
    offsets += down.skip * width + along.skip
    length = (down.count - 1) * width + along.count
    size = row_size(length, dy.itemsize)
    rows = np.zeros(
        buffer_size(dy.shape[1] * layout.plane, (groups - 1) * group_filters * layout.plane, offsets, size), dy.dtype
    )
    sums = Sums(np.empty(padded_rows(ins) * size, dy.dtype), size, length)
    taps = w.shape[2] * w.shape[3]
    flat = with_slack(w, ins, taps)
    number = dy.dtype.type
    epilogue = FilterEpilogue(width, number(0), number(1), number(-np.inf), number(np.inf))
    for n in range(dy.shape[0]):
        copy_rows(dy[n], rows, down.before * width + along.before, layout)
        for g in range(groups):
            weights = Weights(flat, g * group_filters * ins * taps, taps, order)
            correlate_tiles(Rows(rows, 0, offsets), g * group_filters * layout.plane, weights, sums, ins)
            for c in range(ins):
                target = dx[n, g * ins + c]
                if stride[0] == 1 and stride[1] == 1:
                    copy_with_bias(sums.values, c * size, target, epilogue)
                    continue
                top = stride[0] * down.first + phase[0] - padding[0][0]
                left = stride[1] * along.first + phase[1] - padding[1][0]
                spread_rows(sums.values, c * size, width, target, (top, left), stride)


@operation(correlate_dw_shape, accumulates=True, input_buffer=InputBuffer("dw", tiled=True))
@kernel
def cross_correlate_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block.

    Only a few samples are laid out at a time, so that they stay in a cache. `rows` contains their padded images, and
    `upstream` a row of `size` elements for each filter, with zeros where `rows` has garbage between the lines of an
    image. Distances between samples avoid that their elements use the same lines of the cache.
    """
    groups, layout = window.groups, padded_layout(x, window)
    offsets = forward_taps(dw.shape, layout, window)
    length = (dy.shape[2] - 1) * layout.width + dy.shape[3]
    size = row_size(length, x.itemsize)
    channel_size = layout.plane * window.stride[0] * window.stride[1]
    image_stride = conflict_free_stride(x.shape[1] * channel_size)
    upstream_stride = conflict_free_stride(dy.shape[1] * size)
    samples_per_block = max(1, min(x.shape[0], MAX_PRODUCTS // length))
    last = (samples_per_block - 1) * image_stride + (groups - 1) * dw.shape[1] * channel_size
    rows = np.zeros(buffer_size(samples_per_block * image_stride, last, offsets, size), x.dtype)
    upstream = np.zeros((samples_per_block - 1) * upstream_stride + (dy.shape[1] + LONG_SIDE) * size, x.dtype)
    outs = dy.shape[1] // groups
    for first in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - first)
        for n in range(count):
            lay_out(x[first + n], rows[n * image_stride :], layout, window, (0, x.shape[2]))
            copy_rows(dy[first + n], upstream, n * upstream_stride, PaddedLayout(layout.width, size))
        for g in range(groups):
            upstream_rows = UpstreamRows(upstream[g * outs * size :], upstream_stride, size, length)
            input_rows = Rows(rows[g * dw.shape[1] * channel_size :], image_stride, offsets)
            weight_gradient(upstream_rows, input_rows, dw[g * outs : (g + 1) * outs], count)
