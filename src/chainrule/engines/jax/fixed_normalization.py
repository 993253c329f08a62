"""Normalization by running statistics, and local response normalization, in JAX.

Equations: `chainrule.operations.reference.normalization`.
"""

from chainrule.engines.jax.arrays import Array, jnp, lax, spread_bias


def batch_norm_inference(
    x: Array, gamma: Array, beta: Array, running_mean: Array, running_variance: Array, *, epsilon: float = 1e-5
) -> Array:
    """Compute `reference.batch_norm_inference` with one scale per channel."""
    scale = gamma / jnp.sqrt(running_variance + epsilon)
    return (x - spread_bias(running_mean, x.ndim)) * spread_bias(scale, x.ndim) + spread_bias(beta, x.ndim)


def batch_norm_inference_dx(dy: Array, gamma: Array, running_variance: Array, *, epsilon: float = 1e-5) -> Array:
    """Compute `reference.batch_norm_inference_dx` with one scale per channel."""
    return dy * spread_bias(gamma / jnp.sqrt(running_variance + epsilon), dy.ndim)


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
