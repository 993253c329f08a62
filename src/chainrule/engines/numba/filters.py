"""Cross-correlation and its gradients where filters fill whole vectors: their weights lie side by side.

`convolution.py` has neighbouring outputs in a vector. Here a vector has one output of as many filters, and the cells of
the image are scalars, which are multiplied with it wherever they lie:

    y[p, o] = Σ_k w[k, o] · rows[at[p] + taps[k]]        k over the taps (c, u, v), o over the lanes
    dw[k, o] += Σ_p rows[at[p] + taps[k]] · dy[p, o]

So there is no garbage at the ends of rows, outputs of several small images are one list, and the sums of a kernel
gradient need not be added up across a vector. The price: kernel and upstream gradients are transposed before (see
`transposing.py`), and results after. That is a few hundredths of the time if there are many taps, and with pooling only
a quarter of the results is left to transpose.

dx   the same sums over dy, filters and channels exchanged; with stride 1 only.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.numba.layout import (
    PaddedLayout,
    Sliding,
    backward_taps,
    buffer_size,
    conflict_free_stride,
    copy_rows,
    correlate_dw_shape,
    correlate_dx_shape,
    correlate_shape,
    forward_taps,
    lay_out,
    outputs_on_axis,
    padded_layout,
    phase_extent,
    positions,
    unpadded,
)
from chainrule.engines.numba.registry import Attributes, Share, Slide, always, operation
from chainrule.engines.numba.tiles import add_picked, at_least, lanes, largest, load, load_picked, store
from chainrule.engines.numba.toolchain import COUNT, WIDTH, inlined, kernel, literally
from chainrule.engines.numba.transposing import Matrix, transpose_each, transpose_matrix

# Columns of a tile, which has two vectors of filters, or one where there are not more: outputs, outputs to pool, taps.
OUTPUTS, POOLED, TAPS = (14, 12, 12) if COUNT == 32 else (6, 4, 6)
OUTPUTS_WORTH_LISTING = 256  # outputs from which on a list of them is long enough to fill its tiles
STRIP = 256  # outputs whose upstream gradients stay in the fastest cache while all taps pass by


class ImageCells(NamedTuple):
    """Cells of images; output p sees cells[at[p] + taps[k]] under tap k."""

    cells: Any
    taps: Any
    at: Any


class Bias(NamedTuple):
    """Biases, the filters side by side: values[begin[p] + o] is the one for output p of filter o."""

    values: Any
    begin: Any


def _fill(filters: int, given: Attributes, itemsize: int) -> bool:
    """Return whether filters of one group fill whole vectors."""
    return given.get("groups", 1) == 1 and filters % lanes(itemsize) == 0


def _fit_dx(arrays: Sequence[Any], given: Attributes, itemsize: int) -> bool:
    """Return whether channels fill whole vectors, and there is one phase."""
    return tuple(given.get("stride", (1, 1))) == (1, 1) and _fill(arrays[1].shape[1], given, itemsize)


def _share(shape: tuple[int, ...], itemsize: int) -> Share:
    """Share filters where each thread gets two vectors of them, which fill a tile; otherwise the rows of the result."""
    tall = 2 * lanes(itemsize)
    if shape[0] % tall == 0 and shape[0] > tall:
        return Share(("lowest", "highest"), shape[0] // tall, tall)
    return Share(("first", "last"), shape[1])


@operation(
    correlate_shape,
    flat=("b",),
    replaces="cross_correlate",
    fits=lambda arrays, given, itemsize: _fill(arrays[1].shape[0], given, itemsize),
    share=_share,
    epilogues={"rectify": always, "pooled": always},
    slide=Slide("y", tiled=False),
)
@kernel
def correlate_filters(
    x,
    w,
    b,
    y,
    stride=(1, 1),
    padding=((0, 0), (0, 0)),
    dilation=(1, 1),
    flip=False,
    rectify=False,
    pooled=False,
    first=0,
    last=-1,
    lowest=0,
    highest=-1,
):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    rectify  set y to 0 where it is not positive, as the ReLU that follows would
    pooled   write the largest of each 2×2 results, which never leave the registers
    """
    slide, all_outs = Sliding(stride, padding, dilation, flip), y.shape[1]
    last = y.shape[2] if last < 0 else last
    outs = (all_outs if highest < 0 else highest) - lowest
    by = 2 if pooled else 1
    laid = padded_layout(x, slide)
    width, offsets = laid.width, forward_taps(w.shape, laid, slide)
    cells = (last - first) * y.shape[3]
    untied = b is not None and b.size > all_outs
    samples_per_block = 1 if untied else max(1, min(x.shape[0], (OUTPUTS_WORTH_LISTING + cells - 1) // max(cells, 1)))
    length = (by * last - 1) * width + by * y.shape[3]
    images = _read_in_place(x, samples_per_block, laid, length, offsets, slide)
    weights = _transpose_rows(w.reshape(w.size), lowest, outs, offsets.size)
    at = np.zeros(samples_per_block * cells * by * by + OUTPUTS, np.int64)
    _window_offsets(at, samples_per_block, last - first, y.shape[3], width, images.stride, pooled)
    begin = np.zeros(at.size, np.int64)
    bias, above = np.zeros(outs, x.dtype), 0
    if untied:
        plane_of_b = b.size // all_outs
        across = plane_of_b // outputs_on_axis(0, x.shape, w.shape, slide)
        _window_offsets(begin, samples_per_block, last - first, y.shape[3], across, 0, pooled)
        begin, above = begin * outs, first * by * across * outs
        bias = _transpose_rows(b, lowest, outs, plane_of_b)
    elif b is not None:
        for o in range(outs):
            bias[o] = b[lowest + o]
    sums = np.empty((samples_per_block * cells + OUTPUTS) * outs, x.dtype)
    result, whole = y.reshape(y.size), y.shape[2] * y.shape[3]
    least = x.dtype.type(0 if rectify else -np.inf)
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        seen = _lay_out_block(x, start, count, images, laid, slide)[first * by * width :]
        for p in range(count * cells * by * by, at.size):  # the last tile reads no sample after the last
            at[p] = 0
        _correlate_tiles(
            weights, outs, ImageCells(seen, offsets, at), Bias(bias[above:], begin), sums, count * cells, least, pooled
        )
        for s in range(count):
            place = ((start + s) * all_outs + lowest) * whole + first * y.shape[3]
            transpose_matrix(Matrix(sums, s * cells * outs, outs), cells, outs, Matrix(result, place, whole))


@inlined
def _transpose_rows(values, first, count, size):
    """Return the transpose of `count` rows of a flat matrix, `size` entries each, from row `first` on; flat too."""
    result = np.empty(size * count, values.dtype)
    transpose_matrix(Matrix(values, first * size, size), count, size, Matrix(result, 0, count))
    return result


@operation(correlate_dx_shape, replaces="cross_correlate_dx", fits=_fit_dx, slide=Slide("dx", tiled=False))
@kernel
def correlate_filters_dx(dy, w, dx, padding=((0, 0), (0, 0)), dilation=(1, 1), flip=False):
    """Compute dx[c, i] = Σ_{o, u} w[o, c, u] dy[o, i − d·u], on both axes alike."""
    whole, slide, ins, outs = (0, 0), Sliding((1, 1), padding, dilation, flip), w.shape[1], w.shape[0]
    vector = WIDTH // dy.itemsize
    down = phase_extent(0, whole, slide, w.shape, dy.shape, dx.shape)
    along = phase_extent(1, whole, slide, w.shape, dy.shape, dx.shape)
    width = dy.shape[3] + max(along.before, along.after)
    laid = PaddedLayout(width, (down.before + dy.shape[2] + down.after) * width)
    found, order = backward_taps(w.shape, whole, laid, outs, slide)
    taps = w.shape[2] * w.shape[3]
    offsets = np.empty(found.size, np.int64)
    for k in range(found.size):  # of the transposed kernel (o, u, v, c)
        offsets[k // taps * taps + order[k % taps]] = found[k] + down.skip * width + along.skip
    weights = np.empty((outs * taps + vector) * ins, dy.dtype)
    transpose_each(w.reshape(w.size), outs, ins, taps, weights)
    image, cells = conflict_free_stride(dy.shape[1] * laid.plane), dx.shape[2] * dx.shape[3]
    samples_per_block = max(1, min(dy.shape[0], (OUTPUTS_WORTH_LISTING + cells - 1) // max(cells, 1)))
    length = (dx.shape[2] - 1) * width + dx.shape[3]
    rows = np.zeros(buffer_size(samples_per_block * image, (samples_per_block - 1) * image, offsets, length), dy.dtype)
    at = np.zeros(samples_per_block * cells + OUTPUTS, np.int64)
    positions(at, samples_per_block, dx.shape[2], dx.shape[3], width, image)
    begin, bias = np.zeros(samples_per_block * cells + OUTPUTS, np.int64), np.zeros(ins, dy.dtype)
    sums = np.empty((samples_per_block * cells + OUTPUTS) * ins, dy.dtype)
    result, least = dx.reshape(dx.size), dy.dtype.type(-np.inf)
    for start in range(0, dy.shape[0], samples_per_block):
        count = min(samples_per_block, dy.shape[0] - start)
        for s in range(count):
            copy_rows(dy[start + s], rows[s * image :], down.before * width + along.before, laid)
        seen = ImageCells(rows, offsets, at)
        _correlate_tiles(weights, ins, seen, Bias(bias, begin), sums, count * cells, least, False)
        for s in range(count):
            transpose_matrix(
                Matrix(sums, s * cells * ins, ins), cells, ins, Matrix(result, (start + s) * cells * ins, cells)
            )


@operation(
    correlate_dw_shape,
    accumulates=True,
    replaces="cross_correlate_dw",
    fits=lambda arrays, given, itemsize: _fill(arrays[1].shape[-3], given, itemsize),
    slide=Slide("dw", tiled=False),
)
@kernel
def correlate_filters_dw(x, dy, dw, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), flip=False):
    """Add x ⋆ dy to dw, summed over the samples of a block."""
    slide = Sliding(stride, padding, dilation, flip)
    outs, cells = dy.shape[1], dy.shape[2] * dy.shape[3]
    laid = padded_layout(x, slide)
    found, offsets = forward_taps(dw.shape, laid, slide), np.zeros(dw[0].size + TAPS, np.int64)
    for k in range(found.size):
        offsets[k] = found[k]
    samples_per_block = max(1, min(x.shape[0], (OUTPUTS_WORTH_LISTING + cells - 1) // max(cells, 1)))
    length = (dy.shape[2] - 1) * laid.width + dy.shape[3]
    images = _read_in_place(x, samples_per_block, laid, length, found, slide)
    upstream = np.empty(samples_per_block * cells * outs, x.dtype)
    at = np.empty(samples_per_block * cells, np.int64)
    positions(at, samples_per_block, dy.shape[2], dy.shape[3], laid.width, images.stride)
    sums = np.zeros(offsets.size * outs, x.dtype)
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        seen = ImageCells(_lay_out_block(x, start, count, images, laid, slide), offsets, at)
        for s in range(count):
            given = (start + s) * outs * cells
            transpose_matrix(
                Matrix(dy.reshape(dy.size), given, cells), outs, cells, Matrix(upstream, s * cells * outs, outs)
            )
        if outs % (2 * (WIDTH // x.itemsize)) == 0:
            _weight_gradient(upstream, outs, seen, count * cells, dw[0].size, sums, tall=2)
        else:
            _weight_gradient(upstream, outs, seen, count * cells, dw[0].size, sums, tall=1)
    transposed, gradient = np.empty(dw.size, x.dtype), dw.reshape(dw.size)
    transpose_matrix(Matrix(sums, 0, outs), dw[0].size, outs, Matrix(transposed, 0, dw[0].size))
    for k in range(dw.size):
        gradient[k] += transposed[k]


class Images(NamedTuple):
    """Rows that images are read from, `stride` cells from one to the next: those of x itself, or a workspace."""

    in_place: bool
    stride: int
    rows: Any


@inlined
def _read_in_place(x, samples_per_block, laid, length, offsets, slide):
    """Return the rows for `samples_per_block` images, `length` cells under the first tap: x itself if nothing is put
    around.
    """
    stride = slide.stride
    in_place = unpadded(slide.padding) and stride[0] == 1 and stride[1] == 1
    image = x[0].size if in_place else conflict_free_stride(x.shape[1] * laid.plane * stride[0] * stride[1])
    size = 0 if in_place else buffer_size(samples_per_block * image, (samples_per_block - 1) * image, offsets, length)
    rows = x.reshape(x.size) if in_place else np.zeros(size, x.dtype)
    return Images(in_place, image, rows)


@inlined
def _lay_out_block(x, start, count, images, laid, slide):
    """Return the rows of `count` images from `start` on, laid out first unless they are read in place."""
    in_place, image, rows = images
    if not in_place:
        for s in range(count):
            lay_out(x[start + s], rows[s * image :], laid, slide)
    return rows[start * image if in_place else 0 :]


@kernel
def _window_offsets(at, samples, results, cells, width, image, pooled):
    """Set at[p] to the offset of output p in rows of `width` cells; if pooled, four of 2×2 make one result."""
    if not pooled:
        positions(at, samples, results, cells, width, image)
        return
    p = 0
    for s in range(samples):
        for i in range(results):
            for j in range(cells):
                place = s * image + 2 * i * width + 2 * j
                at[p], at[p + 1], at[p + 2], at[p + 3] = place, place + 1, place + width, place + width + 1
                p += 4


@inlined
def _correlate_tiles(w, outs, seen, bias, sums, count, least, pooled):
    """Compute sums[p, o] = bias + Σ_k w[k, o] · cells[at[p] + taps[k]], no less than `least`, for `count` results p."""
    two = outs % (2 * (WIDTH // w.itemsize)) == 0
    if pooled and two:
        _correlate_pooled(w, outs, seen, bias, sums, count, least, tall=2)
    elif pooled:
        _correlate_pooled(w, outs, seen, bias, sums, count, least, tall=1)
    elif two:
        _correlate_tiles_by(w, outs, seen, bias, sums, count, least, tall=2)
    else:
        _correlate_tiles_by(w, outs, seen, bias, sums, count, least, tall=1)


@kernel
def _correlate_tiles_by(w, outs, seen, bias, sums, count, least, tall):
    """Compute `_sum` by tiles of `tall` vectors of filters by some outputs; the last tile reaches beyond them."""
    literally(tall)
    (rows, offsets, at), (plus, begin) = seen, bias
    for o in range(0, outs, tall * (WIDTH // rows.itemsize)):
        for p in range(0, count, OUTPUTS):
            tile = load_picked(plus, o, begin, p, tall, OUTPUTS)
            for k in range(offsets.size):
                tile = add_picked(tile, w, k * outs + o, rows, offsets[k], at, p)
            store(at_least(tile, least), sums, p * outs + o, outs)


@kernel
def _correlate_pooled(w, outs, seen, bias, sums, count, least, tall):
    """Compute `_sum` for `count` results, each the largest of four sums, while they are in registers."""
    literally(tall)
    (rows, offsets, at), (plus, begin) = seen, bias
    for o in range(0, outs, tall * (WIDTH // rows.itemsize)):
        for p in range(0, 4 * count, POOLED):
            tile = load_picked(plus, o, begin, p, tall, POOLED)
            for k in range(offsets.size):
                tile = add_picked(tile, w, k * outs + o, rows, offsets[k], at, p)
            store(at_least(largest(tile), least), sums, p // 4 * outs + o, outs)


@kernel
def _weight_gradient(upstream, outs, seen, count, taps, sums, tall):
    """Add Σ_p dy[p, o] · cells[at[p] + taps[k]] to sums[k, o] by tiles of filters by taps, also beyond the last."""
    literally(tall)
    rows, offsets, at = seen
    for o in range(0, outs, tall * (WIDTH // rows.itemsize)):
        for first in range(0, count, STRIP):
            last = min(first + STRIP, count)
            for k in range(0, taps, TAPS):
                tile = load(sums, k * outs + o, outs, tall, TAPS)
                for p in range(first, last):
                    tile = add_picked(tile, upstream, p * outs + o, rows, at[p], offsets, k)
                store(tile, sums, k * outs + o, outs)
