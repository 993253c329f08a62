"""Batch, group and local response normalization in NumPy, for all channels or groups at once.

Equations: `chainrule.operations.reference.normalization`.
"""

import math

import numpy as np

from chainrule.engines.numpy.arrays import Array, spread_bias


def batch_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float = 1e-5) -> tuple[Array, Array, Array]:
    """Compute `reference.batch_norm` in two passes for numerical stability: the mean, then the variance of x − mean."""
    mean = x.mean(axis=_axes(x))
    y = np.subtract(x, spread_bias(mean, x.ndim), order="C")
    variance = np.square(y).mean(axis=_axes(x))
    y *= spread_bias(gamma / np.sqrt(variance + epsilon), x.ndim)
    y += spread_bias(beta, x.ndim)
    return y, mean, variance


def batch_norm_dx(dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5) -> Array:
    """Compute `reference.batch_norm_dx` from dγ and dβ, the two sums per channel."""
    dgamma, dbeta = batch_norm_dw(dy, x, mean, variance, epsilon=epsilon)
    count = x.size // x.shape[1]
    dx = _normalized(x, mean, variance, epsilon)
    dx *= spread_bias(-dgamma / count, x.ndim)
    dx += dy
    dx -= spread_bias(dbeta / count, x.ndim)
    dx *= spread_bias(gamma / np.sqrt(variance + epsilon), x.ndim)
    return dx


def batch_norm_dw(dy: Array, x: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5) -> tuple[Array, Array]:
    """Compute `reference.batch_norm_dw` as two reductions, for all channels at once."""
    return (dy * _normalized(x, mean, variance, epsilon)).sum(axis=_axes(x)), dy.sum(axis=_axes(x))


def batch_norm_inference(
    x: Array, gamma: Array, beta: Array, running_mean: Array, running_variance: Array, *, epsilon: float = 1e-5
) -> Array:
    """Compute `reference.batch_norm_inference` with one scale per channel."""
    y = np.subtract(x, spread_bias(running_mean, x.ndim), order="C")
    y *= spread_bias(gamma / np.sqrt(running_variance + epsilon), x.ndim)
    y += spread_bias(beta, x.ndim)
    return y


def batch_norm_inference_dx(dy: Array, gamma: Array, running_variance: Array, *, epsilon: float = 1e-5) -> Array:
    """Compute `reference.batch_norm_inference_dx` with one scale per channel."""
    return np.multiply(dy, spread_bias(gamma / np.sqrt(running_variance + epsilon), dy.ndim), order="C")


def running_statistics(
    mean: Array, variance: Array, running_mean: Array, running_variance: Array, *, count: int, momentum: float = 0.1
) -> tuple[Array, Array]:
    """Compute `reference.running_statistics` for all channels at once."""
    unbiased = variance * (count / max(count - 1, 1))
    return (
        (1 - momentum) * running_mean + momentum * mean,
        (1 - momentum) * running_variance + momentum * unbiased,
    )


def _axes(x: Array) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _normalized(x: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    centered = np.subtract(x, spread_bias(mean, x.ndim), order="C")
    centered /= spread_bias(np.sqrt(variance + epsilon), x.ndim)
    return centered


# ------------------------------------------------------------------------------------------------- group normalization


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
    normal = _normalized_groups(x, mean, variance, groups, epsilon)
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
    normal = _normalized_groups(x, mean, variance, groups, epsilon).reshape(shape)
    upstream = dy.reshape(shape)
    return (upstream * normal).sum(axis=(0, 1, 3)), upstream.sum(axis=(0, 1, 3))


def _rows(x: Array, groups: int) -> Array:
    """Reshape x to one row per sample and group, (N, groups, M)."""
    return np.ascontiguousarray(x).reshape(len(x), groups, math.prod(x.shape[1:]) // groups)


def _spread(values: Array, x: Array) -> Array:
    """Return per-channel values in a shape that broadcasts over x. Values shared by all groups are repeated first."""
    return spread_bias(np.tile(values, x.shape[1] // len(values)), x.ndim)


def _normalized_groups(x: Array, mean: Array, variance: Array, groups: int, epsilon: float) -> Array:
    centered = np.subtract(_rows(x, groups), mean[:, :, None], order="C")
    centered /= np.sqrt(variance + epsilon)[:, :, None]
    return centered


# ---------------------------------------------------------------------------------------- local response normalization


def local_response_norm(x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """Compute `reference.local_response_norm` from sums over shifted channels."""
    return np.multiply(x, _scales(x, size, alpha, k) ** -beta, order="C")


def local_response_norm_dx(
    dy: Array, x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """Compute `reference.local_response_norm_dx`, which sums over the same windows as the forward pass."""
    s = _scales(x, size, alpha, k)
    dx = np.multiply(dy, s**-beta, order="C")
    dx -= (2 * alpha * beta / size) * x * _window_sums(dx * x / s, size)
    return dx


def _scales(x: Array, size: int, alpha: float, k: float) -> Array:
    s = _window_sums(np.square(x), size)
    s *= alpha / size
    s += k
    return s


def _window_sums(values: Array, size: int) -> Array:
    """Return, for each channel, the sum over its window of channels."""
    total = np.zeros(values.shape, values.dtype)
    channels = values.shape[1]
    for shift in range(-(size // 2), size // 2 + 1):
        first, last = max(0, -shift), min(channels, channels - shift)
        if first < last:
            total[:, first:last] += values[:, first + shift : last + shift]
    return total
