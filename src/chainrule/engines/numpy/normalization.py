"""Batch normalization, in NumPy: every channel at once. Equations: `chainrule.operations.reference.normalization`."""

import numpy as np

from chainrule.engines.numpy.arrays import Array, spread_bias


def batch_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float = 1e-5) -> tuple[Array, Array, Array]:
    """Compute `reference.batch_norm` in two passes over x, which is stable: the mean, then the variance of x − mean."""
    mean = x.mean(axis=_axes(x))
    y = np.subtract(x, spread_bias(mean, x.ndim), order="C")
    variance = np.square(y).mean(axis=_axes(x))
    y *= spread_bias(gamma / np.sqrt(variance + epsilon), x.ndim)
    y += spread_bias(beta, x.ndim)
    return y, mean, variance


def batch_norm_dx(dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5) -> Array:
    """Compute `reference.batch_norm_dx` from dγ and dβ, the two sums over a channel, and one pass over x and dy."""
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
    """Compute `reference.batch_norm_inference` with one scale per channel: one pass over x for each of − · +."""
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
