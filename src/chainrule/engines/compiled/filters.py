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

from chainrule.engines.compiled.bounds import bounds_of, has_no_factors, has_tied_bias, is_untied
from chainrule.engines.compiled.filling import forward_fit, kernel_gradient_fit
from chainrule.engines.compiled.layout import (
    Sliding,
    buffer_size,
    conflict_free_stride,
    correlate_dw_shape,
    correlate_shape,
    forward_taps,
    lay_out,
    outputs_on_axis,
    padded_layout,
    positions,
    rows_seen,
    unpadded,
)
from chainrule.engines.compiled.registry import SHARED_FROM, Share, Slide, always, operation, rows_or_filters
from chainrule.engines.compiled.tiles import (
    add_picked,
    lanes,
    largest,
    load,
    load_picked,
    multiply_add,
    places,
    store,
    within,
    zeros,
)
from chainrule.engines.compiled.toolchain import COUNT, WIDTH, inlined, kernel, literally
from chainrule.engines.compiled.transposing import (
    TALLEST,
    Matrix,
    Rows,
    add_transposed,
    new_panels,
    pack,
    pack_panel,
    panel_ends,
    rows_of,
    transpose_matrix,
    whole_vectors,
)

# Columns of a tile: outputs or taps, and outputs to pool. Registers keep the places of no more than ten, and with four
# vectors of filters the sums of no more than six.
COLUMNS, POOLED = (10, 8) if COUNT == 32 else (6, 4)
FEW, FEW_POOLED = 6, 4
FEWEST = 4  # outputs of a tile for those that broad ones leave over
OUTPUTS_WORTH_LISTING = 240  # outputs whose list is long enough to fill its tiles, and whose sums stay in a cache
TRANSPOSED = 9  # outputs whose sums take as long as transposing the weights
STRIP = 256  # taps, or outputs, of which two vectors each stay in the fastest cache while all outputs, or taps, pass by


class ImageCells(NamedTuple):
    """Cells of images; output p sees cells[at[p] + taps[k]] under tap k."""

    cells: Any
    taps: Any
    at: Any


class Weights(NamedTuple):
    """Weights of filters, and a workspace for panels of them.

    rows    the weights: a row for each filter
    values  all panels, or one of some taps
    packed  whether all of them, which are packed
    """

    rows: Rows
    values: Any
    packed: bool


class Bias(NamedTuple):
    """Biases, the filters side by side: values[begin[p] + o] is the one for output p of filter o.

    scaled  sums are multiplied by times[o] before it is added
    """

    values: Any
    begin: Any
    times: Any
    scaled: bool


def share_filters(shape: tuple[int, ...], itemsize: int) -> Share:
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


