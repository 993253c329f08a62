"""The activations in NumPy, as whole-array expressions that do not overflow for large inputs.

Equations: `operations.reference.activations`. Both cases of an equation are computed and combined by a minimum, a
maximum or a product with 0 and 1, since selecting per element (`numpy.where`) is an order of magnitude slower.
"""

import math

import numpy as np

from chainrule.core.randomness import uniform
from chainrule.engines.numpy.arrays import Array, spread_bias
from chainrule.operations.normal import mills_ratio

SCALE = math.sqrt(2 / math.pi)
CUBIC = 0.044715
SATURATED = 10.0  # for larger |x|, the tanh in gelu is exactly ±1 in floating point


def sigmoid(x: Array) -> Array:
    """Compute `reference.sigmoid` as exp(min(x, 0)) / (1 + exp(−|x|)), which cannot overflow."""
    x = np.ascontiguousarray(x)
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def sigmoid_dx(dy: Array, y: Array) -> Array:
    """Compute `reference.sigmoid_dx` on whole arrays."""
    dx = np.multiply(dy, y, order="C")
    dx *= 1 - y
    return dx


def tanh(x: Array) -> Array:
    """Compute `reference.tanh` with NumPy's vectorized function."""
    return np.tanh(x, order="C")


def tanh_dx(dy: Array, y: Array) -> Array:
    """Compute `reference.tanh_dx` on whole arrays."""
    return np.multiply(dy, 1 - y * y, order="C")


def arctan(x: Array) -> Array:
    """Compute `reference.arctan` with NumPy's vectorized function."""
    return np.arctan(x, order="C")


def arctan_dx(dy: Array, x: Array) -> Array:
    """Compute `reference.arctan_dx` on whole arrays."""
    with np.errstate(over="ignore"):  # if x² overflows, the result is 0, the limit
        return np.divide(dy, 1 + x * x, order="C")


def relu(x: Array) -> Array:
    """Compute `reference.relu` as a maximum, without branches."""
    return np.maximum(x, 0, order="C")


def relu_dx(dy: Array, y: Array) -> Array:
    """Compute `reference.relu_dx` as a mask."""
    return _masked(dy, y <= 0)


def leaky_relu(x: Array, *, slope: float = 0.01) -> Array:
    """Compute `reference.leaky_relu` as max(x, 0) + slope · min(x, 0), without branches."""
    y = np.minimum(x, 0, order="C")
    y *= slope
    y += np.maximum(x, 0)
    return y


def leaky_relu_dx(dy: Array, x: Array, *, slope: float = 0.01) -> Array:
    """Compute `reference.leaky_relu_dx` as a product with slope or 1, looked up by the sign of x."""
    return np.multiply(dy, np.array([1, slope], dy.dtype)[(x <= 0).view(np.int8)], order="C")


def gelu(x: Array) -> Array:
    """Compute `reference.gelu` on whole arrays, with products instead of `pow`, which is slower."""
    y = _gelu_tanh(np.clip(x, -SATURATED, SATURATED, order="C"))
    y += 1
    y *= x
    y *= 0.5
    return y


def gelu_dx(dy: Array, x: Array) -> Array:
    """Compute `reference.gelu_dx` on whole arrays; clipping x where tanh is ±1 prevents overflow."""
    x = np.clip(x, -SATURATED, SATURATED, order="C")
    t = _gelu_tanh(x)
    da = SCALE + 3 * CUBIC * SCALE * (x * x)
    return np.multiply(dy, 0.5 * (1 + t + x * (1 - t * t) * da), order="C")


def exact_gelu(x: Array) -> Array:
    """Compute `reference.exact_gelu` on whole arrays, with Φ from the tail on the same side to avoid cancellation."""
    y, _ = _normal_distribution(np.ascontiguousarray(x))
    y *= x
    return y


def exact_gelu_dx(dy: Array, x: Array) -> Array:
    """Compute `reference.exact_gelu_dx` on whole arrays."""
    slope, density = _normal_distribution(np.ascontiguousarray(x))
    density *= x
    slope += density
    return np.multiply(dy, slope, order="C")


def clip(x: Array, *, low: float, high: float) -> Array:
    """Compute `reference.clip` with NumPy's function."""
    return np.clip(x, low, high, order="C")


def clip_dx(dy: Array, x: Array, *, low: float, high: float) -> Array:
    """Compute `reference.clip_dx` as a mask."""
    return _masked(dy, (x <= low) | (x >= high))


def silu(x: Array) -> Array:
    """Compute `reference.silu` from `sigmoid`."""
    y = sigmoid(x)
    y *= x
    return y


