"""The transforms of Winograd's algorithm F(4×4, 3×3), along one axis: fixed sums of a few vectors.

A correlation of three weights g with six cells d has four results y. It takes six products instead of twelve:

    y = Aᵀ [(G g) ⊙ (Bᵀ d)]

Polynomials are multiplied by their values at six points, here 0, ±3/4, ±3/2 and ∞ (Toom and Cook), and a correlation
is the transpose of such a product. Of the values at two points ±p, one is the sum of the even and of the odd terms, the
other their difference. So each of G, Bᵀ and A is a matrix that is half empty, and then sums and differences of its rows
1 and 2, 3 and 4: `WEIGHTS`, `CELLS` and `RESULTS`.

These points and the entries of Bᵀ are exact in binary, and their powers differ little: errors are twice those of the
plain sums. With the points 0, ±1, ±2 and ∞, which most libraries take, they are four to seven times as large.

Source   Lavin, Gray: Fast Algorithms for Convolutional Neural Networks, 2015; docs/algorithms.md
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NEAR, FAR = 3 / 4, 3 / 2
WEIGHTS, CELLS, RESULTS = range(3)  # which matrix


def _matrices() -> list[Array]:
    p, q = NEAR, FAR
    both, squares = (p * q) ** 2, p**2 + q**2
    m, n = 1 / (2 * p**2 * (p**2 - q**2)), 1 / (2 * q**2 * (q**2 - p**2))
    kernels = [[1 / both, 0, 0], [m, 0, m * p**2], [0, m * p, 0], [n, 0, n * q**2], [0, n * q, 0], [0, 0, 1]]
    ends = [both, 0, -squares, 0, 1]  # coefficients of (t² − p²)(t² − q²)
    even, odd = [[0, 0, -(r**2), 0, 1, 0] for r in (q, p)], [[0, -p * q**2, 0, p, 0, 0], [0, -q * p**2, 0, q, 0, 0]]
    cells = [[*ends, 0], even[0], odd[0], even[1], odd[1], [0, *ends]]
    results = [[1, 0, 0, 0], [1, 0, p**2, 0], [0, p, 0, p**3], [1, 0, q**2, 0], [0, q, 0, q**3], [0, 0, 0, 1]]
    return [np.array(matrix) for matrix in (kernels, cells, results)]


MATRICES = _matrices()


def _with_pairs(values: Any) -> list[Any]:
    """Return six values, of which 1 and 2, and 3 and 4, become their sum and their difference."""
    a, b, c, d, e, f = values
    return [a, b + c, b - c, d + e, d - e, f]


def to_points(tile: Array, matrix: int) -> Array:
    """Compute points[a, k, lane] = Σ_b M[k, b] · tile[a, b, lane] for M = G, Bᵀ or A; `matrix` is a constant."""
    sums = np.einsum("kb,abl->kal", MATRICES[matrix].astype(tile.dtype), tile)
    return np.stack(_with_pairs(sums), axis=1)


def from_points(tile: Array, matrix: int) -> Array:
    """Compute found[a, b, lane] = Σ_k M[k, b] · tile[a, k, lane] for M = G, Bᵀ or A; `matrix` is a constant."""
    points = np.stack(_with_pairs(tile.transpose(1, 0, 2)))
    return np.einsum("kb,kal->abl", MATRICES[matrix].astype(tile.dtype), points)
