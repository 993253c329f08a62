"""Functions for use in kernels: inlined functions, elementary functions, pooling windows and Winograd transforms.

The NumPy definitions in this file run only if compilation is disabled (CHAINRULE_UNCOMPILED=1). In compiled kernels,
`elementary_code` emits LLVM code for elementary functions, and `intrinsic_code` for windows and transforms.
"""

import os
import time
from collections.abc import Callable
from functools import cache, update_wrapper
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.compiled.compiler.processor import WIDTH
from chainrule.operations import normal

Array = NDArray[Any]

DISABLED = os.environ.get("CHAINRULE_UNCOMPILED", "0") not in ("", "0")  # whether kernels run as plain Python

tile_functions: list[Any] = []  # functions of `tiles` with hand-written LLVM code


class Inlined:
    """A function that is inlined into kernels. A real call would cost 50 ns, as much as a short row."""

    def __init__(self, function: Callable[..., Any]) -> None:
        update_wrapper(self, function)
        self.py_func = function

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.py_func(*arguments, **named)


def inlined(function: Callable[..., Any]) -> Any:
    """Decorate a function to be inlined into kernels that call it."""
    if DISABLED:
        return function
    return Inlined(function)


def literally(value: Any) -> Any:
    """Return the value. In a kernel, it must be a compile-time constant."""
    return value


def compile_by_hand(function: Any) -> None:
    """Register a function of `tiles` whose LLVM code is hand-written. It is in `tile_code.CODE` under the same name."""
    tile_functions.append(function)


# Elementary functions. The compiled code of some is valid only on part of the real line.


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
    """Return Mills' ratio Φ(−u)/φ(u) of the standard normal distribution for u ≥ 0."""
    return normal.mills_ratio(np.asarray(u))[()]


def ticks(times: Any) -> float:
    """Return the processor's time-stamp counter. The array is not read; a call in a kernel needs an argument."""
    return float(time.perf_counter_ns())


# Adjacent pooling windows, one window per lane.
#
# A tile consists of one vector of sums or, for maxima, of two vectors: the maximum and its number, an index relative to
# the lane's window (see `store_larger`). Numbers are floats of the same size as the values, so that one comparison
# selects both. They are exact up to 2²⁴.


def no_cells(x: Array, number: int, first_offset: int, step: int) -> Array:
    """Return the initial tile of maxima: (−∞, number + max(0, −first_offset − lane·step)) in the dtype of x.

    The number in each lane is that of the first element of the lane's window that is not padding.

    number        number of the leftmost element in the first row of a window that is inside the image
    first_offset  column of the first lane's window in the image; negative if the window starts in the padding
    step          distance between the windows of neighboring lanes, in columns
    """
    width = WIDTH // x.itemsize
    first = number + np.maximum(0, -first_offset - step * np.arange(width))
    return np.stack([np.full((1, width), -np.inf, x.dtype), first.astype(x.dtype)[None]])


def add_cells(tile: Array, x: Array, offset: int, step: int, first: int, last: int) -> Array:
    """Return the tile after tile[0, 0, lane] += x[offset + lane·step] in lanes first to last − 1.

    `step` must be a constant.
    """
    total = tile.copy()
    total[0, 0, first:last] += x[offset + step * np.arange(first, last)]
    return total


def keep_larger(tile: Array, x: Array, offset: int, step: int, first: int, last: int, number: int) -> Array:
    """Return the tile with (x[offset + lane·step], number) in lanes where this value is larger or the first NaN.

    Only lanes first to last − 1 can change. `step` must be a constant.
    """
    kept = tile.copy()
    for lane in range(first, last):
        value = x[offset + lane * step]
        largest = tile[0, 0, lane]
        if largest == largest and not value <= largest:
            kept[:, 0, lane] = value, number
    return kept


def store_larger(tile: Array, y: Array, winner: Array, start: int, count: int, begin: int, step: int) -> None:
    """Store y[start + lane] = value and winner[start + lane] = number + begin + lane·step in the first `count` lanes.

    The tile contains (value, number) of each lane. `begin` is the index in the image of the first lane's window.
    """
    y[start : start + count] = tile[0, 0, :count]
    winner[start : start + count] = tile[1, 0, :count].astype(np.int32) + begin + step * np.arange(count)


