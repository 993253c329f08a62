"""Max and average (or sum) pooling, and their gradients.

Derived step by step in docs/derivations/pooling.md.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import Padding, Pair, text
from chainrule.errors import ShapeError, unknown_name
from chainrule.operations.reference.windows import Array, Axis, check_axes, check_same, check_shape, sliding, taps

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
    rows, columns = _pooled("max_pool", x.shape[2:], window, stride, padding)
    y = np.empty((*x.shape[:2], rows.outputs, columns.outputs), x.dtype)
    winner = np.full(y.shape, -1, np.int32)
    for n, c, i, j in np.ndindex(y.shape):
        for h, k in _cells(rows, columns, i, j):
            if winner[n, c, i, j] < 0 or _beats(x[n, c, h, k], y[n, c, i, j]):
                y[n, c, i, j] = x[n, c, h, k]
                winner[n, c, i, j] = h * columns.size + k
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
    rows, columns = _pooled("average_pool", x.shape[2:], window, stride, padding)
    y = np.zeros((*x.shape[:2], rows.outputs, columns.outputs), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        for h, k in _cells(rows, columns, i, j):
            y[n, c, i, j] += x[n, c, h, k]
        y[n, c, i, j] /= _divided_by(divisor, rows, columns, i, j)
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
    rows, columns = _pooled("average_pool_dx", size, window, stride, padding)
    check_shape("average_pool_dx", "dy", dy, (*dy.shape[:2], rows.outputs, columns.outputs))
    dx = np.zeros((*dy.shape[:2], *size), dy.dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        for h, k in _cells(rows, columns, i, j):
            dx[n, c, h, k] += dy[n, c, i, j] / _divided_by(divisor, rows, columns, i, j)
    return dx


@lru_cache(1 << 12)
def _cells(rows: Axis, columns: Axis, i: int, j: int) -> list[Pair]:
    """Return the image positions covered by the window at (i, j), row by row."""
    return [(h, k) for _, h in taps(rows, i) for _, k in taps(columns, j)]


def _beats(cell: Any, best: Any) -> bool:
    """Return whether a value replaces the current maximum: it is larger, or the first NaN."""
    return bool(cell > best or (np.isnan(cell) and not np.isnan(best)))


def _divided_by(divisor: str, rows: Axis, columns: Axis, i: int, j: int) -> int:
    if divisor == "cells":
        return len(_cells(rows, columns, i, j))
    if divisor == "window":
        return rows.window * columns.window
    if divisor == "one":
        return 1
    raise unknown_name("divisor", divisor, DIVISORS)


def _pooled(operation: str, size: Pair, window: Pair, stride: Pair | None, padding: Padding) -> tuple[Axis, Axis]:
    """Return the row axis and the column axis; ShapeError unless padding is smaller than the window on every side."""
    if any(zeros >= taps for taps, pair in zip(window, padding, strict=True) for zeros in pair):
        raise ShapeError(f"{operation}: padding {padding} is not smaller than the {text(window)} window")
    return sliding(operation, "window", size, window, window if stride is None else stride, padding)
