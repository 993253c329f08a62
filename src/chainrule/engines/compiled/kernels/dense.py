"""The dense layer and its gradients, compiled. The equations are in reference/dense.py.

All three are matrix products, computed with tiles of sums in registers (see `tiles`). Rows of W and x are contiguous.
The forward pass therefore sums products of vectors, and the gradients multiply vectors by scalars. Plain loops compute
the remainders at the edges.
"""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.compiled.compiler import COUNT, WIDTH, kernel, literally
from chainrule.engines.compiled.kernels.registry import SHARED_FROM, Attributes, Share, like, operation
from chainrule.engines.compiled.kernels.tiles import (
    add_outer,
    add_outer_at,
    add_products,
    load,
    load_offsets,
    store,
    store_sums,
    zeros,
)
from chainrule.engines.native.calls import in_c
from chainrule.engines.compiled.kernels.transposing import Matrix, transpose_matrix

TILE_SAMPLES, TILE_WEIGHT_ROWS = 4 if COUNT == 32 else 2, 6  # a tile of the forward pass
TILE_ROWS, TILE_COLUMNS = 3, 8 if COUNT == 32 else 4  # a tile of the gradients: vectors, and samples or rows of W
BATCH_TILE_COLUMNS = 10 if COUNT == 32 else 6  # rows of W in a tile with two vectors of samples
SINGLE_TILE_ROWS = 8  # rows of W, or vectors, in a tile for a single sample
MIN_READS_TO_COPY, MIN_ROWS_TO_COPY = 2, 32  # tiles that read the same columns, and rows of W; fewer do not pay


class Size(NamedTuple):
    """The number of samples, and the lengths of y and x for one sample."""

    samples: int
    outs: int
    ins: int


class Product(NamedTuple):
    """Flat arrays x and w. The rows of x are multiplied by the rows of w.

    rows    offsets of the rows in w
    ins     elements in a row
    length  number of elements of each row that are multiplied
    """

    x: Any
    w: Any
    rows: Any
    ins: int
    length: int


class Columns(NamedTuple):
    """The columns of a tile in a flat matrix.

    start  offset of the first column in the first row
    step   distance between rows
    """

    values: Any
    start: int
    step: int


@operation(lambda arrays, attributes: [(arrays[0].shape[0], arrays[1].shape[0])], shared_from=SHARED_FROM)
@kernel
def dense(x, w, b, y, first=0, last=-1):
    """Compute y[n] = W x[n] + b for all rows of W, or for the rows `first` to `last` − 1 of a thread's chunk.

    Pairs of vectors of samples are computed first, if all rows are requested. The other samples are computed in tiles
    of samples by rows, or one by one, with vectors along the inputs. Their last `rest` inputs, which fill no vector,
    are added at the end, together with the bias.
    """
    count, outs, ins = x.shape[0], w.shape[0], w.shape[1]
    last = outs if last < 0 else last
    vector = WIDTH // x.itemsize
    rest = ins % vector
    offsets = np.empty(outs + BATCH_TILE_COLUMNS + SINGLE_TILE_ROWS, np.int64)
    for o in range(offsets.size):
        offsets[o] = min(o, outs - 1) * ins  # beyond the end, tiles read the last row again; the sums are unused
    flat_x, flat_w = x.reshape(x.size), w.reshape(w.size)
    samples_per_block = count - count % (2 * vector) if last - first == outs else 0
    if samples_per_block:
        _batched_samples(flat_x, flat_w, offsets, b, y[:samples_per_block])
    others = Product(flat_x[samples_per_block * ins :], flat_w, offsets, ins, ins - rest)
    if count - samples_per_block >= TILE_SAMPLES:
        _products(others, y[samples_per_block:], first, last, samples=TILE_SAMPLES, rows=TILE_WEIGHT_ROWS)
    elif count > samples_per_block:
        _products(others, y[samples_per_block:], first, last, samples=1, rows=SINGLE_TILE_ROWS)
    for n in range(samples_per_block, count):
        for o in range(first, last):
            total = y[n, o] if b is None else y[n, o] + b[o]
            for k in range(ins - rest, ins):
                total += x[n, k] * w[o, k]
            y[n, o] = total


