"""Pooling in NumPy, for all windows at once, one tap at a time. Equations: `reference.pooling`."""

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import NO_PADDING, Padding, Pair
from chainrule.engines.numpy.arrays import Array, divisors, window_taps


def max_pool(
    x: Array, *, window: Pair, stride: Pair | None = None, padding: Padding = NO_PADDING
) -> tuple[Array, Array]:
    """Compute `reference.max_pool` as a running maximum over the taps.

    Taps are visited in the order of flat indices, so a new maximum has the largest index so far. The index of the
    winner is therefore a running maximum as well, and both are computed on whole arrays without branches.
    """
    stride = stride or window
    size = x.shape[2:]
    outputs, down, across = window_taps(size, window, stride, padding)
    y = np.full((*x.shape[:2], *outputs), -np.inf, x.dtype)
    indices = np.arange(size[0] * size[1], dtype=np.int32).reshape(size)
    corners = indices[np.ix_(*map(_first_elements, outputs, stride, padding))]
    winner = np.broadcast_to(corners, y.shape).copy()
    for rows, i in down:
        for columns, j in across:
            value = x[..., rows, columns]
            best = y[..., i, j]
            best_index = winner[..., i, j]
            better = ~(value <= best) & (best == best)  # the first NaN replaces any number and is kept
            np.maximum(best, value, out=best)
            np.maximum(best_index, better * indices[rows, columns], out=best_index)
    return y, winner


def max_pool_dx(
    dy: Array,
    winner: Array,
    *,
    size: Pair,
) -> Array:
    """Compute `reference.max_pool_dx` as one scatter-add to the flat indices of the winners."""
    planes = dy.shape[0] * dy.shape[1]
    elements = size[0] * size[1]
    dx = np.zeros(planes * elements, dy.dtype)
    starts: NDArray[np.intp] = np.arange(planes, dtype=np.intp)[:, None] * elements
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
    """Compute `reference.average_pool` in KH + KW passes: sums over the rows of the window, then over its columns."""
    stride = stride or window
    size = x.shape[2:]
    outputs, down, across = window_taps(size, window, stride, padding)
    high = np.zeros((*x.shape[:2], outputs[0], size[1]), x.dtype)
    for rows, i in down:
        high[..., i, :] += x[..., rows, :]
    y = np.zeros((*x.shape[:2], *outputs), x.dtype)
    for columns, j in across:
        y[..., j] += high[..., columns]
    y /= divisors(size, outputs, window, stride, padding, divisor).astype(x.dtype)
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
    """Compute `reference.average_pool_dx` for the columns of the window, then for its rows."""
    stride = stride or window
    outputs, down, across = window_taps(size, window, stride, padding, outputs=dy.shape[2:])
    share = dy / divisors(size, outputs, window, stride, padding, divisor).astype(dy.dtype)
    wide = np.zeros((*dy.shape[:2], outputs[0], size[1]), dy.dtype)
    for columns, j in across:
        wide[..., columns] += share[..., j]
    dx = np.zeros((*dy.shape[:2], *size), dy.dtype)
    for rows, i in down:
        dx[..., rows, :] += wide[..., i, :]
    return dx


def _first_elements(outputs: int, stride: int, padding: Pair) -> Array:
    """Return, for every window along one axis, the index of its first element that is not padding."""
    return np.maximum(stride * np.arange(outputs) - padding[0], 0)
