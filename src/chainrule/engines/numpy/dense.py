"""The dense layer, in NumPy. Equations: `chainrule.operations.reference.dense`."""

from chainrule.engines.numpy.arrays import Array


def dense(x: Array, w: Array, b: Array | None = None) -> Array:
    """Compute `reference.dense` as one matrix product for the whole batch."""
    y = x @ w.T
    if b is not None:
        y += b
    return y


def dense_dx(dy: Array, w: Array) -> Array:
    """Compute `reference.dense_dx` as one matrix product for the whole batch."""
    return dy @ w


def dense_dw(x: Array, dy: Array) -> Array:
    """Compute `reference.dense_dw` as one matrix product, which sums over the batch."""
    return dy.T @ x
