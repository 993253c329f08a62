"""The transforms of Winograd's algorithms of six points, along one axis: fixed sums of a few vectors.

A correlation of r weights g with six cells d has m = 7 − r results y. It takes six products instead of m r: a half of
them for three weights, F(4, 3), six tenths for five, F(2, 5).

    y = Aᵀ [(G g) ⊙ (Bᵀ d)]

Polynomials are multiplied by their values at six points, here 0, ±3/4, ±3/2 and ∞ (Toom and Cook), and a correlation
is the transpose of such a product. Of the values at two points ±p, one is the sum of the even and of the odd terms, the
other their difference. So each of G, Bᵀ and A is a matrix that is half empty, and then sums and differences of its rows
1 and 2, 3 and 4. Bᵀ depends on the points alone; A has the powers of the points up to m − 1, and G those up to r − 1,
each row divided by what Bᵀ leaves out.

These points and the entries of Bᵀ are exact in binary, and their powers differ little: errors are twice those of the
plain sums or less. With the points 0, ±1, ±2 and ∞, which most libraries take, they are four to seven times as large.

Source   Lavin, Gray: Fast Algorithms for Convolutional Neural Networks, 2015; docs/algorithms.md
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NEAR, FAR = 3 / 4, 3 / 2
POINTS_OF_A_ROW = 6
WEIGHTS, CELLS, RESULTS = range(3)  # which matrix


@cache
def matrix_of(which: int, count: int) -> Array:
    """Return G of so many weights, Bᵀ, or A of so many results, before sums and differences of its rows."""
    p, q = NEAR, FAR
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


def _with_pairs(values: Any) -> list[Any]:
    """Return six values, of which 1 and 2, and 3 and 4, become their sum and their difference."""
    a, b, c, d, e, f = values
    return [a, b + c, b - c, d + e, d - e, f]


def to_points(tile: Array, which: int) -> Array:
    """Compute points[a, k, lane] = Σ_b M[k, b] · tile[a, b, lane] for M = G, Bᵀ or A; `which` is a constant."""
    sums = np.einsum("kb,abl->kal", matrix_of(which, tile.shape[1]).astype(tile.dtype), tile)
    return np.stack(_with_pairs(sums), axis=1)


def from_points(tile: Array, which: int, count: int) -> Array:
    """Compute found[a, b, lane] = Σ_k M[k, b] · tile[a, k, lane] for b < `count`, a constant as `which` is."""
    points = np.stack(_with_pairs(tile.transpose(1, 0, 2)))
    return np.einsum("kb,kal->abl", matrix_of(which, count).astype(tile.dtype), points)
