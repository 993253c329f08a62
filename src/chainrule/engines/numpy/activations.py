"""Activations in NumPy, as whole-array expressions. Equations: `operations.reference.activations`.

The element-wise activations are generated. `python -m chainrule.operations.generator NAME` prints their source.
"""

import math

import numpy as np

from chainrule.core.randomness import uniform
from chainrule.engines.numpy import arrays
from chainrule.engines.numpy.arrays import Array, select, spread_bias
from chainrule.operations.normal import mills_ratio


def logistic(x: Array) -> Array:
    """Return σ(x) = 1/(1 + e^−x), which is 0 where e^−x overflows."""
    y = np.exp(-x)
    y += 1
    return np.divide(1, y, out=y)


def normal_density(x: Array) -> Array:
    """Return φ(x), the density of the standard normal distribution."""
    density = x * x
    density *= -0.5
    np.exp(density, out=density)
    density *= 1 / math.sqrt(2 * math.pi)
    return density


def normal_distribution(x: Array) -> Array:
    """Return Φ(x), the cumulative distribution function. It is computed from φ to avoid cancellation in the tails."""
    tail = normal_density(x)
    tail *= mills_ratio(np.abs(x))
    return select(x > 0, 1 - tail, tail)


masked = arrays.masked  # called by generated functions, which are defined here on first use


def softmax(x: Array) -> Array:
    """Compute `reference.softmax` for all rows at once. The row maxima are subtracted to prevent overflow."""
    y = np.subtract(x, x.max(axis=1, keepdims=True), order="C")
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    return y


def softmax_dx(dy: Array, y: Array) -> Array:
    """Compute `reference.softmax_dx` for all rows at once, without forming the Jacobian."""
    dx = np.multiply(dy, y, order="C")
    dx -= y * dx.sum(axis=1, keepdims=True)
    return dx


def log_softmax(x: Array) -> Array:
    """Compute `reference.log_softmax` for all rows at once. The row maxima are subtracted to prevent overflow."""
    y = np.subtract(x, x.max(axis=1, keepdims=True), order="C")
    y -= np.log(np.exp(y).sum(axis=1, keepdims=True))
    return y


def log_softmax_dx(dy: Array, y: Array) -> Array:
    """Compute `reference.log_softmax_dx` for all rows at once, without forming the Jacobian."""
    dx = np.exp(y, order="C")
    dx *= -dy.sum(axis=1, keepdims=True)
    dx += dy
    return dx


def prelu(x: Array, slope: Array) -> Array:
    """Compute `reference.prelu` by scaling the elements x ≤ 0 of a copy of x."""
    y = x.copy(order="C")
    return np.multiply(y, spread_bias(slope, x.ndim), out=y, where=x <= 0)


def prelu_dx(dy: Array, x: Array, slope: Array) -> Array:
    """Compute `reference.prelu_dx` by scaling the elements of a copy of dy where x ≤ 0."""
    dx = dy.copy(order="C")
    return np.multiply(dx, spread_bias(slope, x.ndim), out=dx, where=x <= 0)


def prelu_dw(dy: Array, x: Array) -> Array:
    """Compute `reference.prelu_dw` as one reduction."""
    products = np.multiply(dy, x, out=np.zeros(x.shape, x.dtype), where=x <= 0)
    return products.sum(axis=(0, *range(2, x.ndim)))


def dropout(x: Array, *, rate: float, stream: int, seed: int, step: int, first: int = 0) -> Array:
    """Compute `reference.dropout` with one mask for the whole batch."""
    samples = np.arange(first, first + len(x))
    kept = uniform(seed, stream, step, samples, math.prod(x.shape[1:])) >= rate
    y = np.multiply(x, kept.reshape(x.shape), order="C")
    y /= 1 - rate
    return y
