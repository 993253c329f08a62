"""Resampling and its gradient, compiled. The equations are in reference/geometry.py."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.shapes import RESAMPLINGS
from chainrule.engines.compiled.compiler import kernel
from chainrule.engines.compiled.kernels.pooling import spread
from chainrule.engines.compiled.kernels.registry import COSTLY_FROM, Attributes, Shapes, operation


def resampled(arrays: Sequence[Any], given: Attributes) -> Shapes:
    """Return (N, C, H', W')."""
    return [(*arrays[0].shape[:2], *given["outputs"])]


@operation(resampled, names={"mode": RESAMPLINGS}, piece=2, shared_from=COSTLY_FROM)
@kernel
def resample(x, y, mode=0):
    """Weight the rows of x for a row of outputs, then the columns of their sum."""
    height, width, high, wide = x.shape[2], x.shape[3], y.shape[2], y.shape[3]
    planes = x.shape[0] * x.shape[1]
    images, results = x.reshape(planes, height, width), y.reshape(planes, high, wide)
    rows, down = _weights(mode, height, high, x)
    columns, across = _weights(mode, width, wide, x)
    total = np.empty(width, x.dtype)
    for c in range(planes):
        for i in range(high):
            total[:] = 0
            for u in range(rows[i], rows[i + high]):
                weight, row = down[i, u - rows[i]], images[c, u]
                for k in range(width):
                    total[k] += weight * row[k]
            for j in range(wide):
                value = x.dtype.type(0)
                for k in range(columns[j], columns[j + wide]):
                    value += across[j, k - columns[j]] * total[k]
                results[c, i, j] = value


@operation(spread, names={"mode": RESAMPLINGS})
@kernel
def resample_dx(dy, dx, mode=0):
    """Give each row of outputs back to the columns that it read, and their sums to the rows."""
    height, width, high, wide = dx.shape[2], dx.shape[3], dy.shape[2], dy.shape[3]
    planes = dx.shape[0] * dx.shape[1]
    images, upstream = dx.reshape(planes, height, width), dy.reshape(planes, high, wide)
    rows, down = _weights(mode, height, high, dx)
    columns, across = _weights(mode, width, wide, dx)
    total = np.empty(width, dx.dtype)
    images[:] = 0
    for c in range(planes):
        for i in range(high):
            total[:] = 0
            for j in range(wide):
                for k in range(columns[j], columns[j + wide]):
                    total[k] += across[j, k - columns[j]] * upstream[c, i, j]
            for u in range(rows[i], rows[i + high]):
                weight, row = down[i, u - rows[i]], images[c, u]
                for k in range(width):
                    row[k] += weight * total[k]


@kernel
def _weights(mode, size, outputs, like):
    """Return each output's first cell, then the one after its last, and the weights: `resampling_weights`, compiled."""
    cells = np.empty(2 * outputs, np.int64)
    weights = np.zeros((outputs, size // outputs + 2), like.dtype)
    for i in range(outputs):
        first, count = i * size // outputs, 1
        if mode == 0:
            count = ((i + 1) * size + outputs - 1) // outputs - first
            weights[i, :count] = like.dtype.type(1) / like.dtype.type(count)
        elif mode == 1:
            weights[i, 0] = 1
        else:
            place = max((2 * i + 1) * size - outputs, 0)
            first, share = place // (2 * outputs), place % (2 * outputs) / (2 * outputs)
            weights[i, 0] = 1
            if first + 1 < size:
                count, weights[i, 0], weights[i, 1] = 2, 1 - share, share
        cells[i], cells[i + outputs] = first, first + count
    return cells, weights
