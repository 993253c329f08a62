"""Dense layer and bias in JAX. Equations: `chainrule.operations.reference.dense`."""

from chainrule.engines.jax.arrays import Array, channel_axes, spread_bias


def dense(x: Array, w: Array, b: Array | None = None) -> Array:
    """Compute `reference.dense` as one matrix product for the whole batch."""
    return x @ w.T if b is None else x @ w.T + b


def dense_dx(dy: Array, w: Array) -> Array:
    """Compute `reference.dense_dx` as one matrix product for the whole batch."""
    return dy @ w


def dense_dw(x: Array, dy: Array) -> Array:
    """Compute `reference.dense_dw` as one matrix product, which sums over the batch."""
    return dy.T @ x


def add_bias(x: Array, b: Array) -> Array:
    """Compute `reference.add_bias` by broadcasting."""
    return x + spread_bias(b, x.ndim)


def bias_gradient(dy: Array, *, untied: bool = False) -> Array:
    """Compute `reference.bias_gradient` as one reduction over all axes along which the bias is broadcast."""
    return dy.sum(axis=0 if untied else channel_axes(dy))
