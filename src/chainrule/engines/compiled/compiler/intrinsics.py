"""What kernels may use besides plain Python: pieces that are copied into them, and functions with code emitted by hand.

Each function is defined here in NumPy, which runs where nothing is compiled (CHAINRULE_UNCOMPILED=1). Kernels call
machine code instead: `elementary_code` emits that of eˣ and its like, `by_hand` that of windows and transforms.
"""

import os
from collections.abc import Callable
from functools import cache, update_wrapper
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.compiled.compiler.processor import WIDTH
from chainrule.operations import normal

Array = NDArray[Any]

DISABLED = os.environ.get("CHAINRULE_UNCOMPILED", "0") not in ("", "0")  # functions stay plain Python

tile_functions: list[Any] = []  # functions of `tiles` whose code is emitted by hand


class Inlined:
    """A piece of a kernel, which is copied into it: a call costs 50 ns, as much as a short row of arithmetic."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.py_func = function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.py_func(*arguments, **named)


def inlined(function: Callable[..., Any]) -> Any:
    """Make a function a piece that is copied into the kernels that call it."""
    return function if DISABLED else Inlined(function)


def literally(value: Any) -> Any:
    """Return a value that must be known while a kernel is compiled."""
    return value


def compile_by_hand(function: Any) -> None:
    """Give a function of `tiles` the code of the same name that is emitted by hand."""
    tile_functions.append(function)


# Elementary functions. eˣ and eˣ − 1 are those of x ≤ 0, log(1 + x) is that of 0 ≤ x ≤ 1.


def exponential(x: Any) -> Any:
    """Return eˣ for x ≤ 0."""
    return np.exp(x)


def expm1(x: Any) -> Any:
    """Return eˣ − 1 for x ≤ 0, to full relative accuracy."""
    return np.expm1(x)


def log1p(x: Any) -> Any:
    """Return log(1 + x) for 0 ≤ x ≤ 1, to full relative accuracy."""
    return np.log1p(x)


def tanh(x: Any) -> Any:
    """Return tanh x."""
    return np.tanh(x)


def arctan(x: Any) -> Any:
    """Return arctan x."""
    return np.arctan(x)


def mills_ratio(u: Any) -> Any:
    """Return Φ(−u)/φ(u) for u ≥ 0, of the standard normal distribution."""
    return normal.mills_ratio(np.asarray(u))[()]


# Cells of neighbouring windows in vectors, one window a lane.
#
# A tile holds one vector for a sum, two for a largest cell: its value and its number. Numbers are floats of the same
# size, so that one comparison chooses both; they are exact up to 2²⁴.


def no_cells(x: Array, number: int, first_offset: int, step: int) -> Array:
    """Return (−∞, number + max(0, −left − lane·step)) in the dtype of x: the first cells that are no padding."""
    width = WIDTH // x.itemsize
    first = number + np.maximum(0, -first_offset - step * np.arange(width))
    return np.stack([np.full((1, width), -np.inf, x.dtype), first.astype(x.dtype)[None]])


def add_cells(tile: Array, x: Array, offset: int, step: int, first: int, last: int) -> Array:
    """Compute tile[0, 0, lane] += x[place + lane·step] in lanes from first to last − 1; `step` is a constant."""
    total = tile.copy()
    total[0, 0, first:last] += x[offset + step * np.arange(first, last)]
    return total


def keep_larger(tile: Array, x: Array, offset: int, step: int, first: int, last: int, number: int) -> Array:
    """Replace (value, number) by (x[place + lane·step], number) where that is larger, or the first NaN.

    In lanes from first to last − 1 only; `step` is a constant.
    """
    kept = tile.copy()
    for lane in range(first, last):
        value, most = x[offset + lane * step], tile[0, 0, lane]
        if most == most and not value <= most:
            kept[:, 0, lane] = value, number
    return kept


def store_larger(tile: Array, y: Array, winner: Array, start: int, count: int, begin: int, step: int) -> None:
    """Compute y[found + lane] = value and winner[found + lane] = number + begin + lane·step in `count` lanes."""
    y[start : start + count] = tile[0, 0, :count]
    winner[start : start + count] = tile[1, 0, :count].astype(np.int32) + begin + step * np.arange(count)


# The transforms of Winograd's algorithms of six points, along one axis: fixed sums of a few vectors.
#
# A correlation of r weights g with six cells d has m = 7 − r results y. It takes six products instead of m r: a half
# of them for three weights, F(4, 3), six tenths for five, F(2, 5).
#
#       y = Aᵀ [(G g) ⊙ (Bᵀ d)]
#
# Polynomials are multiplied by their values at six points, here 0, ±3/4, ±3/2 and ∞ (Toom and Cook), and a
# correlation is the transpose of such a product. Of the values at two points ±p, one is the sum of the even and of
# the odd terms, the other their difference. So each of G, Bᵀ and A is a matrix that is half empty, and then sums and
# differences of its rows 1 and 2, 3 and 4. Bᵀ depends on the points alone; A has the powers of the points up to m −
# 1, and G those up to r − 1, each row divided by what Bᵀ leaves out.
#
# These points and the entries of Bᵀ are exact in binary, and their powers differ little: errors are twice those of
# the plain sums or less. With the points 0, ±1, ±2 and ∞, which most libraries take, they are four to seven times as
# large.
#
# Source   Lavin, Gray: Fast Algorithms for Convolutional Neural Networks, 2015; docs/algorithms.md

NEAR_POINT, FAR_POINT = 3 / 4, 3 / 2
POINTS = 6
WEIGHTS, CELLS, RESULTS = range(3)  # which matrix


@cache
def matrix_of(which: int, count: int) -> Array:
    """Return G of `count` weights, Bᵀ, or A of `count` results, before sums and differences of its rows."""
    p, q = NEAR_POINT, FAR_POINT
    both, squares = (p * q) ** 2, p**2 + q**2
    if which == CELLS:
        ends = [both, 0, -squares, 0, 1]  # coefficients of (t² − p²)(t² − q²)
        even, odd = [[0, 0, -(r**2), 0, 1, 0] for r in (q, p)], [[0, -p * q**2, 0, p, 0, 0], [0, -q * p**2, 0, q, 0, 0]]
        return np.array([[*ends, 0], even[0], odd[0], even[1], odd[1], [0, *ends]])
    powers = np.arange(count)
    parts = [np.where(powers % 2 == odd, float(r) ** powers, 0) for r in (p, q) for odd in (0, 1)]
    matrix = np.stack([powers == 0, *parts, powers == count - 1]).astype(float)
    if which == RESULTS:
        return matrix
    m, n = 1 / (2 * p**2 * (p**2 - q**2)), 1 / (2 * q**2 * (q**2 - p**2))
    return matrix * np.array([1 / both, m, m, n, n, 1])[:, np.newaxis]


def _with_sums_and_differences(values: Any) -> list[Any]:
    """Return six values with 1 and 2, and 3 and 4, replaced by their sum and their difference."""
    a, b, c, d, e, f = values
    return [a, b + c, b - c, d + e, d - e, f]


def to_points(tile: Array, which: int) -> Array:
    """Compute points[a, k, lane] = Σ_b M[k, b] · tile[a, b, lane] for M = G, Bᵀ or A; `which` is a constant."""
    sums = np.einsum("kb,abl->kal", matrix_of(which, tile.shape[1]).astype(tile.dtype), tile)
    return np.stack(_with_sums_and_differences(sums), axis=1)


def from_points(tile: Array, which: int, count: int) -> Array:
    """Compute found[a, b, lane] = Σ_k M[k, b] · tile[a, k, lane] for b < `count`, a constant as `which` is."""
    points = np.stack(_with_sums_and_differences(tile.transpose(1, 0, 2)))
    return np.einsum("kb,kal->abl", matrix_of(which, count).astype(tile.dtype), points)
