"""Resampling, in NumPy: first by rows, then by columns. Equations: `reference.resampling`."""

import numpy as np

from chainrule.engines.numpy.arrays import Array
from chainrule.shapes import Pair, resampling_weights


def resample(x: Array, *, outputs: Pair, mode: str) -> Array:
    """Compute `reference.resample` by rows, then by columns."""
    high = np.zeros((*x.shape[:2], outputs[0], x.shape[3]), x.dtype)
    for i in range(outputs[0]):
        for h, weight in resampling_weights(mode, x.shape[2], outputs[0], i):
            high[..., i, :] += weight * x[..., h, :]
    y = np.zeros((*x.shape[:2], *outputs), x.dtype)
    for j in range(outputs[1]):
        for k, weight in resampling_weights(mode, x.shape[3], outputs[1], j):
            y[..., j] += weight * high[..., k]
    return y


def resample_dx(dy: Array, *, size: Pair, mode: str) -> Array:
    """Compute `reference.resample_dx` by columns, then by rows: the reverse of forward."""
    outputs = dy.shape[2:]
    wide = np.zeros((*dy.shape[:3], size[1]), dy.dtype)
    for j in range(outputs[1]):
        for k, weight in resampling_weights(mode, size[1], outputs[1], j):
            wide[..., k] += weight * dy[..., j]
    dx = np.zeros((*dy.shape[:2], *size), dy.dtype)
    for i in range(outputs[0]):
        for h, weight in resampling_weights(mode, size[0], outputs[0], i):
            dx[..., h, :] += weight * wide[..., i, :]
    return dx
