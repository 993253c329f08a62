"""Parametric ReLU, in JAX. Equations: `chainrule.operations.reference.prelu`."""

from chainrule.engines.jax.arrays import Array, channel_axes, jnp, spread_bias


def prelu(x: Array, slope: Array) -> Array:
    """Compute `reference.prelu` by selecting one of both values."""
    return jnp.where(x <= 0, spread_bias(slope, x.ndim) * x, x)


def prelu_dx(dy: Array, x: Array, slope: Array) -> Array:
    """Compute `reference.prelu_dx` by selecting one of both values."""
    return jnp.where(x <= 0, spread_bias(slope, x.ndim) * dy, dy)


def prelu_dw(dy: Array, x: Array) -> Array:
    """Compute `reference.prelu_dw` as one reduction."""
    return jnp.where(x <= 0, dy * x, 0).sum(axis=channel_axes(x))
