"""Softmax, in JAX; the other activations are made from their formulas. Equations: `reference.activations`."""

from chainrule.engines.jax.arrays import Array, jnp


def softmax(x: Array) -> Array:
    """Compute `reference.softmax` along the second axis; subtracting the largest entry prevents overflow."""
    powers = jnp.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def softmax_dx(dy: Array, y: Array) -> Array:
    """Compute `reference.softmax_dx` along the second axis, without forming the Jacobian."""
    return dy * y - y * (dy * y).sum(axis=1, keepdims=True)