# The one-dimensional transforms of Winograd's algorithms with six points: fixed sums of a few vectors.
#
# The correlation of r weights g with six elements d has m = 7 − r results y. Winograd's algorithm needs six products
# instead of m r: half as many for three weights, F(4, 3), and 60 % as many for five weights, F(2, 5).
#
#       y = Aᵀ [(G g) ⊙ (Bᵀ d)]
#
# The algorithm multiplies polynomials through their values at six points, here 0, ±3/4, ±3/2 and ∞ (Toom and Cook). A
# correlation is the transpose of such a product. The values at ±p are the sum and the difference of the even and the
# odd terms. Therefore each of G, Bᵀ and A is applied in two steps: a matrix in which half of the entries are 0, then
# sums and differences of rows 1 and 2, and of rows 3 and 4. Bᵀ depends only on the points. A contains the powers of the
# points up to m − 1. G contains the powers up to r − 1, with each row divided by the normalization that Bᵀ omits.
#
# The points and the entries of Bᵀ are exact in binary, and the powers of the points are of similar size, so rounding
# errors are at most twice those of plain sums. With the usual points 0, ±1, ±2 and ∞, they are 4 to 7 times as large.
#
# Source   Lavin, Gray: Fast Algorithms for Convolutional Neural Networks, 2015; docs/algorithms.md

NEAR_POINT, FAR_POINT = 3 / 4, 3 / 2
POINTS = 6
WEIGHTS, CELLS, RESULTS = range(3)  # select the matrix G, Bᵀ or A


@cache
def matrix_of(which: int, count: int) -> Array:
    """Return G, Bᵀ or A, before the sums and differences of the matrix's rows are taken.

    which  WEIGHTS for G, CELLS for Bᵀ, RESULTS for A
    count  number of weights (G) or of results (A); not used for Bᵀ
    """
    p = NEAR_POINT
    q = FAR_POINT
    product = (p * q) ** 2
    squares = p**2 + q**2
    if which == CELLS:
        ends = [product, 0, -squares, 0, 1]  # coefficients of (t² − p²)(t² − q²)
        even = [[0, 0, -(r**2), 0, 1, 0] for r in (q, p)]
        odd = [[0, -p * q**2, 0, p, 0, 0], [0, -q * p**2, 0, q, 0, 0]]
        return np.array([[*ends, 0], even[0], odd[0], even[1], odd[1], [0, *ends]])
    powers = np.arange(count)
    polynomial_rows = list[Any]()
    for r in (p, q):
        for odd in (0, 1):
            polynomial_rows.append(np.where(powers % 2 == odd, float(r) ** powers, 0))
    matrix = np.stack([powers == 0, *polynomial_rows, powers == count - 1]).astype(float)
    if which == RESULTS:
        return matrix
    m = 1 / (2 * p**2 * (p**2 - q**2))
    n = 1 / (2 * q**2 * (q**2 - p**2))
    return matrix * np.array([1 / product, m, m, n, n, 1])[:, np.newaxis]


def _with_sums_and_differences(values: Any) -> list[Any]:
    """Return six values, with values 1 and 2 replaced by their sum and difference, and values 3 and 4 as well."""
    a, b, c, d, e, f = values
    return [a, b + c, b - c, d + e, d - e, f]


def to_points(tile: Array, which: int) -> Array:
    """Compute points[a, k, lane] = Σ_b M[k, b] · tile[a, b, lane] for M = G, Bᵀ or A.

    which  WEIGHTS, CELLS or RESULTS, which select M; a constant
    """
    sums = np.einsum("kb,abl->kal", matrix_of(which, tile.shape[1]).astype(tile.dtype), tile)
    return np.stack(_with_sums_and_differences(sums), axis=1)


def from_points(tile: Array, which: int, count: int) -> Array:
    """Compute result[a, b, lane] = Σ_k M[k, b] · tile[a, k, lane] for b < `count` and M = G, Bᵀ or A.

    which  WEIGHTS, CELLS or RESULTS, which select M; a constant
    count  number of weights or results; a constant
    """
    points = np.stack(_with_sums_and_differences(tile.transpose(1, 0, 2)))
    return np.einsum("kb,kal->abl", matrix_of(which, count).astype(tile.dtype), points)
