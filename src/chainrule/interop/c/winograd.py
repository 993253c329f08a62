"""Convolutions by Winograd's algorithm F(2×2, 3×3): where it pays, and their kernels, transformed.

Y = Aᵀ · [ Σ_c (G w[o,c] Gᵀ) ⊙ (Bᵀ d[c] B) ] · A        d: 4×4 cells of the padded image, Y: 2×2 results

The kernels are transformed here, G w Gᵀ, and take 16/9 of the memory. Tiles are computed by 16, in rows filled up so
that vectors of four tiles lie in a row of the image. Errors are about those of the plain sums: all factors are 1, −1
and 1/2.

Source   S. Winograd, Arithmetic Complexity of Computations, 1980; Lavin, Gray: Fast Algorithms for Convolutional Neural
         Networks, 2015
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

GROUP, POINTS = 16, 16  # tiles computed together, and products of each
TRANSFORM = 170  # half cycles to transform the cells of a group in a channel, or its results of a filter
SLOWER = 1.1  # the products need as much more time than their number says
G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])


class Tiling(NamedTuple):
    """Tiles of 2×2 results in rows, both filled up to groups."""

    down: int
    across: int

    @staticmethod
    def of(rows: int, columns: int) -> "Tiling":
        """Return the tiles of an image of results."""
        across = _up(math.ceil(columns / 2), 4)
        return Tiling(_up(math.ceil(rows / 2), GROUP // math.gcd(GROUP, across)), across)

    @property
    def padded(self) -> tuple[int, int]:
        """Rows and columns of the padded image that all tiles read."""
        return 2 * self.down + 2, 2 * self.across + 2


def is_possible(kernel: tuple[int, ...], attributes: Mapping[str, Any]) -> bool:
    """Return whether a convolution is one of 3×3 at stride 1."""
    return kernel == (3, 3) and attributes["stride"] == (1, 1) == attributes["dilation"] and attributes["groups"] == 1


def cost(tiling: Tiling, channels: int, filters: int) -> float:
    """Estimate half cycles of a processor with vectors of 16 floats: one for each of its multiply-adds."""
    filters = _up(filters, GROUP)
    products = POINTS * channels * filters * SLOWER
    return tiling.down * tiling.across / GROUP * (products + TRANSFORM * (channels + filters))


def transformed(w: NDArray[Any]) -> NDArray[np.float64]:
    """Return G w Gᵀ of kernels (O, C, 3, 3), in blocks of 16 filters side by side: [block][point][c][o]."""
    filters, channels = w.shape[:2]
    whole = np.zeros((_up(filters, GROUP), channels, 3, 3))
    whole[:filters] = w
    points = np.einsum("ai,ocij,bj->aboc", G, whole, G).reshape(POINTS, -1, GROUP, channels)
    return points.transpose(1, 0, 3, 2)


def work_entries(channels: int) -> int:
    """Return the entries of the workspace: products of 16 tiles and filters, and cells of 16 tiles."""
    return POINTS * GROUP * GROUP + POINTS * GROUP * (channels + 1)


def _up(count: int, unit: int) -> int:
    return math.ceil(count / unit) * unit