def silu_dx(dy: Array, x: Array) -> Array:
    """Compute `reference.silu_dx` on whole arrays."""
    s = sigmoid(x)
    return np.multiply(dy, s * (1 + x * (1 - s)), order="C")


def hard_sigmoid(x: Array) -> Array:
    """Compute `reference.hard_sigmoid` by clipping."""
    y = np.clip(x, -3, 3, order="C")
    y += 3
    y /= 6
    return y


def hard_sigmoid_dx(dy: Array, x: Array) -> Array:
    """Compute `reference.hard_sigmoid_dx` as a mask."""
    dx = _masked(dy, (x <= -3) | (x >= 3))
    dx /= 6
    return dx


def hard_swish(x: Array) -> Array:
    """Compute `reference.hard_swish` as a product of clipped factors, so that −∞ is not multiplied by 0."""
    y = hard_sigmoid(x)
    y *= np.maximum(x, -3)
    return y


def hard_swish_dx(dy: Array, x: Array) -> Array:
    """Compute `reference.hard_swish_dx` as a mask of a product; the slope jumps by ½ at 3."""
    slope = (2 * np.clip(x, -3, 3) + 3) / 6
    slope -= 0.5 * (x >= 3)
    return _masked(dy * slope, x <= -3)


def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """Compute `reference.elu` as max(x, 0) + alpha · (exp(min(x, 0)) − 1), without branches."""
    y = np.expm1(np.minimum(x, 0, order="C"))
    y *= alpha
    y += np.maximum(x, 0)
    return y


def elu_dx(dy: Array, x: Array, *, alpha: float = 1.0) -> Array:
    """Compute `reference.elu_dx` as a product with exp(min(x, 0)) and alpha or 1, looked up by the sign of x."""
    slope = np.exp(np.minimum(x, 0))
    slope *= np.array([1, alpha], dy.dtype)[(x <= 0).view(np.int8)]
    return np.multiply(dy, slope, order="C")


def softplus(x: Array) -> Array:
    """Compute `reference.softplus` as max(x, 0) + log(1 + exp(−|x|)), which cannot overflow."""
    y = np.log1p(np.exp(-np.abs(x, order="C")))
    y += np.maximum(x, 0)
    return y


def softplus_dx(dy: Array, x: Array) -> Array:
    """Compute `reference.softplus_dx` from `sigmoid`."""
    return np.multiply(dy, sigmoid(x), order="C")


def softmax(x: Array) -> Array:
    """Compute `reference.softmax` for all rows at once; subtracting their maxima prevents overflow."""
    y = np.subtract(x, x.max(axis=1, keepdims=True), order="C")
    np.exp(y, out=y)
    y /= y.sum(axis=1, keepdims=True)
    return y


def softmax_dx(dy: Array, y: Array) -> Array:
    """Compute `reference.softmax_dx` for all rows at once, without forming the Jacobian."""
    dx = np.multiply(dy, y, order="C")
    dx -= y * dx.sum(axis=1, keepdims=True)
    return dx


def _masked(dy: Array, zeroed: Array) -> Array:
    """Return dy with 0 where it is stopped, by masking its bits: no branch, and a NaN is not multiplied by 0."""
    bits = np.dtype(f"i{dy.dtype.itemsize}")
    mask = zeroed.astype(bits, order="C")
    mask -= 1  # 0 has no bit, −1 has all
    return np.bitwise_and(np.ascontiguousarray(dy).view(bits), mask, out=mask).view(dy.dtype)


def _gelu_tanh(x: Array) -> Array:
    inner = x * x
    inner *= CUBIC * SCALE
    inner += SCALE
    inner *= x
    return np.tanh(inner, out=inner)


def _normal_distribution(x: Array) -> tuple[Array, Array]:
    """Return Φ(x) and φ(x)."""
    u = np.abs(x)
    with np.errstate(over="ignore", under="ignore"):  # if u² overflows, φ is 0, the limit
        density = np.exp(-0.5 * u * u)
        density *= 1 / math.sqrt(2 * math.pi)
        tail = density * mills_ratio(u)
    return np.where(x > 0, 1 - tail, tail), density


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


def dropout(x: Array, *, rate: float, stream: int, seed: int, step: int, first: int = 0) -> Array:
    """Compute `reference.dropout` with one mask for the whole batch."""
    samples = np.arange(first, first + len(x))
    kept = uniform(seed, stream, step, samples, math.prod(x.shape[1:])) >= rate
    y = np.multiply(x, kept.reshape(x.shape), order="C")
    y /= 1 - rate
    return y
