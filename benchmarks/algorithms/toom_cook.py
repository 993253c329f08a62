"""The matrices of Winograd's short correlations, derived from the evaluation points.

A correlation with r taps and m outputs is y[i] = Σ_j d[i + j]·g[j], from T = m + r − 1 inputs d.

1. The product of two polynomials g (r coefficients) and h (m coefficients) has T coefficients. It is determined by its
   values g(a_k)·h(a_k) at T − 1 points a_k, and by its highest coefficient, its "value at infinity" (Toom, Cook):
   s(x) = Σ_k s(a_k)·Π_{l≠k} (x − a_l)/(a_k − a_l) + s_{T−1}·Π_l (x − a_l). This needs one multiplication per point, T
   in total.
2. In matrix form, s = C·[(G g) ⊙ (A h)]: G and A evaluate the polynomials, and the columns of C contain the polynomials
   of the sum.
3. For fixed g, this is linear in h; its transpose is the correlation with g: y = Aᵀ·[(G g) ⊙ (Cᵀ d)]. Bᵀ = Cᵀ.

The divisors (a_k − a_l) are part of G, which is applied only to kernels.

Source   S. Winograd, Arithmetic Complexity of Computations, 1980; Lavin, Gray: Fast Algorithms for Convolutional Neural
         Networks, 2015, where some rows of both G and Bᵀ have the opposite sign
"""

from fractions import Fraction
from functools import cache
from math import prod
from typing import NamedTuple

import numpy as np

from benchmarks.algorithms.layer import Array
from chainrule.errors import OptionError

POINTS = (0, 1, -1, 2, -2)  # small, with both signs, since large powers of points reduce precision


class Matrices(NamedTuple):
    """Aᵀ (m, T), G (T, r), Bᵀ (T, T) of F(m, r), in float64."""

    At: Array
    G: Array
    Bt: Array

    @property
    def outputs(self) -> int:
        """Number of outputs, m."""
        return self.At.shape[0]

    @property
    def size(self) -> int:
        """Number of inputs per tile, equal to the number of products, T."""
        return self.At.shape[1]


@cache
def matrices(m: int, r: int) -> Matrices:
    """Return the matrices of F(m, r): m outputs of a correlation with r taps from m + r − 1 products."""
    size = m + r - 1
    if size - 1 > len(POINTS):
        raise OptionError(f"F({m}, {r}) needs {size - 1} points; known: {', '.join(map(str, POINTS))}")
    points = POINTS[: size - 1]
    evaluate_h = [[Fraction(a) ** i for a in points] + [Fraction(i == m - 1)] for i in range(m)]
    evaluate_g = [[Fraction(a) ** j / _divisor(a, points) for j in range(r)] for a in points]
    evaluate_g.append([Fraction(j == r - 1) for j in range(r)])
    interpolate = [[*_from_roots([b for b in points if b != a]), 0] for a in points]
    interpolate.append(_from_roots(list(points)))
    return Matrices(*(np.array(rows, np.float64) for rows in (evaluate_h, evaluate_g, interpolate)))


def _divisor(a: int, points: tuple[int, ...]) -> int:
    """Return Π_{l≠k} (a_k − a_l)."""
    return prod(a - b for b in points if b != a)


def _from_roots(roots: list[int]) -> list[int]:
    """Return the coefficients of Π (x − root), lowest first."""
    coefficients = [1]
    for root in roots:
        shifted, scaled = [0, *coefficients], [*(-root * c for c in coefficients), 0]
        coefficients = [a + b for a, b in zip(shifted, scaled, strict=True)]
    return coefficients
