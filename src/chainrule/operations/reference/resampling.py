"""Resampling of images to another size: means of windows, nearest neighbours, bilinear interpolation; and the gradient.

Derived step by step in docs/derivations/resampling.md.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import Pair, resampling_weights
from chainrule.operations.reference.checks import check_axes


def resample(x: NDArray[Any], *, outputs: Pair, mode: str) -> NDArray[Any]:
    """Compute every output as a weighted sum of neighbouring cells: rows are weighted by a, columns by b.

    y[n,c,i,j] = Σ_{h,k} a[i,h] · b[j,k] · x[n,c,h,k]

    mode  "average": a[i,h] = 1/D for the D rows with ⌊i·H/H'⌋ ≤ h < ⌈(i+1)·H/H'⌉
          "nearest": a[i,h] = 1 for h = ⌊i·H/H'⌋
          "bilinear": with t = max((i + ½)·H/H' − ½, 0), a[i,h] = 1 − (t − h) for h = ⌊t⌋ and t − ⌊t⌋ for the row below;
          1 for ⌊t⌋ where there is no row below
          a is 0 elsewhere, and b likewise; ``outputs`` is (H', W')

    Shapes   x (N, C, H, W)  →  y (N, C, H', W')
    Kept     nothing
    Errors   ShapeError when x has other axes; OptionError for another mode
    Source   PyTorch AdaptiveAvgPool2d, and Upsample with align_corners=False
    """
    check_axes("resample", "x", x, "N, C, H, W")
    rows, columns = _weights(mode, x.shape[2:], outputs)
    y = np.zeros((*x.shape[:2], *outputs), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        for h, a in rows[int(i)]:
            for k, b in columns[int(j)]:
                y[n, c, i, j] += a * b * x[n, c, h, k]
    return y


def resample_dx(dy: NDArray[Any], *, size: Pair, mode: str) -> NDArray[Any]:
    """dx[n,c,h,k] = Σ_{i,j} a[i,h] · b[j,k] · dy[n,c,i,j]

    ``size`` is (H, W) of x.

    Source   the transpose of `resample`
    """
    check_axes("resample_dx", "dy", dy, "N, C, H', W'")
    rows, columns = _weights(mode, size, dy.shape[2:])
    dx = np.zeros((*dy.shape[:2], *size), dy.dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        for h, a in rows[int(i)]:
            for k, b in columns[int(j)]:
                dx[n, c, h, k] += a * b * dy[n, c, i, j]
    return dx


Weights = list[list[tuple[int, float]]]


def _weights(mode: str, size: tuple[int, ...], outputs: tuple[int, ...]) -> tuple[Weights, Weights]:
    """Return for rows and for columns the cells that each output reads, with their weights."""
    rows, columns = (
        [resampling_weights(mode, cells, many, i) for i in range(many)]
        for cells, many in zip(size, outputs, strict=True)
    )
    return rows, columns
