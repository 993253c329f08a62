"""The bias, in NumPy. Equations: `chainrule.operations.reference.bias`."""

import numpy as np

from chainrule.engines.numpy.arrays import Array, spread_bias


def add_bias(x: Array, b: Array) -> Array:
    """Compute `reference.add_bias` by broadcasting, without copies of the bias."""
    return np.add(x, spread_bias(b, x.ndim), order="C")


def bias_gradient(dy: Array, *, untied: bool = False) -> Array:
    """Compute `reference.bias_gradient` as one reduction over all axes along which the bias is broadcast."""
    return np.ascontiguousarray(dy.sum(axis=0 if untied else (0, *range(2, dy.ndim))))
