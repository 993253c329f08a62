"""Cross-correlation and its gradients with vectors of filters.

In `convolution.py`, a vector has neighboring outputs. Here, it has one output of several filters, and is multiplied by
scalars, which are elements of the image:

    y[p, o] = Σ_k w[k, o] · rows[at[p] + taps[k]]        k over the taps (c, u, v), o over the lanes
    dw[k, o] += Σ_p rows[at[p] + taps[k]] · dy[p, o]

Unlike in `convolution.py`, nothing is computed between rows, the outputs of several small images form one list, and the
lanes of the sums of a kernel gradient need not be added up. On the other hand, weights and upstream gradients are
transposed first (see `transposing.py`), and results afterwards. This takes a few percent of the time if there are many
taps. With pooling, only a quarter of the results have to be transposed.

All taps are added up before a sum is stored. `taps.py` adds up one tap after the other, without padding, and also has a
kernel for the input gradient.
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
    STRIP,
    TILE_COLUMNS,
    Bias,
    ImageCells,
    correlate_tiles,
)
from chainrule.engines.compiled.kernels.layout import (
    PLAIN_WINDOW,
    buffer_size,
    conflict_free_stride,
    copied_if_shared,
    correlate_dw_shape,
    forward_taps,
    input_rows,
    lay_out,
    output_offsets,
    outputs_on_axis,
    padded_layout,
    with_unit_stride,
)
from chainrule.engines.compiled.kernels.registry import Attributes, InputBuffer, Share, operation, rows_or_filters
from chainrule.engines.compiled.kernels.tiles import add_outer_at, lanes, load, load_offsets, store, zeros
from chainrule.engines.compiled.kernels.transposing import (
    TILE_ROWS,
    Matrix,
    RowsToPack,
    add_transposed,
    new_panels,
    new_weights,
    pack,
    pairs_end,
    rows_of,
    transpose_matrix,
    whole_vectors,
)

MIN_LISTED_OUTPUTS = 240  # outputs; they fill the tiles, and their sums stay in a cache
TRANSPOSITION_COST = 9  # outputs that take as long as transposing the weights


def share_filters(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of a result by rows or by vectors of filters.

    If rows are divided, each thread transposes all weights, which takes as long as `TRANSPOSITION_COST` outputs.
    """
    (height, width), vector = shape[-2:], lanes(itemsize)
    vectors = -(-shape[0] // vector)
    rows = (_in_tiles(-(-height // 2) * width) + TRANSPOSITION_COST) / (_in_tiles(height * width) + TRANSPOSITION_COST)
    return rows_or_filters(shape, vector, -(-vectors // 2) / vectors, rows)


def _in_tiles(outputs: int) -> int:
    """Return a number of outputs rounded up to whole tiles."""
    return -(-outputs // TILE_COLUMNS) * TILE_COLUMNS


@correlation(
    fits=forward_fit("correlate_filters"),
    share=share_filters,
    epilogues={**EPILOGUES, "pooled": has_no_factors},
    input_buffer=InputBuffer("y", tiled=False),
    packing="pack_panels",
)
@kernel
def correlate_filters(x, w, b, y, window=PLAIN_WINDOW, epilogue=NO_EPILOGUE, chunk=WHOLE_RESULT, packed=False):
    """Compute y = w ⋆ x + b for every sample of a block: all of y, or a thread's rows or filters of one image.

    See `epilogue.correlation` for the parameters. With `epilogue.pooled`, the four results of a window are not
    stored.
    """
    unit_stride, scaled, pooled = with_unit_stride(window), epilogue.scaled, epilogue.pooled
    first, lowest = chunk.first, chunk.lowest
    last = y.shape[2] if chunk.last < 0 else chunk.last
    outs = (y.shape[1] if chunk.highest < 0 else chunk.highest) - lowest
    layout, pool_size = padded_layout(x, unit_stride), 2 if pooled else 1
    offsets, down, along = forward_taps(w.shape, layout, unit_stride), window.stride[0] * layout.width, window.stride[1]
    cells, untied = (last - first) * y.shape[3], is_untied(b, scaled, y)
    samples_per_block = 1 if untied else samples_per_list(x.shape[0], cells)
    length = (pool_size * last - 1) * down + (pool_size * y.shape[3] - 1) * along + 1
    images = _new_images(x, samples_per_block, layout, window, length, offsets, outs < y.shape[1])
    row_range = input_rows(x, w, window, pool_size * first, pool_size * last)
    rows = rows_of(w.reshape(w.size), lowest * offsets.size, outs, offsets.size)
    steps = down, along, images.stride
    offsets_of_outputs = _window_offsets(samples_per_block, last - first, y.shape[3], steps, pooled)
    bias_offsets = np.zeros(offsets_of_outputs.size, np.int64)
    first_bias = 0
    padded_width = whole_vectors(outs, w.itemsize)
    bias, factors = _side_by_side(b, scaled, y, (lowest, outs), padded_width)
    if untied:
        row = outputs_on_axis(1, x.shape, w.shape, window)
        bias_offsets = padded_width * _window_offsets(samples_per_block, last - first, y.shape[3], (row, 1, 0), pooled)
        first_bias = first * pool_size * row * padded_width
        bias = _untied_side_by_side(b, y, (lowest, outs), padded_width)
    outputs_at_once = MIN_LISTED_OUTPUTS if samples_per_block == 1 else max(1, samples_per_block * cells)
    weights = new_weights(rows, x.shape[0] * cells > outputs_at_once, TILE_ROWS * offsets.size, packed)
    sums, clamp = np.empty((outputs_at_once + TILE_COLUMNS) * padded_width, x.dtype), clamp_of(epilogue, x)
    result, plane = y.reshape(y.size), y.shape[2] * y.shape[3]
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        block_rows = _lay_out_block(x, start, count, images, layout, unit_stride, row_range)
        cells_of_block = block_rows[first * pool_size * down :]
        offsets_of_outputs[count * cells * pool_size * pool_size :] = 0  # bounds the last tile's reads
        for first_output in range(0, count * cells, outputs_at_once):
            output_count = min(outputs_at_once, count * cells - first_output)
            first_listed = first_output * pool_size * pool_size
            is_first = start == 0 and first_output == 0 and not packed
            bias_of_block = Bias(bias[first_bias:], bias_offsets[first_listed:], factors, scaled)
            image_cells = ImageCells(cells_of_block, offsets, offsets_of_outputs[first_listed:])
            correlate_tiles(weights, is_first, image_cells, bias_of_block, sums, output_count, clamp, pooled)
            place = (start * y.shape[1] + lowest) * plane + first * y.shape[3] + first_output
            sizes, target = (output_count, min(output_count, cells), outs), Matrix(result, place, plane)
            _write_results(Matrix(sums, 0, padded_width), sizes, target, y.shape[1] * plane)


@inlined
def _write_results(sums, sizes, target, image):
    """Transpose the sums of a list of outputs, in vectors of filters, and write them to the result.

    sizes  number of outputs in the list, outputs per image, and filters
    image  distance between images in the result
    """
    count, per_image, outs = sizes
    for n in range(count // per_image):
        source = Matrix(sums.values, n * per_image * sums.step, sums.step)
        transpose_matrix(source, per_image, outs, Matrix(target.values, target.start + n * image, target.step))


@inlined
def _side_by_side(b, scaled, y, filters, padded_width):
    """Return the addends and factors of a range of filters of y, padded with zeros to `padded_width`.

    filters  index of the first filter, and number of filters
    """
    (lowest, outs), bias, factors = filters, np.zeros(padded_width, y.dtype), np.zeros(padded_width, y.dtype)
    if b is not None:
        for o in range(outs):
            bias[o] = b[lowest + o]
            if scaled:
                factors[o] = b[y.shape[1] + lowest + o]
    return bias, factors


@inlined
def _untied_side_by_side(b, y, filters, padded_width):
    """Return the biases of a range of filters of y as a flat matrix with `padded_width` filters per output."""
    (lowest, outs), plane = filters, b.size // y.shape[1]
    bias = np.zeros(plane * padded_width, y.dtype)
    transpose_matrix(Matrix(b, lowest * plane, plane), outs, plane, Matrix(bias, 0, padded_width))
    return bias


@inlined
def samples_per_list(samples, cells):
    """Return how many samples' outputs are listed together, so that the list fills its tiles.

    cells  outputs per sample
    """
    return max(1, min(samples, (MIN_LISTED_OUTPUTS + cells - 1) // max(cells, 1)))


@operation(
    correlate_dw_shape,
    accumulates=True,
    fits=kernel_gradient_fit("correlate_filters_dw"),
    input_buffer=InputBuffer("dw", tiled=False),
)
@kernel
def correlate_filters_dw(x, dy, dw, window=PLAIN_WINDOW):
    """Add x ⋆ dy to dw, summed over the samples of a block.

    Several samples are laid out together, so that their outputs fill tiles. `upstream` contains panels of filters with
    a column per output, and `sums` a row of filters for each tap (c, u, v): dw is their transpose. `offsets` are the
    distances of the taps, with zeros to fill the last tile.
    """
    if x.shape[0] == 0:
        return  # no sum would be written
    unit_stride = with_unit_stride(window)
    outs, cells, taps = dy.shape[1], dy.shape[2] * dy.shape[3], dw[0].size
    padded_width = whole_vectors(outs, x.itemsize)
    layout = padded_layout(x, unit_stride)
    tap_offsets, offsets = forward_taps(dw.shape, layout, unit_stride), np.zeros(taps + TILE_COLUMNS, np.int64)
    for k in range(tap_offsets.size):
        offsets[k] = tap_offsets[k]
    samples_per_block = samples_per_list(x.shape[0], cells)
    down, along = window.stride[0] * layout.width, window.stride[1]
    length = (dy.shape[2] - 1) * down + (dy.shape[3] - 1) * along + 1
    images = _new_images(x, samples_per_block, layout, window, length, tap_offsets, False)
    upstream = new_panels(outs, samples_per_block * cells, x)
    output_positions = np.empty(samples_per_block * cells, np.int64)
    output_offsets(output_positions, samples_per_block, dy.shape[2], dy.shape[3], (down, along, images.stride))
    sums = np.empty(offsets.size * padded_width, x.dtype)
    for start in range(0, x.shape[0], samples_per_block):
        count = min(samples_per_block, x.shape[0] - start)
        image_cells = ImageCells(
            _lay_out_block(x, start, count, images, layout, unit_stride, (0, x.shape[2])), offsets, output_positions
        )
        pack(RowsToPack(dy.reshape(dy.size), start * outs * cells, count, outs, cells, cells), upstream)
        pairs, size, fresh = pairs_end(padded_width, x.itemsize), (count * cells, taps), start == 0
        _weight_gradient(upstream, 0, pairs, image_cells, size, fresh, sums, tile_rows=2)
        _weight_gradient(upstream, pairs, padded_width, image_cells, size, fresh, sums, tile_rows=1)
    add_transposed(sums, padded_width, taps, dw)


class Images(NamedTuple):
    """Images in a flat array, and a workspace for the rows of padded images, at a distance `stride`."""

    stride: int
    flat: Any
    workspace: Any


@inlined
def _new_images(x, samples_per_block, layout, window, length, offsets, shared):
    """Return the images, and a workspace for `samples_per_block` of them. Images without padding are read in place.

    length  number of elements read under the first tap
    shared  whether other threads may have written x
    """
    (top, bottom), (left, right) = window.padding
    padding, image, size = top + bottom + left + right, x.shape[1] * layout.plane, 0
    if padding > 0:
        image = conflict_free_stride(image)
        size = buffer_size(samples_per_block * image, (samples_per_block - 1) * image, offsets, length)
    return Images(image, copied_if_shared(x, shared and padding == 0), np.zeros(size, x.dtype))


@inlined
def _lay_out_block(x, start, count, images, layout, window, row_range):
    """Return `count` images from image `start` on. If they are padded, a range of their rows is copied."""
    rows = images.flat[start * images.stride :]
    if images.workspace.size > 0:
        rows = images.workspace
        for n in range(count):
            lay_out(x[start + n], rows[n * images.stride :], layout, window, row_range)
    return rows


@kernel
def _window_offsets(samples, results, cells, steps, pooled):
    """Return the offset of each output: row·down + column·along + sample·image. Zeros follow, to fill the last tile.

    If `pooled`, each result has the four offsets of a 2×2 window.

    results, cells  rows and columns of results
    steps           (down, along, image)
    """
    offsets = np.zeros(samples * results * cells * (4 if pooled else 1) + TILE_COLUMNS, np.int64)
    if not pooled:
        output_offsets(offsets, samples, results, cells, steps)
        return offsets
    (down, along, image), p = steps, 0
    for n in range(samples):
        for i in range(results):
            for j in range(cells):
                offset = n * image + 2 * i * down + 2 * j * along
                offsets[p] = offset
                offsets[p + 1] = offset + along
                offsets[p + 2] = offset + down
                offsets[p + 3] = offset + down + along
                p += 4
    return offsets


@kernel
def _weight_gradient(upstream, begin, end, image_cells, size, fresh, sums, tile_rows):
    """Add Σ_p dy[p, o] · cells[outputs[p] + taps[k]] to sums[k, o], in tiles of filters by taps.

    The last tile may extend beyond the last tap.

    begin, end  range of filters
    size        number of outputs, and number of taps
    fresh       whether the sums are uninitialized
    """
    literally(tile_rows)
    (dy, cells, outs), (count, taps) = upstream, size
    tile_width = tile_rows * (WIDTH // sums.itemsize)
    strip = 2 * STRIP // tile_rows
    for o in range(begin, end, tile_width):
        upstream_panel = UpstreamPanel(dy[o * cells :], o, image_cells)
        for first in range(0, count, strip):
            output_range, is_new = (first, min(first + strip, count)), fresh and first == 0
            for k in range(0, taps, TILE_COLUMNS):
                _add_gradient_tile(upstream_panel, k, output_range, is_new, sums, outs, tile_rows)


class UpstreamPanel(NamedTuple):
    """The upstream gradients of a panel of filters, starting with filter o, and the inputs."""

    values: Any
    o: int
    image_cells: ImageCells


@inlined
def _add_gradient_tile(upstream_panel, k, output_range, fresh, sums, outs, tile_rows):
    """Add the products of a range of outputs to a tile of sums, whose first filter is o and whose first tap is k."""
    (dy, o, (rows, offsets, output_offsets)), tile_width = upstream_panel, tile_rows * (WIDTH // sums.itemsize)
    tile = zeros(sums, tile_rows, TILE_COLUMNS) if fresh else load(sums, k * outs + o, outs, tile_rows, TILE_COLUMNS)
    taps_of_tile = load_offsets(offsets, k, TILE_COLUMNS)
    for p in range(output_range[0], output_range[1]):
        tile = add_outer_at(tile, dy, p * tile_width, rows, output_offsets[p], taps_of_tile)
    store(tile, sums, k * outs + o, outs)
