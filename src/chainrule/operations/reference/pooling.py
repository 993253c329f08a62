"""Max and average (or sum) pooling, and their gradients.

Derived step by step in docs/derivations/pooling.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import Padding, Pair, check_fits, text
from chainrule.errors import ShapeError, unknown_name
from chainrule.operations.reference.windows import Array, check_axes, check_same, check_shape

DIVISORS = ("cells", "window", "one")


def max_pool(
    x: Array, *, window: Pair, stride: Pair | None = None, padding: Padding = ((0, 0), (0, 0))
) -> tuple[Array, NDArray[np.int32]]:
    """Compute the maximum of each window and the position of the maximum.

    y[n,c,i,j]      = max_{u,v} x[n,c,h,k]        h = s·i + u − p_top, k = s·j + v − p_left, on the image only
    winner[n,c,i,j] = h·W + k of the maximum: the first in row-major window order; the first NaN if there is one

    Shapes   x (N, C, H, W)  →  y (N, C, H', W'), winner (N, C, H', W') int32;  the default stride is the window
    Kept     winner
    Errors   ShapeError when the window does not fit, or the padding is not smaller than the window
    Source   numpy-cnn eq. 28–29; Zayan, "Max-pooling"; Venchislaw, "Max Pooling"
    """
    check_axes("max_pool", "x", x, "N, C, H, W")
    rows, columns = _windows("max_pool", x.shape[2:], window, stride, padding)
    y = np.empty((*x.shape[:2], len(rows), len(columns)), x.dtype)
    winner = np.full(y.shape, -1, np.int32)
    for n, c, i, j in np.ndindex(y.shape):
        for h in rows[int(i)]:
            for k in columns[int(j)]:
                if winner[n, c, i, j] < 0 or _beats(x[n, c, h, k], y[n, c, i, j]):
                    y[n, c, i, j] = x[n, c, h, k]
                    winner[n, c, i, j] = h * x.shape[3] + k
    return y, winner


def max_pool_dx(dy: Array, winner: NDArray[np.int32], *, size: Pair) -> Array:
    """dx[n,c,h,k] = Σ_{i,j} dy[n,c,i,j]        over the windows that cell (h, k) won: winner[n,c,i,j] = h·W + k

    ``size`` is (H, W) of x.

    Source   numpy-cnn eq. 30; Zayan, "Max-pooling"; Venchislaw, "Pooling"
    """
    check_axes("max_pool_dx", "dy", dy, "N, C, H', W'")
    check_same("max_pool_dx", dy=dy, winner=winner)
    dx = np.zeros((*dy.shape[:2], *size), dy.dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        h, k = divmod(int(winner[n, c, i, j]), size[1])
        dx[n, c, h, k] += dy[n, c, i, j]
    return dx


def average_pool(
    x: Array,
    *,
    window: Pair,
    stride: Pair | None = None,
    padding: Padding = ((0, 0), (0, 0)),
    divisor: str = "cells",
) -> Array:
    """Compute the sum of each window, divided by D.

    y[n,c,i,j] = 1/D Σ_{u,v} x[n,c,h,k]        h = s·i + u − p_top, k = s·j + v − p_left, on the image only

    divisor  "cells": D is the number of summed elements; "window": D = KH·KW, which includes padding; "one": D = 1,
             for sum pooling

    Shapes   x (N, C, H, W)  →  y (N, C, H', W');  the default stride is the window
    Kept     nothing
    Errors   ShapeError when the window does not fit, or the padding is not smaller than the window;
             OptionError for another divisor
    Source   VanillaCNN eq. 16, 20; Venchislaw, "Average Pooling"
    """
    check_axes("average_pool", "x", x, "N, C, H, W")
    rows, columns = _windows("average_pool", x.shape[2:], window, stride, padding)
    y = np.zeros((*x.shape[:2], len(rows), len(columns)), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        for h in rows[int(i)]:
            for k in columns[int(j)]:
                y[n, c, i, j] += x[n, c, h, k]
        y[n, c, i, j] /= _divided_by(divisor, window, len(rows[int(i)]) * len(columns[int(j)]))
    return y


def average_pool_dx(
    dy: Array,
    *,
    size: Pair,
    window: Pair,
    stride: Pair | None = None,
    padding: Padding = ((0, 0), (0, 0)),
    divisor: str = "cells",
) -> Array:
    """dx[n,c,h,k] = Σ_{i,j} dy[n,c,i,j] / D        over the windows that cover cell (h, k)

    ``size`` is (H, W) of x.

    Source   VanillaCNN eq. 34, 39; Venchislaw, "Pooling"
    """
    check_axes("average_pool_dx", "dy", dy, "N, C, H', W'")
    rows, columns = _windows("average_pool_dx", size, window, stride, padding)
    check_shape("average_pool_dx", "dy", dy, (*dy.shape[:2], len(rows), len(columns)))
    dx = np.zeros((*dy.shape[:2], *size), dy.dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        for h in rows[int(i)]:
            for k in columns[int(j)]:
                dx[n, c, h, k] += dy[n, c, i, j] / _divided_by(
                    divisor, window, len(rows[int(i)]) * len(columns[int(j)])
                )
    return dx


def _beats(cell: Any, best: Any) -> bool:
    """Return whether a value replaces the current maximum: it is larger, or the first NaN."""
    return bool(cell > best or (np.isnan(cell) and not np.isnan(best)))


def _divided_by(divisor: str, window: Pair, cells: int) -> int:
    """Return D for a window with this number of cells on the image."""
    if divisor == "cells":
        return cells
    if divisor == "window":
        return window[0] * window[1]
    if divisor == "one":
        return 1
    raise unknown_name("divisor", divisor, DIVISORS)


def _windows(
    operation: str, size: Pair, window: Pair, stride: Pair | None, padding: Padding
) -> tuple[list[list[int]], list[list[int]]]:
    """Return the rows of the image that each row of windows covers, and the columns.

    Errors   ShapeError unless the window fits and the padding is smaller than the window on every side
    """
    strides = stride or window
    if any(max(zeros) >= extent for zeros, extent in zip(padding, window, strict=True)):
        raise ShapeError(f"{operation}: padding {padding} is not smaller than the {text(window)} window")
    check_fits(operation, "window", window, size, padding)
    rows = _covered(size[0], window[0], strides[0], padding[0])
    columns = _covered(size[1], window[1], strides[1], padding[1])
    return rows, columns


def _covered(size: int, window: int, stride: int, padding: Pair) -> list[list[int]]:
    """Return the positions of an axis that each of its windows covers."""
    count = (size + padding[0] + padding[1] - window) // stride + 1
    return [_positions(size, window, stride * i - padding[0]) for i in range(count)]


def _positions(size: int, window: int, first: int) -> list[int]:
    """Return the positions of an axis that a window covers, which starts at a position or before the first."""
    return [*range(max(first, 0), min(first + window, size))]
