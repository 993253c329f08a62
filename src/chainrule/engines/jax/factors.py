"""Dropout and the clipping of gradients in JAX. Equations: `operations.reference`."""

import math

from chainrule.core.randomness import mix_array
from chainrule.engines.jax.arrays import Array, jnp


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


def clip_factor(norm: Array, *, limit: float) -> Array:
    """Compute `reference.clip_factor` for all norms at once."""
    return jnp.minimum(1, limit / (norm + 1e-6))
