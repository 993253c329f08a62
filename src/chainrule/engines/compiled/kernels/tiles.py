"""Tiles: sums that stay in the vector registers of a processor while a loop runs.

Most of the work of a layer is computing sums of products. Plain loops are limited by memory, since they load, increase
and store each sum again and again. A tile is a block of `rows` × `columns` vectors of sums that stay in registers
during the loop. One step of the loop loads `rows` + `columns` scalars or vectors for rows · columns multiply-adds.
There are three kinds of steps:

`add_outer`     multiplies vectors by scalars. The sums in a vector are contiguous in memory.
`add_lanes_at`  multiplies vectors by one vector, lane by lane. The lanes are channels, which are contiguous in memory.
`add_products`  multiplies vectors by vectors. The elements that are added up are contiguous in memory, and
                `store_sums` adds up the lanes at the end.

LLVM does not produce such code from plain loops, so it is written by hand: `compiler/tile_code.py` emits each function
below as vector instructions. The functions in this file define the results in NumPy and run only if compilation is
disabled (CHAINRULE_UNCOMPILED=1). Both are compared with the reference, by `tests/engines/test_drawn_kernels.py` and
`tests/engines/test_special_cases.py`.

In the formulas, tile[a, b, lane] is an element of the vector in row a and column b, and `lanes` is the number of
elements in a vector. Functions that compute a tile return it; a tile passed as an argument is not modified. All other
arrays are one-dimensional. Indices are not checked: kernels must stay within their arrays.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.compiled.compiler import WIDTH, compile_by_hand

Array = NDArray[Any]


def lanes(itemsize: int) -> int:
    """Return the number of elements of `itemsize` bytes in a vector."""
    return WIDTH // itemsize


def zeros(array: Array, rows: int, columns: int) -> Array:
    """Return a tile of zeros with the dtype of an array; `rows` and `columns` are constants."""
    return np.zeros((rows, columns, lanes(array.itemsize)), array.dtype)


def load(y: Array, offset: int, step: int, rows: int, columns: int) -> Array:
    """Compute tile[a, b, lane] = y[offset + b·step + a·lanes + lane]; `rows` and `columns` are constants."""
    width = lanes(y.itemsize)
    parts = [y[offset + b * step :][: rows * width].reshape(rows, width) for b in range(columns)]
    return np.stack(parts, axis=1)


def load_at(y: Array, start: int, offsets: Array, first: int, rows: int, columns: int) -> Array:
    """Compute tile[a, b, lane] = y[start + offsets[first + b] + a·lanes + lane]; `rows` and `columns` are constants."""
    width = lanes(y.itemsize)
    parts = [y[start + at :][: rows * width].reshape(rows, width) for at in offsets[first : first + columns]]
    return np.stack(parts, axis=1)


def spread_columns(values: Array, first: int, rows: int, columns: int) -> Array:
    """Compute tile[a, b, lane] = values[first + b]; `rows` and `columns` are constants."""
    shape = (rows, columns, lanes(values.itemsize))
    return np.broadcast_to(values[first : first + columns].reshape(1, -1, 1), shape).copy()


def add_parts(tile: Array, x: Array, offset: int, step: int, count: int) -> Array:
    """Compute tile[0, b, lane] += x[offset + b·step + lane] in the first `count` lanes."""
    total = tile.copy()
    for b in range(tile.shape[1]):
        total[0, b, :count] += x[offset + b * step :][: min(count, tile.shape[2])]
    return total


def add_outer(tile: Array, x: Array, offset: int, w: Array, start: int, step: int) -> Array:
    """Compute tile[a, b, lane] += x[offset + a·lanes + lane] · w[start + b·step]."""
    rows, columns, width = tile.shape
    side_by_side = x[offset : offset + rows * width].reshape(rows, 1, width)
    return tile + side_by_side * w[start : start + (columns - 1) * step + 1 : max(step, 1)].reshape(1, -1, 1)


def load_offsets(offsets: Array, first: int, columns: int) -> Array:
    """Return offsets[first : first + columns], kept in registers while a loop adds to a tile.

    `columns` is a constant.
    """
    return offsets[first : first + columns].copy()


def add_outer_at(tile: Array, x: Array, offset: int, w: Array, start: int, offsets: Array) -> Array:
    """Compute tile[a, b, lane] += x[offset + a·lanes + lane] · w[start + offsets[b]]; see `load_offsets`."""
    rows, _, width = tile.shape
    side_by_side = x[offset : offset + rows * width].reshape(rows, 1, width)
    return tile + side_by_side * w[start + offsets].reshape(1, -1, 1)


def add_vectors_at(tile: Array, x: Array, start: int, offsets: Array, w: Array, first: int) -> Array:
    """Compute tile[a, b, lane] += x[start + offsets[a] + lane] · w[first + b]; see `load_offsets`."""
    _, columns, width = tile.shape
    vectors = np.stack([x[start + at :][:width] for at in offsets])
    return tile + vectors[:, None] * w[first : first + columns].reshape(1, -1, 1)


def add_products(tile: Array, g: Array, offset: int, step: int, x: Array, start: int, offsets: Array) -> Array:
    """Compute tile[a, b, lane] += g[offset + a·step + lane] · x[start + offsets[b] + lane]; see `load_offsets`."""
    width = tile.shape[2]
    upstream = np.stack([g[offset + a * step :][:width] for a in range(tile.shape[0])])
    others = np.stack([x[start + at :][:width] for at in offsets])
    return tile + upstream[:, None] * others[None]


def add_lanes_at(tile: Array, x: Array, offset: int, w: Array, start: int, offsets: Array) -> Array:
    """Compute tile[0, b, lane] += x[offset + offsets[b] + lane] · w[start + lane]; see `load_offsets`."""
    width = tile.shape[2]
    parts = np.stack([x[offset + at :][:width] for at in offsets])
    return tile + (parts * w[start : start + width])[None]


def store(tile: Array, y: Array, offset: int, step: int) -> None:
    """Compute y[offset + b·step + a·lanes + lane] = tile[a, b, lane]."""
    rows, columns, width = tile.shape
    for b in range(columns):
        y[offset + b * step :][: rows * width] = tile[:, b].reshape(-1)


def store_at(tile: Array, y: Array, start: int, offsets: Array, first: int) -> None:
    """Compute y[start + offsets[first + b] + a·lanes + lane] = tile[a, b, lane]. Columns are stored in order."""
    rows, columns, width = tile.shape
    for b, at in enumerate(offsets[first : first + columns]):
        y[start + at :][: rows * width] = tile[:, b].reshape(-1)


def store_vectors_at(tile: Array, y: Array, offsets: Array, q: int, channels: Array, o: int) -> None:
    """Compute y[offsets[q + a] + channels[o + b] + lane] = tile[a, b, lane]. Columns are stored in order."""
    for b, a in np.ndindex(tile.shape[1::-1]):
        y[offsets[q + a] + channels[o + b] :][: tile.shape[2]] = tile[a, b]


def store_part(tile: Array, y: Array, offset: int, count: int) -> None:
    """Compute y[offset + lane] = tile[0, 0, lane] for the first `count` lanes only."""
    width = min(count, tile.shape[2])
    y[offset : offset + width] = tile[0, 0, :width]


def split_pairs(x: Array, offset: int, count: int, y: Array, even: int, odd: int) -> None:
    """Compute y[even + lane] = x[offset + 2·lane], y[odd + lane] = x[offset + 2·lane + 1].

    Only the first `count` elements of x from `offset` on are split, and at most two vectors.
    """
    parts = x[offset : offset + min(count, 2 * lanes(x.itemsize))]
    y[even : even + (parts.size + 1) // 2], y[odd : odd + parts.size // 2] = parts[::2], parts[1::2]


def store_transposed(tile: Array, y: Array, offset: int, channels: Array, count: int) -> None:
    """Compute y[offset + channels[lane] + b] = tile[0, b, lane] for the first `count` columns only.

    The number of columns must be a multiple of the number of lanes.
    """
    columns = min(count, tile.shape[1])
    for lane in range(tile.shape[2]):
        y[offset + channels[lane] :][:columns] = tile[0, :columns, lane]


def store_alternate(tile: Array, y: Array, offset: int, count: int) -> None:
    """Compute y[offset + 2·lane] = tile[0, 0, lane] for the first `count` lanes only."""
    width = min(count, tile.shape[2])
    y[offset : offset + 2 * width - 1 : 2] = tile[0, 0, :width]


def store_sums(tile: Array, y: Array, offset: int) -> None:
    """Compute y[offset + a·columns + b] = Σ_lane tile[a, b, lane].

    The sums are stored as whole vectors, so elements of y after the last sum may be overwritten.
    """
    y[offset : offset + tile.shape[0] * tile.shape[1]] = tile.sum(axis=-1).reshape(-1)


def sum_fours(tile: Array) -> Array:
    """Return one vector: the sums of elements 4·lane to 4·lane + 3 of a tile of four rows and one column."""
    return tile.reshape(-1, 4).sum(axis=1).reshape(1, 1, -1)


def join_columns(tile: Array, other: Array) -> Array:
    """Return a tile with the columns of two tiles of one row."""
    return np.concatenate([tile, other], axis=1)


def clamp_tile(tile: Array, minimum: float, maximum: float) -> Array:
    """Return the tile clamped to [minimum, maximum]. NaN stays NaN."""
    return np.where(tile < minimum, tile.dtype.type(minimum), np.where(tile > maximum, tile.dtype.type(maximum), tile))


def multiply_add(tile: Array, factors: Array, addends: Array) -> Array:
    """Compute tile · factors + addends, element by element."""
    return tile * factors + addends


def larger(tile: Array, other: Array) -> Array:
    """Compute larger[a, b, lane] = the maximum of tile[a, b, lane] and other[a, b, lane]. NaN propagates."""
    return np.maximum(tile, other)


def larger_neighbors(tile: Array, count: int) -> Array:
    """Return one vector: the maxima of elements 2·lane to 2·lane + count − 1 of a tile of one column. NaN propagates.

    The last element takes the place of elements beyond it. `count` is a constant.
    """
    elements = tile.reshape(-1)
    first = 2 * np.arange(int(tile.shape[2]))
    indices = first[:, None] + np.arange(count)
    return elements[np.minimum(indices, elements.size - 1)].max(axis=1).reshape(1, 1, -1)


def largest(tile: Array) -> Array:
    """Compute largest[a, b, lane] = the maximum of tile[a, 4·b + k, lane] for k from 0 to 3. NaN propagates."""
    rows, columns, width = tile.shape
    return tile.reshape(rows, columns // 4, 4, width).max(axis=2)


def transpose(x: Array, offset: int, step: int, y: Array, target_start: int, target_step: int) -> None:
    """Compute y[target_start + b·target_step + a] = x[offset + a·step + b] for a, b < lanes."""
    width = lanes(x.itemsize)
    for a in range(width):
        for b in range(width):
            y[target_start + b * target_step + a] = x[offset + a * step + b]


def transpose_to(
    x: Array, offset: int, channels: Array, y: Array, start: int, offsets: Array, first: int, count: int
) -> None:
    """Compute y[start + offsets[first + b] + a] = x[offset + channels[a] + b] for a < lanes and b < `count`.

    If `count` is less than the number of lanes, offsets follow that repeat the last one or belong to unused elements.
    """
    width = lanes(x.itemsize)
    for a in range(width):
        for b in range(min(count, width)):
            y[start + offsets[first + b] + a] = x[offset + channels[a] + b]


def largest_of_four(x: Array, offset: int, width: int, y: Array, winner: Array, target_start: int, first: int) -> None:
    """Compute y[target_start + lane] = the maximum of x[offset + 2·lane + ahead] for ahead = 0, 1, width, width + 1.

    winner[target_start + lane] = first + 2·lane + ahead of the maximum: of the first NaN, else of the first maximum.
    """
    ahead = (0, 1, width, width + 1)
    for lane in range(lanes(x.itemsize)):
        four = [x[offset + 2 * lane + step] for step in ahead]
        winner_index = 0
        for k in range(1, 4):
            if four[winner_index] == four[winner_index] and (four[k] > four[winner_index] or four[k] != four[k]):
                winner_index = k
        y[target_start + lane], winner[target_start + lane] = four[winner_index], first + 2 * lane + ahead[winner_index]


for _function in (
    *(
        zeros,
        load,
        add_parts,
        load_at,
        load_offsets,
        spread_columns,
        add_outer,
        add_outer_at,
        add_vectors_at,
        add_products,
        add_lanes_at,
    ),
    *(
        sum_fours,
        join_columns,
        clamp_tile,
        multiply_add,
        larger,
        larger_neighbors,
        largest,
        store,
        store_at,
        store_vectors_at,
        store_part,
        split_pairs,
    ),
    *(store_alternate, store_transposed, store_sums, transpose, transpose_to, largest_of_four),
):
    compile_by_hand(_function)
