"""Cells of neighbouring windows in vectors, one window a lane, as NumPy computes them.

A tile holds one vector for a sum, two for a largest cell: its value and its number. Numbers are floats of the same
size, so that one comparison chooses both; they are exact up to 2²⁴. `windows_code` emits the code of each function.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.compiled.compiler.processor import WIDTH

Array = NDArray[Any]


def no_cells(x: Array, number: int, left: int, step: int) -> Array:
    """Return (−∞, number + max(0, −left − lane·step)) in the dtype of x: the first cells that are no padding."""
    width = WIDTH // x.itemsize
    first = number + np.maximum(0, -left - step * np.arange(width))
    return np.stack([np.full((1, width), -np.inf, x.dtype), first.astype(x.dtype)[None]])


def add_cells(tile: Array, x: Array, place: int, step: int, first: int, last: int) -> Array:
    """Compute tile[0, 0, lane] += x[place + lane·step] in lanes from first to last − 1; `step` is a constant."""
    total = tile.copy()
    total[0, 0, first:last] += x[place + step * np.arange(first, last)]
    return total


def keep_larger(tile: Array, x: Array, place: int, step: int, first: int, last: int, number: int) -> Array:
    """Replace (value, number) by (x[place + lane·step], number) where that is larger, or the first NaN.

    In lanes from first to last − 1 only; `step` is a constant.
    """
    kept = tile.copy()
    for lane in range(first, last):
        value, most = x[place + lane * step], tile[0, 0, lane]
        if most == most and not value <= most:
            kept[:, 0, lane] = value, number
    return kept


def store_larger(tile: Array, y: Array, winner: Array, found: int, count: int, begin: int, step: int) -> None:
    """Compute y[found + lane] = value and winner[found + lane] = number + begin + lane·step in `count` lanes."""
    y[found : found + count] = tile[0, 0, :count]
    winner[found : found + count] = tile[1, 0, :count].astype(np.int32) + begin + step * np.arange(count)
