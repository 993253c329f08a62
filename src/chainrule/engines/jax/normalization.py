"""Batch, group and local response normalization in JAX, for all channels or groups at once.

Equations: `chainrule.operations.reference.normalization`.
"""

import math

from chainrule.engines.jax.arrays import Array, channel_axes, jnp, lax
from chainrule.engines.numpy.arrays import spread_bias


def batch_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float = 1e-5) -> tuple[Array, Array, Array]:
    """Compute `reference.batch_norm` in two passes for numerical stability: the mean, then the variance of x − mean."""
    mean = x.mean(axis=channel_axes(x))
    variance = jnp.square(x - spread_bias(mean, x.ndim)).mean(axis=channel_axes(x))
    return batch_norm_inference(x, gamma, beta, mean, variance, epsilon=epsilon), mean, variance


def batch_norm_dx(dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5) -> Array:
    """Compute `reference.batch_norm_dx` from dγ and dβ, the two sums per channel."""
    dgamma, dbeta = batch_norm_dw(dy, x, mean, variance, epsilon=epsilon)
    count = x.size // x.shape[1]
    tilt = _normalized(x, mean, variance, epsilon) * spread_bias(dgamma / count, x.ndim)
    return batch_norm_inference_dx(dy - tilt - spread_bias(dbeta / count, x.ndim), gamma, variance, epsilon=epsilon)


def batch_norm_dw(dy: Array, x: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5) -> tuple[Array, Array]:
    """Compute `reference.batch_norm_dw` as two reductions, for all channels at once."""
    normal = _normalized(x, mean, variance, epsilon)
    return (dy * normal).sum(axis=channel_axes(x)), dy.sum(axis=channel_axes(x))


def batch_norm_inference(
    x: Array, gamma: Array, beta: Array, running_mean: Array, running_variance: Array, *, epsilon: float = 1e-5
) -> Array:
    """Compute `reference.batch_norm_inference` with one scale per channel."""
    scale = gamma / jnp.sqrt(running_variance + epsilon)
    return (x - spread_bias(running_mean, x.ndim)) * spread_bias(scale, x.ndim) + spread_bias(beta, x.ndim)


def batch_norm_inference_dx(dy: Array, gamma: Array, running_variance: Array, *, epsilon: float = 1e-5) -> Array:
    """Compute `reference.batch_norm_inference_dx` with one scale per channel."""
    return dy * spread_bias(gamma / jnp.sqrt(running_variance + epsilon), dy.ndim)


def _normalized(x: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    return (x - spread_bias(mean, x.ndim)) / spread_bias(jnp.sqrt(variance + epsilon), x.ndim)


# ------------------------------------------------------------------------------------------------- group normalization


def group_norm(
    x: Array, gamma: Array, beta: Array, *, groups: int, shared: bool = False, epsilon: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Compute `reference.group_norm` in two passes over x: the mean, then the variance of x − mean."""
    rows = _rows(x, groups)
    mean = rows.mean(axis=2)
    variance = jnp.square(rows - mean[:, :, None]).mean(axis=2)
    y = _normalized_groups(x, mean, variance, groups, epsilon).reshape(x.shape)
    return y * _spread(gamma, x) + _spread(beta, x), mean, variance


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
    normal, scaled = _normalized_groups(x, mean, variance, groups, epsilon), _rows(dy * _spread(gamma, x), groups)
    tilt, shift = (scaled * normal).mean(axis=2, keepdims=True), scaled.mean(axis=2, keepdims=True)
    return ((scaled - shift - normal * tilt) / jnp.sqrt(variance + epsilon)[:, :, None]).reshape(x.shape)


def group_norm_dw(
    dy: Array, x: Array, mean: Array, variance: Array, *, groups: int, shared: bool = False, epsilon: float = 1e-5
) -> tuple[Array, Array]:
    """Compute `reference.group_norm_dw` as two reductions."""
    count, channels = x.shape[:2]
    cells = math.prod(x.shape[2:])
    shape = (count, groups, channels // groups, cells) if shared else (count, 1, channels, cells)
    normal, upstream = _normalized_groups(x, mean, variance, groups, epsilon).reshape(shape), dy.reshape(shape)
    return (upstream * normal).sum(axis=(0, 1, 3)), upstream.sum(axis=(0, 1, 3))


def _rows(x: Array, groups: int) -> Array:
    """Reshape x to one row per sample and group, (N, groups, M)."""
    return x.reshape(len(x), groups, math.prod(x.shape[1:]) // groups)


def _spread(values: Array, x: Array) -> Array:
    """Return per-channel values in a shape that broadcasts over x. Values shared by all groups are repeated first."""
    return spread_bias(jnp.tile(values, x.shape[1] // len(values)), x.ndim)


def _normalized_groups(x: Array, mean: Array, variance: Array, groups: int, epsilon: float) -> Array:
    return (_rows(x, groups) - mean[:, :, None]) / jnp.sqrt(variance + epsilon)[:, :, None]


# ---------------------------------------------------------------------------------------- local response normalization


def local_response_norm(x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Array:
    """Compute `reference.local_response_norm` from sums over windows of channels."""
    return x * _scales(x, size, alpha, k) ** -beta


def local_response_norm_dx(
    dy: Array, x: Array, *, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Array:
    """Compute `reference.local_response_norm_dx`, which sums over the same windows as the forward pass."""
    s = _scales(x, size, alpha, k)
    scaled = dy * s**-beta
    return scaled - (2 * alpha * beta / size) * x * _window_sums(scaled * x / s, size)


def _scales(x: Array, size: int, alpha: float, k: float) -> Array:
    return k + alpha / size * _window_sums(jnp.square(x), size)


def _window_sums(values: Array, size: int) -> Array:
    """Return, for each channel, the sum over its window of channels."""
    reach, others = size // 2, values.ndim - 2
    window, around = (1, 2 * reach + 1, *[1] * others), [(0, 0), (reach, reach), *[(0, 0)] * others]
    return lax.reduce_window(values, jnp.zeros((), values.dtype), lax.add, window, (1,) * values.ndim, around)
