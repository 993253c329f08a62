"""The dense layer, in JAX. Equations: `chainrule.operations.reference.dense`."""

from chainrule.engines.jax.arrays import Array


def dense(x: Array, w: Array, b: Array | None = None) -> Array:
    """Compute `reference.dense` as one matrix product for the whole batch."""
    return x @ w.T if b is None else x @ w.T + b


def dense_dx(dy: Array, w: Array) -> Array:
    """Compute `reference.dense_dx` as one matrix product for the whole batch."""
    return dy @ w


def dense_dw(x: Array, dy: Array) -> Array:
    """Compute `reference.dense_dw` as one matrix product, which sums over the batch."""
    return dy.T @ x
