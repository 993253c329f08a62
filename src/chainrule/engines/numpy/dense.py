"""Dense layer and bias in NumPy. Equations: `chainrule.operations.reference.dense`."""

import numpy as np

from chainrule.engines.numpy.arrays import Array, spread_bias


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


def add_bias(x: Array, b: Array) -> Array:
    """Compute `reference.add_bias` by broadcasting."""
    return np.add(x, spread_bias(b, x.ndim), order="C")


def constant(x: Array, b: Array) -> Array:
    """Compute `reference.constant` as copies."""
    return np.tile(b, (len(x), 1))


def bias_gradient(dy: Array, *, untied: bool = False) -> Array:
    """Compute `reference.bias_gradient` as one reduction over all axes along which the bias is broadcast."""
    return np.ascontiguousarray(dy.sum(axis=0 if untied else (0, *range(2, dy.ndim))))
