"""Tiles: sums that stay in the vector registers of a processor while a loop runs.

The heavy work of every layer is sums of products. Written as plain loops they are bound by memory: each product-sum is
loaded, added to and stored again. A tile is a block of `rows` × `columns` vectors of sums which the loop around it
never stores. One step takes `rows` + `columns` scalars or vectors from memory for rows · columns multiply-adds:

`add_outer`     one vector times scalars: for sums that lie side by side
`add_apart`     one vector times vectors: for channels that lie side by side
`add_products`  vectors times vectors: for sums over entries that lie side by side; `store_sums` ends them

A compiler that is given plain loops cannot be made to do this, so only here the compiled code of a loop is written by
hand: `compiler/tile_code.py` emits each function below as processor vectors. The functions below define the results,
in NumPy: `tests/engines/test_tiles.py` compares the two, and with CHAINRULE_UNCOMPILED these run.

All arrays are flat; a place is an offset in a flat array. Nothing is checked: kernels keep to their arrays.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.compiled.compiler import WIDTH, compile_by_hand

Array = NDArray[Any]


def lanes(itemsize: int) -> int:
    """Return the elements, of `itemsize` bytes, of a vector."""
    return WIDTH // itemsize


def zeros(array: Array, rows: int, columns: int) -> Array:
    """Return a tile of zeros in the dtype of an array; `rows` and `columns` are constants."""
    return np.zeros((rows, columns, lanes(array.itemsize)), array.dtype)


def load(y: Array, place: int, step: int, rows: int, columns: int) -> Array:
    """Compute tile[a, b, lane] = y[place + b·step + a·lanes + lane]; `rows` and `columns` are constants."""
    width = lanes(y.itemsize)
    parts = [y[place + b * step :][: rows * width].reshape(rows, width) for b in range(columns)]
    return np.stack(parts, axis=1)


def load_picked(y: Array, place: int, offsets: Array, first: int, rows: int, columns: int) -> Array:
    """Compute tile[a, b, lane] = y[place + offsets[first + b] + a·lanes + lane]; `rows` and `columns` are constants."""
    width = lanes(y.itemsize)
    parts = [y[place + at :][: rows * width].reshape(rows, width) for at in offsets[first : first + columns]]
    return np.stack(parts, axis=1)


def load_part(y: Array, place: int, count: int) -> Array:
    """Compute tile[0, 0, lane] = y[place + lane] in the first `count` lanes, 0 in the others."""
    tile = zeros(y, 1, 1)
    tile[0, 0, :count] = y[place : place + tile.shape[2]][:count]
    return tile


def fetch(y: Array, place: int) -> None:
    """Bring the line of the cache that holds y[place] nearer, for a load that follows later; nothing else changes.

    The place may lie outside the array.
    """


def add_outer(tile: Array, x: Array, place: int, w: Array, start: int, step: int) -> Array:
    """Compute tile[a, b, lane] += x[place + a·lanes + lane] · w[start + b·step]."""
    rows, columns, width = tile.shape
    side_by_side = x[place : place + rows * width].reshape(rows, 1, width)
    return tile + side_by_side * w[start : start + (columns - 1) * step + 1 : max(step, 1)].reshape(1, -1, 1)


def places(offsets: Array, first: int, columns: int) -> Array:
    """Return offsets[first : first + columns], which registers keep while a loop adds to a tile.

    `columns` is a constant.
    """
    return offsets[first : first + columns].copy()


def add_picked(tile: Array, x: Array, place: int, w: Array, start: int, offsets: Array) -> Array:
    """Compute tile[a, b, lane] += x[place + a·lanes + lane] · w[start + offsets[b]], the offsets being `places`."""
    rows, _, width = tile.shape
    side_by_side = x[place : place + rows * width].reshape(rows, 1, width)
    return tile + side_by_side * w[start + offsets].reshape(1, -1, 1)


def add_products(tile: Array, g: Array, place: int, step: int, x: Array, start: int, offsets: Array) -> Array:
    """Compute tile[a, b, lane] += g[place + a·step + lane] · x[start + offsets[b] + lane], with offsets of `places`."""
    width = tile.shape[2]
    upstream = np.stack([g[place + a * step :][:width] for a in range(tile.shape[0])])
    others = np.stack([x[start + at :][:width] for at in offsets])
    return tile + upstream[:, None] * others[None]


def add_apart(tile: Array, x: Array, place: int, w: Array, start: int, offsets: Array) -> Array:
    """Compute tile[0, b, lane] += x[place + offsets[b] + lane] · w[start + lane], the offsets being `places`."""
    width = tile.shape[2]
    seen = np.stack([x[place + at :][:width] for at in offsets])
    return tile + (seen * w[start : start + width])[None]


def store(tile: Array, y: Array, place: int, step: int) -> None:
    """Compute y[place + b·step + a·lanes + lane] = tile[a, b, lane]."""
    rows, columns, width = tile.shape
    for b in range(columns):
        y[place + b * step :][: rows * width] = tile[:, b].reshape(-1)


def store_picked(tile: Array, y: Array, place: int, offsets: Array, first: int) -> None:
    """Compute y[place + offsets[first + b] + a·lanes + lane] = tile[a, b, lane], one column after the other."""
    rows, columns, width = tile.shape
    for b, at in enumerate(offsets[first : first + columns]):
        y[place + at :][: rows * width] = tile[:, b].reshape(-1)


def store_part(tile: Array, y: Array, place: int, count: int) -> None:
    """Compute y[place + lane] = tile[0, 0, lane], the first `count` lanes only."""
    width = min(count, tile.shape[2])
    y[place : place + width] = tile[0, 0, :width]


def split_pairs(x: Array, place: int, count: int, y: Array, even: int, odd: int) -> None:
    """Compute y[even + lane] = x[place + 2·lane], y[odd + lane] = x[place + 2·lane + 1], of `count` entries."""
    seen = x[place : place + min(count, 2 * lanes(x.itemsize))]
    y[even : even + (seen.size + 1) // 2], y[odd : odd + seen.size // 2] = seen[::2], seen[1::2]


def store_transposed(tile: Array, y: Array, place: int, channels: Array) -> None:
    """Compute y[place + channels[lane] + b] = tile[0, b, lane]; columns are a multiple of the lanes."""
    for lane in range(tile.shape[2]):
        y[place + channels[lane] :][: tile.shape[1]] = tile[0, :, lane]


def store_alternate(tile: Array, y: Array, place: int, count: int) -> None:
    """Compute y[place + 2·lane] = tile[0, 0, lane], the first `count` lanes only."""
    width = min(count, tile.shape[2])
    y[place : place + 2 * width - 1 : 2] = tile[0, 0, :width]


def store_sums(tile: Array, y: Array, place: int) -> None:
    """Compute y[place + a·columns + b] = Σ_lane tile[a, b, lane]; whole vectors of them are stored."""
    y[place : place + tile.shape[0] * tile.shape[1]] = tile.sum(axis=-1).reshape(-1)


def bent_tile(tile: Array, least: float, most: float, part: float) -> Array:
    """Compute v = least where tile[a, b, lane] < least, most where > most, else itself, and bent[a, b, lane] = v, or
    part·v where v is not positive.

    NaN stays NaN.
    """
    kept = np.where(tile < least, tile.dtype.type(least), np.where(tile > most, tile.dtype.type(most), tile))
    return np.where(kept > 0, kept, kept * tile.dtype.type(part))


def multiply_add(tile: Array, times: Array, plus: Array) -> Array:
    """Compute tile · times + plus, entry by entry."""
    return tile * times + plus


def larger(tile: Array, other: Array) -> Array:
    """Compute larger[a, b, lane] = the larger of tile[a, b, lane] and other[a, b, lane]; NaN where one is."""
    return np.maximum(tile, other)


def larger_neighbours(tile: Array) -> Array:
    """Return the larger of entries 2·lane and 2·lane + 1 of a tile of two rows, side by side; NaN where one is."""
    return tile.reshape(-1, 2).max(axis=1).reshape(1, 1, -1)


def largest(tile: Array) -> Array:
    """Compute largest[a, b, lane] = the largest of tile[a, 4·b + k, lane], k from 0 to 3; NaN where one is."""
    rows, columns, width = tile.shape
    return tile.reshape(rows, columns // 4, 4, width).max(axis=2)


def transpose(x: Array, place: int, step: int, y: Array, found: int, along: int) -> None:
    """Compute y[found + b·along + a] = x[place + a·step + b] for as many a and b as a vector has lanes."""
    width = lanes(x.itemsize)
    for a in range(width):
        for b in range(width):
            y[found + b * along + a] = x[place + a * step + b]


def transpose_to(x: Array, place: int, channels: Array, y: Array, start: int, offsets: Array, first: int) -> None:
    """Compute y[start + offsets[first + b] + a] = x[place + channels[a] + b], as many a and b as a vector has lanes."""
    width = lanes(x.itemsize)
    for a in range(width):
        for b in range(width):
            y[start + offsets[first + b] + a] = x[place + channels[a] + b]


def largest_of_four(x: Array, place: int, width: int, y: Array, winner: Array, found: int, first: int) -> None:
    """Compute y[found + lane] = the largest of x[place + 2·lane + ahead], ahead 0, 1, width, width + 1.

    winner[found + lane] = first + 2·lane + ahead of the largest. The first of several is, and the first NaN.
    """
    ahead = (0, 1, width, width + 1)
    for lane in range(lanes(x.itemsize)):
        four = [x[place + 2 * lane + step] for step in ahead]
        most = 0
        for k in range(1, 4):
            if four[most] == four[most] and (four[k] > four[most] or four[k] != four[k]):
                most = k
        y[found + lane], winner[found + lane] = four[most], first + 2 * lane + ahead[most]


for _function in (
    *(zeros, load, load_part, load_picked, places, add_outer, add_picked, add_products, add_apart),
    *(bent_tile, multiply_add, larger, larger_neighbours, largest, store, store_picked, store_part, split_pairs),
    *(fetch, store_alternate, store_transposed, store_sums, transpose, transpose_to, largest_of_four),
):
    compile_by_hand(_function)
