"""Activations and their gradients, compiled. The equations are in reference/activations.py.

One contiguous loop each. They are stable because exponentials are only taken of numbers that are not positive.
"""

import math

import numpy as np

from chainrule.engines.numba.toolchain import exponential, kernel


@kernel
def sigmoid(x, y):
    """y = 1/(1 + e^−|x|), or 1 minus that for negative x."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    one = x.dtype.type(1)
    for k in range(source.size):
        small = exponential(-abs(source[k]))
        result[k] = (one if source[k] >= 0 else small) / (one + small)


@kernel
def sigmoid_dx(dy, y, dx):
    """dx = y (1 − y) dy."""
    slope, value, result = dy.reshape(dy.size), y.reshape(y.size), dx.reshape(dx.size)
    one = y.dtype.type(1)
    for k in range(slope.size):
        result[k] = slope[k] * value[k] * (one - value[k])


@kernel
def tanh(x, y):
    """y = tanh x."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    for k in range(source.size):
        result[k] = np.tanh(source[k])


@kernel
def tanh_dx(dy, y, dx):
    """dx = (1 − y²) dy."""
    slope, value, result = dy.reshape(dy.size), y.reshape(y.size), dx.reshape(dx.size)
    one = y.dtype.type(1)
    for k in range(slope.size):
        result[k] = slope[k] * (one - value[k] * value[k])


@kernel
def arctan(x, y):
    """y = arctan x."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    for k in range(source.size):
        result[k] = np.arctan(source[k])


@kernel
def arctan_dx(dy, x, dx):
    """dx = dy/(1 + x²)."""
    slope, value, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    one = x.dtype.type(1)
    for k in range(slope.size):
        result[k] = slope[k] / (one + value[k] * value[k])


@kernel
def relu(x, y):
    """y = 0 where x ≤ 0, else x (so that NaN stays NaN)."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    zero = x.dtype.type(0)
    for k in range(source.size):
        result[k] = zero if source[k] <= zero else source[k]


@kernel
def relu_dx(dy, y, dx):
    """dx = 0 where y ≤ 0, else dy (so that NaN does not end here)."""
    slope, value, result = dy.reshape(dy.size), y.reshape(y.size), dx.reshape(dx.size)
    zero = y.dtype.type(0)
    for k in range(slope.size):
        result[k] = zero if value[k] <= zero else slope[k]


@kernel
def leaky_relu(x, y, slope=0.01):
    """y = x where x > 0, else slope·x."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    part = x.dtype.type(slope)
    for k in range(source.size):
        result[k] = source[k] if source[k] > 0 else part * source[k]


@kernel
def leaky_relu_dx(dy, x, dx, slope=0.01):
    """dx = slope·dy where x ≤ 0, else dy."""
    above, value, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    part = x.dtype.type(slope)
    for k in range(above.size):
        result[k] = part * above[k] if value[k] <= 0 else above[k]


@kernel
def gelu(x, y):
    """y = x/2 (1 + tanh(c (x + 0.044715 x³))), c = √(2/π)."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    one, half, cubic, c = (
        x.dtype.type(1),
        x.dtype.type(0.5),
        x.dtype.type(0.044715),
        x.dtype.type(math.sqrt(2 / math.pi)),
    )
    for k in range(source.size):
        v = source[k]
        result[k] = half * v * (one + np.tanh(c * (v + cubic * v * v * v)))


@kernel
def gelu_dx(dy, x, dx):
    """dx = dy (1/2 (1 + t) + x/2 (1 − t²) c (1 + 3·0.044715 x²)), t the tanh of forward."""
    slope, source, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    one, half, cubic, c = (
        x.dtype.type(1),
        x.dtype.type(0.5),
        x.dtype.type(0.044715),
        x.dtype.type(math.sqrt(2 / math.pi)),
    )
    three = x.dtype.type(3)
    for k in range(slope.size):
        v = source[k]
        t = np.tanh(c * (v + cubic * v * v * v))
        inner = c * (one + three * cubic * v * v)
        tail = half * v * (one - t * t) * inner if abs(t) < one else x.dtype.type(0)
        result[k] = slope[k] * (half * (one + t) + tail)


@kernel
def softmax(x, y):
    """y = e^(x − max x) over its sum, row by row."""
    for s in range(x.shape[0]):
        row, result = x[s], y[s]
        most = row[0]
        for k in range(row.size):
            most = row[k] if row[k] > most else most
        total = x.dtype.type(0)
        for k in range(row.size):
            result[k] = exponential(row[k] - most)
            total += result[k]
        for k in range(row.size):
            result[k] /= total


@kernel
def softmax_dx(dy, y, dx):
    """dx = y (dy − Σ_j dy_j y_j)."""
    for s in range(y.shape[0]):
        slope, value, result = dy[s], y[s], dx[s]
        total = y.dtype.type(0)
        for k in range(value.size):
            total += slope[k] * value[k]
        for k in range(value.size):
            result[k] = value[k] * (slope[k] - total)
