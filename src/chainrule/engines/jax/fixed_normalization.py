"""Local response normalization in JAX.

Equations: `chainrule.operations.reference.normalization`.
"""

from chainrule.engines.jax.arrays import Array, jnp, lax


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
    reach = size // 2
    others = values.ndim - 2
    window = (1, 2 * reach + 1, *[1] * others)
    around = [(0, 0), (reach, reach), *[(0, 0)] * others]
    return lax.reduce_window(values, jnp.zeros((), values.dtype), lax.add, window, (1,) * values.ndim, around)
