"""Cross-correlation and its gradients where filters fill whole vectors: their weights lie side by side.

`convolution.py` has neighbouring outputs in a vector. Here a vector has one output of as many filters, and the cells of
the image are scalars, which are multiplied with it wherever they lie:

    y[p, o] = Σ_k w[k, o] · rows[at[p] + taps[k]]        k over the taps (c, u, v), o over the lanes
    dw[k, o] += Σ_p rows[at[p] + taps[k]] · dy[p, o]

So there is no garbage at the ends of rows, outputs of several small images are one list, and the sums of a kernel
gradient need not be added up across a vector. The price: kernel and upstream gradients are transposed before (see
`transposing.py`), and results after. That is a few hundredths of the time if there are many taps, and with pooling only
a quarter of the results is left to transpose.

All taps are added up before a sum is stored. `taps.py` adds up one tap after the other, without any padding; the input
gradient is computed there alone.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.kernels.choice import forward_fit, kernel_gradient_fit
from chainrule.engines.compiled.kernels.epilogue import (
    EPILOGUES,
    NO_EPILOGUE,
    WHOLE_RESULT,
    clamp_of,
    correlation,
    has_no_factors,
    is_untied,
)
from chainrule.engines.compiled.kernels.filter_tiles import (
    COLUMNS,
    FEW,
    FEWEST,
    STRIP,
    Bias,
    ImageCells,
    broadly,
    correlate_tiles,
)
from chainrule.engines.compiled.kernels.layout import (
    PLAIN_WINDOW,
    buffer_size,
    conflict_free_stride,
    correlate_dw_shape,
    forward_taps,
    lay_out,
    outputs_on_axis,
    padded_layout,
    positions,
    rows_seen,
    unpadded,
    with_unit_stride,
)
from chainrule.engines.compiled.kernels.registry import (
    Attributes,
    Share,
    Slide,
    operation,
    rows_or_filters,
)
from chainrule.engines.compiled.kernels.tiles import add_picked, lanes, load, places, store, zeros
from chainrule.engines.compiled.kernels.transposing import (
    TALLEST,
    Matrix,
    RowsToPack,
    add_transposed,
    new_panels,
    new_weights,
    pack,
    panel_ends,
    rows_of,
    transpose_matrix,
    whole_vectors,
)

OUTPUTS_WORTH_LISTING = 240  # outputs whose list is long enough to fill its tiles, and whose sums stay in a cache
TRANSPOSED = 9  # outputs whose sums take as long as transposing the weights


def share_filters(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Share rows, or vectors of filters.

    With rows, each thread transposes all weights, which takes as long as `TRANSPOSED` outputs.
    """
    (height, width), vector = shape[-2:], lanes(itemsize)
    vectors = -(-shape[0] // vector)
    rows = (_in_tiles(-(-height // 2) * width) + TRANSPOSED) / (_in_tiles(height * width) + TRANSPOSED)
    return rows_or_filters(shape, vector, -(-vectors // 2) / vectors, rows)


def _in_tiles(outputs: int) -> int:
    """Return the outputs of the whole tiles that hold a number of them."""
    return -(-outputs // COLUMNS) * COLUMNS


@correlation(
    fits=forward_fit("correlate_filters"),
    share=share_filters,
    epilogues={**EPILOGUES, "pooled": has_no_factors},
    slide=Slide("y", tiled=False),
)
@kernel
def correlate_filters(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    See `epilogue.correlation` for the parameters. Results that are not pooled stay in registers.
    """
    unit_stride, scaled, pooled = with_unit_stride(window), epilogue.scaled, epilogue.pooled
    first, lowest = chunk.first, chunk.lowest
    last = y.shape[2] if chunk.last < 0 else chunk.last
    outs = (y.shape[1] if chunk.highest < 0 else chunk.highest) - lowest
    laid, by = padded_layout(x, unit_stride), 2 if pooled else 1
    offsets, down, along = forward_taps(w.shape, laid, unit_stride), window.stride[0] * laid.width, window.stride[1]
    cells, untied = (last - first) * y.shape[3], is_untied(b, scaled, y)
    samples_per_block = 1 if untied else worth_listing(x.shape[0], cells)
    length = (by * last - 1) * down + (by * y.shape[3] - 1) * along + 1
    images = _read_in_place(x, samples_per_block, laid, length, offsets, window, outs < y.shape[1])
    wanted = rows_seen(x, w, window, by * first, by * last)
    rows = rows_of(w.reshape(w.size), lowest * offsets.size, outs, offsets.size)
    at = _window_offsets(samples_per_block, last - first, y.shape[3], (down, along, images.stride), pooled)
    begin, above, across = np.zeros(at.size, np.int64), 0, whole_vectors(outs, w.itemsize)
    bias, times = _side_by_side(b, scaled, y, (lowest, outs), across)
    if untied:
        row = outputs_on_axis(1, x.shape, w.shape, window)
        begin = across * _window_offsets(samples_per_block, last - first, y.shape[3], (row, 1, 0), pooled)
        above = first * by * row * across
        bias = _untied_side_by_side(b, y, (lowest, outs), across)
    at_once = OUTPUTS_WORTH_LISTING if samples_per_block == 1 else max(1, samples_per_block * cells)
    weights = new_weights(rows, x.shape[0] * cells > at_once, TALLEST * offsets.size)
    sums, clamp = np.empty((at_once + COLUMNS) * across, x.dtype), clamp_of(epilogue, x)
    result, plane = y.reshape(y.size), y.shape[2] * y.shape[3]
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        seen = _lay_out_block(x, start, count, images, laid, unit_stride, wanted)[first * by * down :]
        at[count * cells * by * by :] = 0  # the last tile reads no sample after the last
        for done in range(0, count * cells, at_once):
            some, listed, fresh = min(at_once, count * cells - done), done * by * by, start == 0 and done == 0
            plus = Bias(bias[above:], begin[listed:], times, scaled)
            correlate_tiles(weights, fresh, ImageCells(seen, offsets, at[listed:]), plus, sums, some, clamp, pooled)
            place = (start * y.shape[1] + lowest) * plane + first * y.shape[3] + done
            sizes, target = (some, min(some, cells), outs), Matrix(result, place, plane)
            _write_results(Matrix(sums, 0, across), sizes, target, y.shape[1] * plane)


@inlined
def _write_results(sums, sizes, target, image):
    """Write `count` sums of filters to the result, `part` of them to each image; images are `image` entries apart."""
    count, part, outs = sizes
    for s in range(count // part):
        given = Matrix(sums.values, s * part * sums.step, sums.step)
        transpose_matrix(given, part, outs, Matrix(target.values, target.start + s * image, target.step))


@inlined
def _side_by_side(b, scaled, y, filters, across):
    """Return the addends and the factors of some filters of y, from the first on and as many as given."""
    (lowest, outs), bias, times = filters, np.zeros(across, y.dtype), np.zeros(across, y.dtype)
    if b is not None:
        for o in range(outs):
            bias[o] = b[lowest + o]
            if scaled:
                times[o] = b[y.shape[1] + lowest + o]
    return bias, times


@inlined
def _untied_side_by_side(b, y, filters, across):
    """Return the biases of some filters of y for every output."""
    (lowest, outs), plane = filters, b.size // y.shape[1]
    bias = np.zeros(plane * across, y.dtype)
    transpose_matrix(Matrix(b, lowest * plane, plane), outs, plane, Matrix(bias, 0, across))
    return bias


@inlined
def worth_listing(samples, cells):
    """Return how many of a block's samples make a list of outputs that is long enough to fill its tiles."""
    return max(1, min(samples, (OUTPUTS_WORTH_LISTING + cells - 1) // max(cells, 1)))


@operation(
    correlate_dw_shape,
    accumulates=True,
    fits=kernel_gradient_fit("correlate_filters_dw"),
    slide=Slide("dw", tiled=False),
)
@kernel
def correlate_filters_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block."""
    if x.shape[0] == 0:
        return  # no sum would be written
    unit_stride = with_unit_stride(window)
    outs, cells, taps = dy.shape[1], dy.shape[2] * dy.shape[3], dw[0].size
    across = whole_vectors(outs, x.itemsize)
    laid = padded_layout(x, unit_stride)
    found, offsets = forward_taps(dw.shape, laid, unit_stride), np.zeros(taps + COLUMNS, np.int64)
    for k in range(found.size):
        offsets[k] = found[k]
    samples_per_block = worth_listing(x.shape[0], cells)
    down, along = window.stride[0] * laid.width, window.stride[1]
    length = (dy.shape[2] - 1) * down + (dy.shape[3] - 1) * along + 1
    images = _read_in_place(x, samples_per_block, laid, length, found, window, False)
    upstream = new_panels(outs, samples_per_block * cells, x)
    at = np.empty(samples_per_block * cells, np.int64)
    positions(at, samples_per_block, dy.shape[2], dy.shape[3], (down, along, images.stride))
    sums = np.empty(offsets.size * across, x.dtype)
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        seen = ImageCells(_lay_out_block(x, start, count, images, laid, unit_stride, (0, x.shape[2])), offsets, at)
        pack(RowsToPack(dy.reshape(dy.size), start * outs * cells, count, outs, cells, cells), upstream)
        (fours, pairs), size, fresh = panel_ends(across, x.itemsize), (count * cells, taps), start == 0
        if TALLEST == 4:
            _weight_gradient(upstream, 0, fours, seen, size, fresh, sums, tall=4, broad=FEW)
        _weight_gradient(upstream, fours, pairs, seen, size, fresh, sums, tall=2, broad=COLUMNS)
        _weight_gradient(upstream, pairs, across, seen, size, fresh, sums, tall=1, broad=COLUMNS)
    add_transposed(sums, across, taps, dw)


class Images(NamedTuple):
    """Rows that images are read from, `stride` cells from one to the next: those of x itself, or a workspace."""

    in_place: bool
    stride: int
    rows: Any


@inlined
def _read_in_place(x, samples_per_block, laid, length, offsets, window, shared):
    """Return the rows for `samples_per_block` images, `length` cells under the first tap: x itself if nothing is put
    around.

    Where threads share the filters it is a copy: tiles read here and there, and what another thread just wrote is
    fetched from its cache sooner by passing through it once.
    """
    in_place = unpadded(window.padding) and not shared
    image = x[0].size if in_place else conflict_free_stride(x.shape[1] * laid.plane)
    size = 0 if in_place else buffer_size(samples_per_block * image, (samples_per_block - 1) * image, offsets, length)
    rows = x.reshape(x.size) if in_place else np.zeros(size, x.dtype)
    return Images(in_place, image, rows)


@inlined
def _lay_out_block(x, start, count, images, laid, window, wanted):
    """Return the wanted rows of `count` images from `start` on, laid out first unless they are read in place."""
    in_place, image, rows = images
    if not in_place:
        for s in range(count):
            lay_out(x[start + s], rows[s * image :], laid, window, wanted)
    return rows[start * image if in_place else 0 :]


@kernel
def _window_offsets(samples, results, cells, steps, pooled):
    """Return the offset of each output, which is (row, column, image) times `steps`, and zeros for the last tile; if
    pooled, four of 2×2 make one result.
    """
    at = np.zeros(samples * results * cells * (4 if pooled else 1) + COLUMNS, np.int64)
    if not pooled:
        positions(at, samples, results, cells, steps)
        return at
    (down, along, image), p = steps, 0
    for s in range(samples):
        for i in range(results):
            for j in range(cells):
                place = s * image + 2 * i * down + 2 * j * along
                at[p], at[p + 1], at[p + 2], at[p + 3] = place, place + along, place + down, place + down + along
                p += 4
    return at


@kernel
def _weight_gradient(upstream, begin, end, seen, size, fresh, sums, tall, broad):
    """Add Σ_p dy[p, o] · cells[at[p] + taps[k]] to sums[k, o] by tiles of filters by taps, also beyond the last.

    fresh  whether sums hold nothing yet
    """
    literally(tall)
    literally(broad)
    (dy, cells, outs), (count, taps) = upstream, size
    wide, strip, most = tall * (WIDTH // sums.itemsize), 2 * STRIP // tall, broadly(taps, broad)
    for o in range(begin, end, wide):
        given = FiltersUpstream(dy[o * cells :], o, seen)
        for first in range(0, count, strip):
            ends, new = (first, min(first + strip, count)), fresh and first == 0
            for k in range(0, most, broad):
                _add_gradient_tile(given, k, ends, new, sums, outs, tall, broad)
            for k in range(most, taps, FEWEST):
                _add_gradient_tile(given, k, ends, new, sums, outs, tall, FEWEST)


class FiltersUpstream(NamedTuple):
    """The factors of the kernel gradient of a panel's filters, which begin with filter o."""

    values: Any
    o: int
    seen: ImageCells


@inlined
def _add_gradient_tile(given, k, ends, fresh, sums, outs, tall, broad):
    """Add the products of outputs p within the ends to the sums of a tile of filters by taps from k on."""
    (dy, o, (rows, offsets, at)), wide = given, tall * (WIDTH // sums.itemsize)
    tile = zeros(sums, tall, broad) if fresh else load(sums, k * outs + o, outs, tall, broad)
    under = places(offsets, k, broad)
    for p in range(ends[0], ends[1]):
        tile = add_picked(tile, dy, p * wide, rows, at[p], under)
    store(tile, sums, k * outs + o, outs)
