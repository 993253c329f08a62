"""Parametric ReLU, in NumPy. Equations: `chainrule.operations.reference.prelu`.

Products are made only where x ≤ 0, so that nothing infinite is multiplied by 0.
"""

import numpy as np

from chainrule.engines.numpy.arrays import Array, spread_bias


def prelu(x: Array, slope: Array) -> Array:
    """Compute `reference.prelu` on a copy of x."""
    y = x.copy(order="C")
    return np.multiply(y, spread_bias(slope, x.ndim), out=y, where=x <= 0)


def prelu_dx(dy: Array, x: Array, slope: Array) -> Array:
    """Compute `reference.prelu_dx` on a copy of dy."""
    dx = dy.copy(order="C")
    return np.multiply(dx, spread_bias(slope, x.ndim), out=dx, where=x <= 0)


def prelu_dw(dy: Array, x: Array) -> Array:
    """Compute `reference.prelu_dw` as one reduction."""
    products = np.multiply(dy, x, out=np.zeros(x.shape, x.dtype), where=x <= 0)
    return products.sum(axis=(0, *range(2, x.ndim)))
