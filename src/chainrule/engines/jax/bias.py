"""The bias, in JAX. Equations: `chainrule.operations.reference.bias`."""

from chainrule.engines.jax.arrays import Array, channel_axes, spread_bias


def add_bias(x: Array, b: Array) -> Array:
    """Compute `reference.add_bias` by broadcasting."""
    return x + spread_bias(b, x.ndim)


def bias_gradient(dy: Array, *, untied: bool = False) -> Array:
    """Compute `reference.bias_gradient` as one reduction over all axes along which the bias is broadcast."""
    return dy.sum(axis=0 if untied else channel_axes(dy))
