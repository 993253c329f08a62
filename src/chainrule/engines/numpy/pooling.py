"""Pooling, in NumPy: all windows at once, one tap of the window after the other. Equations: `reference.pooling`."""

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.numpy.arrays import Array
from chainrule.engines.numpy.windows import axis_taps
from chainrule.shapes import Padding, Pair, output_size

NO_PADDING: Padding = ((0, 0), (0, 0))


def max_pool(
    x: Array, *, window: Pair, stride: Pair | None = None, padding: Padding = NO_PADDING
) -> tuple[Array, Array]:
    """`reference.max_pool` as a running maximum over the taps.

    Cells come in the order of their flat index, so a cell that beats those before it has the largest index so far:
    the winner is a maximum as well, of whole arrays and without a branch.
    """
    stride, size = stride or window, x.shape[2:]
    outputs = tuple(map(output_size, size, window, stride, padding))
    y = np.full((*x.shape[:2], *outputs), -np.inf, x.dtype)
    cells = np.arange(size[0] * size[1], dtype=np.int32).reshape(size)
    corners = cells[np.ix_(*map(_first_cells, outputs, stride, padding))]
    winner = np.broadcast_to(corners, y.shape).copy()
    down, across = map(axis_taps, size, outputs, window, stride, padding)
    for rows, i in down:
        for columns, j in across:
            cell, best, place = x[..., rows, columns], y[..., i, j], winner[..., i, j]
            better = ~(cell <= best) & (best == best)  # a first NaN is better than a number, nothing better than NaN
            np.maximum(best, cell, out=best)
            np.maximum(place, better * cells[rows, columns], out=place)
    return y, winner


def max_pool_dx(
    dy: Array,
    winner: Array,
    *,
    size: Pair,
) -> Array:
    """`reference.max_pool_dx` as one scatter-add to flat indices: only winners are touched."""
    planes, cells = dy.shape[0] * dy.shape[1], size[0] * size[1]
    dx = np.zeros(planes * cells, dy.dtype)
    starts: NDArray[np.intp] = np.arange(planes, dtype=np.intp)[:, None] * cells
    np.add.at(dx, (winner.reshape(planes, -1) + starts).reshape(-1), dy.reshape(-1))
    return dx.reshape(*dy.shape[:2], *size)


def average_pool(
    x: Array,
    *,
    window: Pair,
    stride: Pair | None = None,
    padding: Padding = NO_PADDING,
    divisor: str = "cells",
) -> Array:
    """`reference.average_pool` summed over the rows of the window, then its columns: KH + KW passes, not KH · KW."""
    stride, size = stride or window, x.shape[2:]
    outputs = tuple(map(output_size, size, window, stride, padding))
    down, across = map(axis_taps, size, outputs, window, stride, padding)
    high = np.zeros((*x.shape[:2], outputs[0], size[1]), x.dtype)
    for rows, i in down:
        high[..., i, :] += x[..., rows, :]
    y = np.zeros((*x.shape[:2], *outputs), x.dtype)
    for columns, j in across:
        y[..., j] += high[..., columns]
    y /= _divisors(size, outputs, window, stride, padding, divisor).astype(x.dtype)
    return y


def average_pool_dx(
    dy: Array,
    *,
    size: Pair,
    window: Pair,
    stride: Pair | None = None,
    padding: Padding = NO_PADDING,
    divisor: str = "cells",
) -> Array:
    """`reference.average_pool_dx` spread over the columns of the window, then over its rows: the forward in reverse."""
    stride, outputs = stride or window, dy.shape[2:]
    down, across = map(axis_taps, size, outputs, window, stride, padding)
    share = dy / _divisors(size, outputs, window, stride, padding, divisor).astype(dy.dtype)
    wide = np.zeros((*dy.shape[:2], outputs[0], size[1]), dy.dtype)
    for columns, j in across:
        wide[..., columns] += share[..., j]
    dx = np.zeros((*dy.shape[:2], *size), dy.dtype)
    for rows, i in down:
        dx[..., rows, :] += wide[..., i, :]
    return dx


def _first_cells(outputs: int, stride: int, padding: Pair) -> Array:
    """The first cell of every window of one axis that is not padding."""
    return np.maximum(stride * np.arange(outputs) - padding[0], 0)


def _divisors(
    size: tuple[int, ...], outputs: tuple[int, ...], window: Pair, stride: Pair, padding: Padding, divisor: str
) -> Array:
    """What the sum of each window is divided by: (H', W'), or (1, 1) where it is the same for all."""
    if divisor == "cells":
        return np.multiply.outer(*map(_cells_under, size, outputs, window, stride, padding))
    return np.full((1, 1), {"window": window[0] * window[1], "one": 1}[divisor])


def _cells_under(size: int, outputs: int, window: int, stride: int, padding: Pair) -> Array:
    """How many cells of one axis lie under each window, padding left out."""
    starts = stride * np.arange(outputs) - padding[0]
    return np.minimum(starts + window, size) - np.maximum(starts, 0)