@operation(
    correlate_shape,
    flat=("b",),
    replaces="cross_correlate",
    shared_from=SHARED_FROM,
    fits=forward_fit("filters"),
    share=share_filters,
    epilogues={"scaled": has_tied_bias, "rectify": always, "capped": always, "pooled": has_no_factors},
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
    scaled=False,
    rectify=False,
    capped=0.0,
    pooled=False,
    first=0,
    last=-1,
    lowest=0,
    highest=-1,
):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    scaled   b holds addends and factors of the filters: y = (w ⋆ x)·factor + addend
    rectify  set y to 0 where it is not positive, as the ReLU that follows would
    capped   the same, and to this where it is larger, unless it is 0
    pooled   write the largest of each 2×2 results, which never leave the registers
    """
    slide, window = Sliding((1, 1), padding, dilation, flip), Sliding(stride, padding, dilation, flip)
    last = y.shape[2] if last < 0 else last
    outs, by = (y.shape[1] if highest < 0 else highest) - lowest, 2 if pooled else 1
    laid = padded_layout(x, slide)
    offsets, (down, along) = forward_taps(w.shape, laid, slide), (stride[0] * laid.width, stride[1])
    cells, untied = (last - first) * y.shape[3], is_untied(b, scaled, y)
    samples_per_block = 1 if untied else worth_listing(x.shape[0], cells)
    length = (by * last - 1) * down + (by * y.shape[3] - 1) * along + 1
    images = _read_in_place(x, samples_per_block, laid, length, offsets, slide)
    wanted = rows_seen(x, w, window, by * first, by * last)
    rows = rows_of(w.reshape(w.size), lowest * offsets.size, outs, offsets.size)
    at = np.zeros(samples_per_block * cells * by * by + COLUMNS, np.int64)
    _window_offsets(at, samples_per_block, last - first, y.shape[3], (down, along, images.stride), pooled)
    begin, above = np.zeros(at.size, np.int64), 0
    across = whole_vectors(outs, w.itemsize)
    bias, times = _side_by_side(b, scaled, y, (lowest, outs), across)
    if untied:
        row = outputs_on_axis(1, x.shape, w.shape, window)
        _window_offsets(begin, samples_per_block, last - first, y.shape[3], (row, 1, 0), pooled)
        begin, above = begin * across, first * by * row * across
        bias = _untied_side_by_side(b, y, (lowest, outs), across)
    at_once = OUTPUTS_WORTH_LISTING if samples_per_block == 1 else max(1, samples_per_block * cells)
    weights = _weights_of(rows, x.shape[0] * cells > at_once)
    sums, bounds = np.empty((at_once + COLUMNS) * across, x.dtype), bounds_of(rectify, capped, x)
    result, plane = y.reshape(y.size), y.shape[2] * y.shape[3]
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        seen = _lay_out_block(x, start, count, images, laid, slide, wanted)[first * by * down :]
        at[count * cells * by * by :] = 0  # the last tile reads no sample after the last
        for done in range(0, count * cells, at_once):
            some, listed = min(at_once, count * cells - done), done * by * by
            plus = Bias(bias[above:], begin[listed:], times, scaled)
            _correlate_tiles(weights, ImageCells(seen, offsets, at[listed:]), plus, sums, some, bounds, pooled)
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


@inlined
def broadly(count, broad):
    """Return how many of so many outputs to give to broad tiles, so that they and those of `FEWEST` leave least empty."""
    most = (count + broad - 1) // broad * broad
    found, empty = most, most - count
    for _ in range(2):
        most = max(most - broad, 0)
        left = (count - most + FEWEST - 1) // FEWEST * FEWEST - (count - most)
        if left < empty:
            found, empty = most, left
    return found


@operation(
    correlate_dw_shape,
    accumulates=True,
    replaces="cross_correlate_dw",
    fits=kernel_gradient_fit("filters"),
    slide=Slide("dw", tiled=False),
)
@kernel
def correlate_filters_dw(x, dy, dw, stride=(1, 1), padding=((0, 0), (0, 0)), dilation=(1, 1), flip=False):
    """Add x ⋆ dy to dw, summed over the samples of a block."""
    slide = Sliding((1, 1), padding, dilation, flip)
    outs, cells, taps = dy.shape[1], dy.shape[2] * dy.shape[3], dw[0].size
    across = whole_vectors(outs, x.itemsize)
    laid = padded_layout(x, slide)
    found, offsets = forward_taps(dw.shape, laid, slide), np.zeros(taps + COLUMNS, np.int64)
    for k in range(found.size):
        offsets[k] = found[k]
    samples_per_block = worth_listing(x.shape[0], cells)
    down, along = stride[0] * laid.width, stride[1]
    length = (dy.shape[2] - 1) * down + (dy.shape[3] - 1) * along + 1
    images = _read_in_place(x, samples_per_block, laid, length, found, slide)
    upstream = new_panels(outs, samples_per_block * cells, x)
    at = np.empty(samples_per_block * cells, np.int64)
    positions(at, samples_per_block, dy.shape[2], dy.shape[3], (down, along, images.stride))
    sums = np.zeros(offsets.size * across, x.dtype)
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        seen = ImageCells(_lay_out_block(x, start, count, images, laid, slide, (0, x.shape[2])), offsets, at)
        pack(Rows(dy.reshape(dy.size), start * outs * cells, count, outs, cells, cells), upstream)
        fours, pairs = panel_ends(across, x.itemsize)
        if TALLEST == 4:
            _weight_gradient(upstream, 0, fours, seen, count * cells, taps, sums, tall=4, broad=FEW)
        _weight_gradient(upstream, fours, pairs, seen, count * cells, taps, sums, tall=2, broad=COLUMNS)
        _weight_gradient(upstream, pairs, across, seen, count * cells, taps, sums, tall=1, broad=COLUMNS)
    add_transposed(sums, across, taps, dw)


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
    in_place = unpadded(slide.padding)
    image = x[0].size if in_place else conflict_free_stride(x.shape[1] * laid.plane)
    size = 0 if in_place else buffer_size(samples_per_block * image, (samples_per_block - 1) * image, offsets, length)
    rows = x.reshape(x.size) if in_place else np.zeros(size, x.dtype)
    return Images(in_place, image, rows)


@inlined
def _lay_out_block(x, start, count, images, laid, slide, wanted):
    """Return the wanted rows of `count` images from `start` on, laid out first unless they are read in place."""
    in_place, image, rows = images
    if not in_place:
        for s in range(count):
            lay_out(x[start + s], rows[s * image :], laid, slide, wanted)
    return rows[start * image if in_place else 0 :]


@kernel
def _window_offsets(at, samples, results, cells, steps, pooled):
    """Set at[p] to the offset of output p, which is (row, column, image) times `steps`; if pooled, four of 2×2 make one
    result.
    """
    if not pooled:
        positions(at, samples, results, cells, steps)
        return
    (down, along, image), p = steps, 0
    for s in range(samples):
        for i in range(results):
            for j in range(cells):
                place = s * image + 2 * i * down + 2 * j * along
                at[p], at[p + 1], at[p + 2], at[p + 3] = place, place + along, place + down, place + down + along
                p += 4


@inlined
def _weights_of(rows, shared):
    """Return the weights of filters: all packed where several lists of outputs share them."""
    lanes = WIDTH // rows.values.itemsize
    if shared:
        panels = new_panels(rows.rows, rows.columns, rows.values)
        pack(rows, panels)
        return Weights(rows, panels.values, True)
    return Weights(rows, np.empty(TALLEST * lanes * (rows.columns + lanes), rows.values.dtype), False)


@inlined
def _correlate_tiles(w, seen, bias, sums, count, bounds, pooled):
    """Compute sums[p, o] = bias + Σ_k w[k, o] · cells[at[p] + taps[k]], within bounds, for `count` results p."""
    across = whole_vectors(w.rows.rows, w.values.itemsize)
    fours, pairs = panel_ends(across, w.values.itemsize)
    if pooled:
        if TALLEST == 4:
            _correlate_pooled(w, 0, fours, seen, bias, sums, count, bounds, tall=4, broad=FEW_POOLED)
        _correlate_pooled(w, fours, pairs, seen, bias, sums, count, bounds, tall=2, broad=POOLED)
        _correlate_pooled(w, pairs, across, seen, bias, sums, count, bounds, tall=1, broad=POOLED)
    else:
        if TALLEST == 4:
            _correlate_tiles_by(w, 0, fours, seen, bias, sums, count, bounds, tall=4, broad=FEW)
        _correlate_tiles_by(w, fours, pairs, seen, bias, sums, count, bounds, tall=2, broad=COLUMNS)
        _correlate_tiles_by(w, pairs, across, seen, bias, sums, count, bounds, tall=1, broad=COLUMNS)


@kernel
def _correlate_tiles_by(weights, begin, end, seen, bias, sums, count, bounds, tall, broad):
    """Compute `_correlate_tiles` by tiles of `tall` vectors of filters; the last one reaches beyond the outputs."""
    literally(tall)
    literally(broad)
    (given, w, packed), (rows, offsets, at), (plus, own, times, scaled) = weights, seen, bias
    wide, strip, across = tall * (WIDTH // rows.itemsize), 2 * STRIP // tall, whole_vectors(given.rows, rows.itemsize)
    for o in range(begin, end, wide):
        for first in range(0, max(offsets.size, 1), strip):
            last = min(first + strip, offsets.size)
            panel = w[o * offsets.size + first * wide if packed else 0 :]
            if not packed:
                pack_panel(_of_taps(given, first, last), o, wide, panel, 0)
            part, most = TapsOfPanel(panel, first, last), broadly(count, broad)
            for p in range(0, most, broad):
                _add_tile(part, seen, bias, sums, p, (o, across), bounds, tall, broad)
            for p in range(most, count, FEWEST):
                _add_tile(part, seen, bias, sums, p, (o, across), bounds, tall, FEWEST)


class TapsOfPanel(NamedTuple):
    """The weights of a panel under the taps from `first` to `last`."""

    values: Any
    first: int
    last: int


@inlined
def _add_tile(part, seen, bias, sums, p, place, bounds, tall, broad):
    """Add the products of some taps to the sums of a tile, to the bias if the taps are the first."""
    (panel, first, last), (rows, offsets, at), (plus, own, times, scaled), (o, across) = part, seen, bias, place
    if first > 0:
        tile = load(sums, p * across + o, across, tall, broad)
    elif scaled:
        tile = zeros(rows, tall, broad)
    else:
        tile = load_picked(plus, o, own, p, tall, broad)
    seen_by = places(at, p, broad)
    for k in range(first, last):
        tile = add_picked(tile, panel, (k - first) * tall * (WIDTH // rows.itemsize), rows, offsets[k], seen_by)
    if last == offsets.size:
        if scaled:
            tile = multiply_add(tile, load(times, o, 0, tall, broad), load(plus, o, 0, tall, broad))
        tile = within(tile, bounds.least, bounds.most)
    store(tile, sums, p * across + o, across)


@inlined
def _of_taps(given, first, last):
    """Return the rows of some of the taps."""
    return Rows(given.values, given.start + first, given.matrices, given.rows, last - first, given.step)


@kernel
def _correlate_pooled(weights, begin, end, seen, bias, sums, count, bounds, tall, broad):
    """Compute `_correlate_tiles` for `count` results, each the largest of four sums, while they are in registers."""
    literally(tall)
    literally(broad)
    (given, w, packed), (rows, offsets, at), (plus, own, _, _) = weights, seen, bias
    wide, across = tall * (WIDTH // rows.itemsize), whole_vectors(given.rows, rows.itemsize)
    for o in range(begin, end, wide):
        panel = w[o * offsets.size if packed else 0 :]
        if not packed:
            pack_panel(given, o, wide, panel, 0)
        for p in range(0, 4 * count, broad):
            tile = load_picked(plus, o, own, p, tall, broad)
            seen_by = places(at, p, broad)
            for k in range(offsets.size):
                tile = add_picked(tile, panel, k * wide, rows, offsets[k], seen_by)
            store(within(largest(tile), bounds.least, bounds.most), sums, p // 4 * across + o, across)


@kernel
def _weight_gradient(upstream, begin, end, seen, count, taps, sums, tall, broad):
    """Add Σ_p dy[p, o] · cells[at[p] + taps[k]] to sums[k, o] by tiles of filters by taps, also beyond the last."""
    literally(tall)
    literally(broad)
    (dy, cells, outs), (rows, offsets, at) = upstream, seen
    wide, strip = tall * (WIDTH // rows.itemsize), 2 * STRIP // tall
    for o in range(begin, end, wide):
        for first in range(0, count, strip):
            last = min(first + strip, count)
            for k in range(0, taps, broad):
                tile = load(sums, k * outs + o, outs, tall, broad)
                under = places(offsets, k, broad)
                for p in range(first, last):
                    tile = add_picked(tile, dy, o * cells + p * wide, rows, at[p], under)
                store(tile, sums, k * outs + o, outs)
