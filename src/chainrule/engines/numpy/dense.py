"""The dense layer, in NumPy. Equations: `chainrule.reference.dense`."""

from chainrule.engines.numpy.arrays import Array


def dense(x: Array, w: Array, b: Array | None = None) -> Array:
    """`reference.dense` as one matrix product for the whole batch, which BLAS blocks for the caches."""
    y = x @ w.T
    if b is not None:
        y += b
    return y


def dense_dx(dy: Array, w: Array) -> Array:
    """`reference.dense_dx` as one matrix product for the whole batch."""
    return dy @ w


def dense_dw(x: Array, dy: Array) -> Array:
    """`reference.dense_dw` as one matrix product, in which the sum over the batch is the inner one."""
    return dy.T @ x
