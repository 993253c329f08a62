"""Local response normalization in NumPy.

Equations: `chainrule.operations.reference.normalization`.
"""

import numpy as np

from chainrule.engines.numpy.arrays import Array


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
        first = max(0, -shift)
        last = min(channels, channels - shift)
        if first < last:
            total[:, first:last] += values[:, first + shift : last + shift]
    return total
