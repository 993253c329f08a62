"""Group normalization, in NumPy: every group at once. Equations: `operations.reference.group_normalization`."""

import math

import numpy as np

from chainrule.engines.numpy.arrays import Array, spread_bias


def group_norm(
    x: Array, gamma: Array, beta: Array, *, groups: int, shared: bool = False, epsilon: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Compute `reference.group_norm` in two passes over x: the mean, then the variance of x − mean."""
    rows = _rows(x, groups)
    mean = rows.mean(axis=2)
    y = np.subtract(rows, mean[:, :, None], order="C")
    variance = np.square(y).mean(axis=2)
    y /= np.sqrt(variance + epsilon)[:, :, None]
    y = y.reshape(x.shape)
    y *= _spread(gamma, x)
    y += _spread(beta, x)
    return y, mean, variance


def group_norm_dx(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    *,
    groups: int,
    shared: bool = False,
    epsilon: float = 1e-5,
) -> Array:
    """Compute `reference.group_norm_dx` from the means of γ dy and γ dy x̂ over each group."""
    normal = _normalized(x, mean, variance, groups, epsilon)
    dx = _rows(np.multiply(dy, _spread(gamma, x), order="C"), groups)
    tilt = (dx * normal).mean(axis=2, keepdims=True)
    dx -= dx.mean(axis=2, keepdims=True)
    normal *= tilt
    dx -= normal
    dx /= np.sqrt(variance + epsilon)[:, :, None]
    return dx.reshape(x.shape)


def group_norm_dw(
    dy: Array, x: Array, mean: Array, variance: Array, *, groups: int, shared: bool = False, epsilon: float = 1e-5
) -> tuple[Array, Array]:
    """Compute `reference.group_norm_dw` as two reductions."""
    count, channels = x.shape[:2]
    cells = math.prod(x.shape[2:])
    shape = (count, groups, channels // groups, cells) if shared else (count, 1, channels, cells)
    normal = _normalized(x, mean, variance, groups, epsilon).reshape(shape)
    upstream = dy.reshape(shape)
    return (upstream * normal).sum(axis=(0, 1, 3)), upstream.sum(axis=(0, 1, 3))


def _rows(x: Array, groups: int) -> Array:
    """Return x with the values of each group of a sample in a row, (N, groups, M)."""
    return np.ascontiguousarray(x).reshape(len(x), groups, math.prod(x.shape[1:]) // groups)


def _spread(values: Array, x: Array) -> Array:
    """Return the value of each channel, repeated where groups share them, to broadcast over x."""
    return spread_bias(np.tile(values, x.shape[1] // len(values)), x.ndim)


def _normalized(x: Array, mean: Array, variance: Array, groups: int, epsilon: float) -> Array:
    centered = np.subtract(_rows(x, groups), mean[:, :, None], order="C")
    centered /= np.sqrt(variance + epsilon)[:, :, None]
    return centered
