"""Batch normalization, in JAX: every channel at once. Equations: `chainrule.operations.reference.normalization`."""

from chainrule.engines.jax.arrays import Array, channel_axes, jnp, spread_bias


def batch_norm(x: Array, gamma: Array, beta: Array, *, epsilon: float = 1e-5) -> tuple[Array, Array, Array]:
    """Compute `reference.batch_norm` in two passes over x, which is stable: the mean, then the variance of x − mean."""
    mean = x.mean(axis=channel_axes(x))
    variance = jnp.square(x - spread_bias(mean, x.ndim)).mean(axis=channel_axes(x))
    return batch_norm_inference(x, gamma, beta, mean, variance, epsilon=epsilon), mean, variance


def batch_norm_dx(dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, *, epsilon: float = 1e-5) -> Array:
    """Compute `reference.batch_norm_dx` from dγ and dβ, the two sums over a channel, and one pass over x and dy."""
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


def running_statistics(
    mean: Array, variance: Array, running_mean: Array, running_variance: Array, *, count: int, momentum: float = 0.1
) -> tuple[Array, Array]:
    """Compute `reference.running_statistics` for all channels at once."""
    unbiased = variance * (count / max(count - 1, 1))
    return (
        (1 - momentum) * running_mean + momentum * mean,
        (1 - momentum) * running_variance + momentum * unbiased,
    )


def _normalized(x: Array, mean: Array, variance: Array, epsilon: float) -> Array:
    return (x - spread_bias(mean, x.ndim)) / spread_bias(jnp.sqrt(variance + epsilon), x.ndim)
