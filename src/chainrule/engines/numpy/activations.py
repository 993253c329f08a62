"""The activations, in NumPy: whole-array expressions without branches, and without overflow for large inputs.

Equations: `chainrule.reference.activations`. Where an equation has two cases, both are computed and joined by
minimum, maximum or a product with 0 and 1: a choice for each element (`numpy.where`) is an order of magnitude slower.
"""

import math

import numpy as np

from chainrule.engines.numpy.arrays import Array

SCALE = math.sqrt(2 / math.pi)
CUBIC = 0.044715
SATURATED = 10.0  # from here on the tanh of gelu is ±1 to the last bit


def sigmoid(x: Array) -> Array:
    """`reference.sigmoid` as exp(min(x, 0)) / (1 + exp(−|x|)): no exponent is above 0, so nothing overflows."""
    x = np.ascontiguousarray(x)
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def sigmoid_dx(dy: Array, y: Array) -> Array:
    """`reference.sigmoid_dx`, whole arrays at a time."""
    dx = np.multiply(dy, y, order="C")
    dx *= 1 - y
    return dx


def tanh(x: Array) -> Array:
    """`reference.tanh` by NumPy's vectorised function."""
    return np.tanh(x, order="C")


def tanh_dx(dy: Array, y: Array) -> Array:
    """`reference.tanh_dx`, whole arrays at a time."""
    return np.multiply(dy, 1 - y * y, order="C")


def arctan(x: Array) -> Array:
    """`reference.arctan` by NumPy's vectorised function."""
    return np.arctan(x, order="C")


def arctan_dx(dy: Array, x: Array) -> Array:
    """`reference.arctan_dx`, whole arrays at a time."""
    with np.errstate(over="ignore"):  # an x² beyond the largest number gives 0, its limit
        return np.divide(dy, 1 + x * x, order="C")


def relu(x: Array) -> Array:
    """`reference.relu` as a maximum, which needs no branch."""
    return np.maximum(x, 0, order="C")


def relu_dx(dy: Array, y: Array) -> Array:
    """`reference.relu_dx` with all bits of dy, or none: no branch, and a NaN is not multiplied by 0."""
    bits = np.dtype(f"i{dy.dtype.itemsize}")
    kept = (y <= 0).astype(bits, order="C")
    kept -= 1  # 0 has no bit, −1 has all
    return np.bitwise_and(np.ascontiguousarray(dy).view(bits), kept, out=kept).view(dy.dtype)


def leaky_relu(x: Array, *, slope: float = 0.01) -> Array:
    """`reference.leaky_relu` as max(x, 0) + slope · min(x, 0), which needs no branch."""
    y = np.minimum(x, 0, order="C")
    y *= slope
    y += np.maximum(x, 0)
    return y


def leaky_relu_dx(dy: Array, x: Array, *, slope: float = 0.01) -> Array:
    """`reference.leaky_relu_dx` as a product with slope or 1, looked up by the sign of x."""
    return np.multiply(dy, np.array([1, slope], dy.dtype)[(x <= 0).view(np.int8)], order="C")


def gelu(x: Array) -> Array:
    """`reference.gelu`, whole arrays at a time; powers by products, which are faster than `pow`."""
    y = _gelu_tanh(np.clip(x, -SATURATED, SATURATED, order="C"))
    y += 1
    y *= x
    y *= 0.5
    return y


def gelu_dx(dy: Array, x: Array) -> Array:
    """`reference.gelu_dx`, whole arrays at a time; where tanh is ±1, x has no say and is kept from overflowing."""
    x = np.clip(x, -SATURATED, SATURATED, order="C")
    t = _gelu_tanh(x)
    da = SCALE + 3 * CUBIC * SCALE * (x * x)
    return np.multiply(dy, 0.5 * (1 + t + x * (1 - t * t) * da), order="C")


def softmax(x: Array) -> Array:
    """`reference.softmax`, all rows at once; the largest entry of a row is taken off, so that nothing overflows."""
    y = np.subtract(x, x.max(axis=1, keepdims=True), order="C")
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    return y


def softmax_dx(dy: Array, y: Array) -> Array:
    """`reference.softmax_dx`, all rows at once; the Jacobian is never formed."""
    dx = np.multiply(dy, y, order="C")
    dx -= y * dx.sum(axis=1, keepdims=True)
    return dx


def _gelu_tanh(x: Array) -> Array:
    inner = x * x
    inner *= CUBIC * SCALE
    inner += SCALE
    inner *= x
    return np.tanh(inner, out=inner)
