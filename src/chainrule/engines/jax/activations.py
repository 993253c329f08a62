"""Softmax, its logarithm, PReLU and dropout in JAX. Other activations are in `formulas`. Equations: `reference`."""

import math

from chainrule.core.randomness import mix_array
from chainrule.engines.jax.arrays import Array, channel_axes, jnp
from chainrule.engines.numpy.arrays import spread_bias


def softmax(x: Array) -> Array:
    """Compute `reference.softmax` along the second axis. The maximum is subtracted to prevent overflow."""
    powers = jnp.exp(x - x.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def softmax_dx(dy: Array, y: Array) -> Array:
    """Compute `reference.softmax_dx` along the second axis, without forming the Jacobian."""
    return dy * y - y * (dy * y).sum(axis=1, keepdims=True)


def log_softmax(x: Array) -> Array:
    """Compute `reference.log_softmax` along the second axis. The maximum is subtracted to prevent overflow."""
    shifted = x - x.max(axis=1, keepdims=True)
    return shifted - jnp.log(jnp.exp(shifted).sum(axis=1, keepdims=True))


def log_softmax_dx(dy: Array, y: Array) -> Array:
    """Compute `reference.log_softmax_dx` along the second axis, without forming the Jacobian."""
    return dy - jnp.exp(y) * dy.sum(axis=1, keepdims=True)


def prelu(x: Array, slope: Array) -> Array:
    """Compute `reference.prelu` by selecting between the two cases."""
    return jnp.where(x <= 0, spread_bias(slope, x.ndim) * x, x)


def prelu_dx(dy: Array, x: Array, slope: Array) -> Array:
    """Compute `reference.prelu_dx` by selecting between the two cases."""
    return jnp.where(x <= 0, spread_bias(slope, x.ndim) * dy, dy)


def prelu_dw(dy: Array, x: Array) -> Array:
    """Compute `reference.prelu_dw` as one reduction."""
    return jnp.where(x <= 0, dy * x, 0).sum(axis=channel_axes(x))


def dropout(x: Array, *, rate: float, stream: int, seed: Array, step: Array, first: int = 0) -> Array:
    """Compute `reference.dropout` with one mask for the whole batch. u ≥ rate is evaluated on the integer 2⁵³ u."""
    key = jnp.asarray(seed).astype(jnp.uint64)
    for coordinate in (stream, step):
        key = mix_array(key, jnp.asarray(coordinate).astype(jnp.uint64))
    samples = jnp.asarray(first).astype(jnp.uint64) + jnp.arange(len(x), dtype=jnp.uint64)
    rows = mix_array(key, samples[:, None])
    bits = mix_array(rows, jnp.arange(math.prod(x.shape[1:]), dtype=jnp.uint64)[None, :])
    kept = (bits >> jnp.uint64(11)) >= jnp.uint64(math.ceil(rate * 2**53))
    return jnp.where(kept.reshape(x.shape), x / (1 - rate), 0)