@kernel
def _batched_samples(x, w, offsets, b, y):
    """Compute y for samples that fill pairs of vectors. x is transposed, so that no lanes have to be added up.

    The sums are transposed in registers: single elements would be stored in as many pages as there are samples.
    """
    (count, outs), ins, batch = y.shape, w.size // y.shape[1], 2 * (WIDTH // x.itemsize)
    transposed, sums = np.empty(ins * batch, x.dtype), np.empty((outs + BATCH_TILE_COLUMNS) * batch, x.dtype)
    for n in range(0, count, batch):
        transpose_matrix(Matrix(x, n * ins, ins), batch, ins, Matrix(transposed, 0, batch))
        for o in range(0, outs, BATCH_TILE_COLUMNS):
            tile = zeros(x, 2, BATCH_TILE_COLUMNS)
            filters = load_offsets(offsets, o, BATCH_TILE_COLUMNS)
            for k in range(ins):
                tile = add_outer_at(tile, transposed, k * batch, w, k, filters)
            store(tile, sums, o * batch, batch)
        if b is not None:
            for o in range(outs):
                for t in range(o * batch, (o + 1) * batch):
                    sums[t] += b[o]
        transpose_matrix(Matrix(sums, 0, batch), outs, batch, Matrix(y.reshape(y.size), n * outs, outs))


@kernel
def _products(product, y, first, last, samples, rows):
    """Compute y[n, o] = Σ_k x[n, k] w[o, k] for k < `product.length` and rows o from `first` to `last` − 1.

    The last tile may compute some samples again.

    samples, rows  size of a tile; constants
    """
    literally(samples)
    literally(rows)
    x, w, offsets, ins, length = product
    count = y.shape[0]
    sums = np.empty(samples * rows + WIDTH // x.itemsize, x.dtype)  # of a tile, stored as whole vectors
    for t in range(0, count, samples):
        n = min(t, count - samples)
        for o in range(first, last, rows):
            tile, filters = zeros(x, samples, rows), load_offsets(offsets, o, rows)
            for k in range(0, length, WIDTH // x.itemsize):
                tile = add_products(tile, x, n * ins + k, ins, w, k, filters)
            store_sums(tile, sums, 0)
            for a in range(samples):
                for c in range(min(rows, last - o)):
                    y[n + a, o + c] = sums[a * rows + c]


def share_columns(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of the columns of the weights, in whole tiles."""
    return Share(("left", "right"), shape[0], SINGLE_TILE_ROWS * (WIDTH // itemsize))


@operation(
    lambda arrays, attributes: [(arrays[0].shape[0], arrays[1].shape[1])], share=share_columns, shared_from=SHARED_FROM
)
@kernel
def dense_dx(dy, w, dx, left=0, right=-1):
    """Compute dx[n] = Wᵀ dy[n] for all columns of W, or for the columns `left` to `right` − 1 of a thread's chunk."""
    count, ins = dx.shape
    right = ins if right < 0 else right
    if left >= right:
        return
    size, vector = Size(count, w.shape[0], ins), WIDTH // w.itemsize
    upstream, flat, result = dy.reshape(dy.size), w.reshape(w.size), dx.reshape(dx.size)
    done, samples_per_block = 0, count - count % TILE_COLUMNS
    if ins >= TILE_ROWS * vector:
        _rows_times(upstream, flat, result, size, (done, samples_per_block), (0, ins), TILE_ROWS, TILE_COLUMNS)
        done = samples_per_block
    elif ins >= vector:
        _rows_times(upstream, flat, result, size, (done, samples_per_block), (0, ins), 1, TILE_COLUMNS)
        done = samples_per_block
    elif samples_per_block:
        rows, padded_dx = np.zeros(w.shape[0] * vector, w.dtype), np.empty(count * vector, w.dtype)
        _copy_columns(flat, ins, 0, rows, vector, 0, w.shape[0], ins)
        padded_size = Size(count, w.shape[0], vector)
        _rows_times(upstream, rows, padded_dx, padded_size, (done, samples_per_block), (0, vector), 1, TILE_COLUMNS)
        _copy_columns(padded_dx, vector, 0, result, ins, 0, samples_per_block, ins)
        done = samples_per_block
    if ins >= SINGLE_TILE_ROWS * vector:
        _rows_times(upstream, flat, result, size, (done, count), (left, right), SINGLE_TILE_ROWS, 1)
        done = count
    _add_weighted_rows(dy, w, dx, done)


@kernel
def _rows_times(dy, w, dx, size, samples, columns, tile_rows, tile_columns):
    """Compute dx[n, k] = Σ_o dy[n, o] w[o, k] for ranges of samples n and columns k. Tiles may overlap at the end."""
    literally(tile_rows)
    literally(tile_columns)
    (_, outs, ins), (first, last), (left, right) = size, samples, columns
    width = tile_rows * (WIDTH // w.itemsize)
    if last - first >= MIN_READS_TO_COPY * tile_columns and outs >= MIN_ROWS_TO_COPY:
        panel = np.empty(outs * width, w.dtype)
        for t in range(left, right, width):
            k = min(t, ins - width)
            _gather(w, k, ins, panel, outs, tile_rows)
            for n in range(first, last, tile_columns):
                _tile_times(dy, n * outs, outs, Columns(panel, 0, width), dx, n * ins + k, ins, tile_rows, tile_columns)
    else:
        for n in range(first, last, tile_columns):
            for t in range(left, right, width):
                k = min(t, ins - width)
                _tile_times(dy, n * outs, outs, Columns(w, k, ins), dx, n * ins + k, ins, tile_rows, tile_columns)


@kernel
def _tile_times(dy, upstream, outs, columns, dx, offset, ins, tile_rows, tile_columns):
    """Compute a tile of dx from some columns of W and some samples of dy.

    upstream  offset of the first of these samples in dy
    outs      elements of a sample of dy
    offset    offset of the tile in dx
    """
    literally(tile_rows)
    literally(tile_columns)
    w, start, step = columns
    tile = zeros(w, tile_rows, tile_columns)
    for o in range(outs):
        tile = add_outer(tile, w, start + o * step, dy, upstream + o, outs)
    store(tile, dx, offset, ins)


@kernel
def _gather(source, first, step, panel, rows, tile_rows):
    """Copy the columns of a tile from `rows` rows of a matrix into contiguous memory.

    first  offset of the first element
    step   distance between rows
    """
    literally(tile_rows)
    width = tile_rows * (WIDTH // source.itemsize)
    for r in range(rows):
        store(load(source, first + r * step, 0, tile_rows, 1), panel, r * width, 0)


@kernel
def _add_weighted_rows(dy, w, dx, first):
    """Compute dx for sample `first` and all later samples, in plain loops."""
    for n in range(first, dx.shape[0]):
        row = dx[n]
        row[:] = 0
        for o in range(w.shape[0]):
            slope, weights = dy[n, o], w[o]
            for k in range(row.size):
                row[k] += slope * weights[k]


def share_rows(shape: tuple[int, ...], itemsize: int, _: Attributes) -> Share:
    """Return the division of the rows of the weights, in whole tiles."""
    return Share(("first", "last"), shape[0], TILE_COLUMNS)


@operation(
    lambda arrays, operands: [(arrays[1].shape[1], arrays[0].shape[1])],
    accumulates=True,
    outer_product=True,
    share=share_rows,
)
@kernel
def dense_dw(x, dy, dw, fresh=False, first=0, last=-1):
    """Add Σ_n dy[n] x[n]ᵀ to dW, or overwrite dW if `fresh`.

    A thread's chunk consists of the rows `first` to `last` − 1 of dW. Each tile is loaded and stored once. The last
    vector of columns is padded with zeros, or computed element by element for few samples. The other columns and the
    rows are divided among these tiles:

        rows to row_end           `TILE_COLUMNS` rows: `TILE_ROWS` vectors up to tile_end, then one vector
        the remaining rows        one row: `SINGLE_TILE_ROWS` vectors up to tile_width, then one vector
    """
    count, ins = x.shape
    outs, vector = dw.shape[0], WIDTH // x.itemsize
    last = outs if last < 0 else last
    flat, upstream, result = x.reshape(x.size), dy.reshape(dy.size), dw.reshape(dw.size)
    tile_end = ins - ins % (TILE_ROWS * vector)
    vector_end = ins - ins % vector
    row_end = last - (last - first) % TILE_COLUMNS
    size, operands = Size(count, outs, ins), (flat, upstream, fresh)
    _add_outer_to(result, operands, size, (first, row_end), (0, tile_end), TILE_ROWS, TILE_COLUMNS)
    _add_outer_to(result, operands, size, (first, row_end), (tile_end, vector_end), 1, TILE_COLUMNS)
    tile_width = ins - ins % (SINGLE_TILE_ROWS * vector)
    _add_outer_to(result, operands, size, (row_end, last), (0, tile_width), SINGLE_TILE_ROWS, 1)
    _add_outer_to(result, operands, size, (row_end, last), (tile_width, vector_end), 1, 1)
    if fresh:
        for o in range(first, last):
            for k in range(vector_end, ins):
                dw[o, k] = 0
    if ins > vector_end and count >= TILE_SAMPLES:
        rest, sums = np.zeros(count * vector, x.dtype), np.empty(outs * vector, x.dtype)
        _copy_columns(flat, ins, vector_end, rest, vector, 0, count, ins - vector_end)
        size, operands = Size(count, outs, vector), (rest, upstream, True)
        _add_outer_to(sums, operands, size, (first, row_end), (0, vector), 1, TILE_COLUMNS)
        _add_outer_to(sums, operands, size, (row_end, last), (0, vector), 1, 1)
        for o in range(first, last):
            for k in range(vector_end, ins):
                dw[o, k] += sums[o * vector + k - vector_end]
    else:
        for n in range(count):
            for o in range(first, last):
                for k in range(vector_end, ins):
                    dw[o, k] += dy[n, o] * x[n, k]


@kernel
def _copy_columns(source, width, first, target, target_width, target_column, rows, columns):
    """Copy some columns from a matrix with rows of `width` elements to one with rows of `target_width` elements."""
    for r in range(rows):
        for k in range(columns):
            target[r * target_width + target_column + k] = source[r * width + first + k]


@kernel
def _add_outer_to(dw, operands, size, rows, columns, tile_rows, tile_columns):
    """Add Σ_n dy[n] x[n]ᵀ to ranges of rows and columns of dW.

    A tile consists of `tile_rows` vectors of columns of dW by `tile_columns` rows of dW.

    operands  x, dy, and whether to overwrite dW
    """
    literally(tile_rows)
    literally(tile_columns)
    (count, _, ins), (x, dy, fresh) = size, operands
    width = tile_rows * (WIDTH // x.itemsize)
    panel = np.empty(count * width, x.dtype)
    for k in range(columns[0], columns[1], width):
        if rows[1] - rows[0] >= MIN_READS_TO_COPY * tile_columns:
            _gather(x, k, ins, panel, count, tile_rows)
            _tiles_added(dw[k:], Columns(panel, 0, width), dy, size, rows, fresh, tile_rows, tile_columns)
        else:
            _tiles_added(dw[k:], Columns(x, k, ins), dy, size, rows, fresh, tile_rows, tile_columns)


@kernel
def _tiles_added(dw, columns, dy, size, rows, fresh, tile_rows, tile_columns):
    """Add Σ_n dy[n] x[n]ᵀ to a range of rows of dW, for the columns of one tile."""
    literally(tile_rows)
    literally(tile_columns)
    (count, outs, ins), (x, start, step) = size, columns
    for o in range(rows[0], rows[1], tile_columns):
        tile = zeros(x, tile_rows, tile_columns) if fresh else load(dw, o * ins, ins, tile_rows, tile_columns)
        for n in range(count):
            tile = add_outer(tile, x, start + n * step, dy, n * outs + o, 1)
        store(tile, dw, o * ins, ins)


@operation(like(0), flat=("b",))
@in_c
def add_bias(x, b, y):
    """Compute y = x + b, where b has one element per channel, or one per channel and position (untied)."""


@operation(lambda arrays, attributes: [(arrays[0].shape[0], arrays[1].shape[0])])
@kernel
def constant(x, b, y):
    """Write the constants b to every sample of y."""
    for n in range(y.shape[0]):
        for k in range(y.shape[1]):
            y[n, k] = b[k]


@operation(
    lambda arrays, attributes: [arrays[0].shape[1:] if attributes.get("untied") else arrays[0].shape[1:2]],
    accumulates=True,
    flat=("db",),
)
@kernel
def bias_gradient(dy, db, untied=False):
    """Add the sum of dy over the samples to db. Unless the bias is untied, also sum over the positions.

    dy is read once, row by row.
    """
    count, channels = dy.shape[0], dy.shape[1]
    cells = dy.size // max(count * channels, 1)
    upstream = dy.reshape(count * channels * cells)
    if untied or cells == 1:
        width = channels * cells
        for n in range(count):
            row = upstream[n * width : (n + 1) * width]
            for k in range(width):
                db[k] += row[k]
        return
    for r in range(count * channels):
        row = upstream[r * cells : (r + 1) * cells]
        total = db.dtype.type(0)
        for p in range(cells):
            total += row[p]
        db[r % channels] += total
