"""Activations and their gradients, compiled. The equations are in reference/activations.py.

Each is one contiguous loop. Exponentials are only taken of values that are not positive, so that none overflows.
"""

import math

from chainrule.engines.compiled import compiler
from chainrule.engines.compiled.compiler import expm1, exponential, inlined, kernel, log1p, mills_ratio
from chainrule.engines.compiled.kernels.registry import CHEAP_FROM, Attributes, elementwise, pointwise, slope
from chainrule.operations.reference.activations import GELU_CUBIC, GELU_SCALE

DENSITY = 1 / math.sqrt(2 * math.pi)  # of the normal distribution at 0
SATURATED = 64  # for larger |x| the sigmoid in GELU is exactly 0 or 1


@pointwise(increasing=True)
@kernel
def sigmoid(x, y):
    """Compute y = 1/(1 + e^−|x|), or 1 minus that for negative x."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    unit = x.dtype.type(1)
    for k in range(source.size):
        small = exponential(-abs(source[k]))
        result[k] = (unit if source[k] >= 0 else small) / (unit + small)


@slope()
@kernel
def sigmoid_dx(dy, y, dx):
    """Compute dx = y (1 − y) dy."""
    upstream, value, result = dy.reshape(dy.size), y.reshape(y.size), dx.reshape(dx.size)
    unit = y.dtype.type(1)
    for k in range(upstream.size):
        result[k] = upstream[k] * value[k] * (unit - value[k])


@pointwise(increasing=True)
@kernel
def tanh(x, y):
    """Compute y = tanh x."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    for k in range(source.size):
        result[k] = compiler.tanh(source[k])


@slope()
@kernel
def tanh_dx(dy, y, dx):
    """Compute dx = (1 − y²) dy."""
    upstream, value, result = dy.reshape(dy.size), y.reshape(y.size), dx.reshape(dx.size)
    unit = y.dtype.type(1)
    for k in range(upstream.size):
        result[k] = upstream[k] * (unit - value[k] * value[k])


@pointwise(increasing=True)
@kernel
def arctan(x, y):
    """Compute y = arctan x."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    for k in range(source.size):
        result[k] = compiler.arctan(source[k])


@slope()
@kernel
def arctan_dx(dy, x, dx):
    """Compute dx = dy/(1 + x²)."""
    upstream, value, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    unit = x.dtype.type(1)
    for k in range(upstream.size):
        result[k] = upstream[k] / (unit + value[k] * value[k])


@pointwise(CHEAP_FROM, increasing=True, epilogue="rectify")
@kernel
def relu(x, y):
    """Compute y = 0 where x ≤ 0, else x (so that NaN stays NaN)."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    zero = x.dtype.type(0)
    for k in range(source.size):
        result[k] = zero if source[k] <= zero else source[k]


@slope(CHEAP_FROM)
@kernel
def relu_dx(dy, y, dx):
    """Compute dx = 0 where y ≤ 0, else dy (so that NaN is passed on)."""
    upstream, value, result = dy.reshape(dy.size), y.reshape(y.size), dx.reshape(dx.size)
    zero = y.dtype.type(0)
    for k in range(upstream.size):
        d = upstream[k]  # for either choice: without masks, what depends on one is a branch, often mispredicted
        result[k] = zero if value[k] <= zero else d


def leak_of(attributes: Attributes) -> float:
    """Return the slope below zero of a leaky ReLU."""
    return attributes.get("slope", 0.01)


@pointwise(CHEAP_FROM, increasing=True, epilogue="leak", epilogue_value=leak_of)
@kernel
def leaky_relu(x, y, slope=0.01):
    """Compute y = x where x > 0, else slope·x."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    factor = x.dtype.type(slope)
    for k in range(source.size):
        result[k] = source[k] if source[k] > 0 else factor * source[k]


@slope(CHEAP_FROM)
@kernel
def leaky_relu_dx(dy, x, dx, slope=0.01):
    """Compute dx = slope·dy where x ≤ 0, else dy."""
    upstream, value, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    factor = x.dtype.type(slope)
    for k in range(upstream.size):
        result[k] = factor * upstream[k] if value[k] <= 0 else upstream[k]


@inlined
def _sigmoid_parts(x, unit):
    """Return σ(x) and e^−|x|/(1 + e^−|x|)² = σ(x) (1 − σ(x)), both without cancellation."""
    small = exponential(-abs(x))
    inverse = unit / (unit + small)
    return (unit if x >= 0 else small) * inverse, small * inverse * inverse


@pointwise()
@kernel
def gelu(x, y):
    """Compute y = x σ(2 a) = x/2 (1 + tanh a), a = c (x + 0.044715 x³), c = √(2/π): without the sum that cancels."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    unit, linear, cubic = (x.dtype.type(1), x.dtype.type(2 * GELU_SCALE), x.dtype.type(2 * GELU_SCALE * GELU_CUBIC))
    for k in range(source.size):
        v = source[k]
        result[k] = v * _sigmoid_parts(v * (linear + cubic * v * v), unit)[0]


@slope()
@kernel
def gelu_dx(dy, x, dx):
    """Compute dx = dy (s + x s (1 − s) 2 a'), s = σ(2 a), a as in forward, a' = c (1 + 3·0.044715 x²)."""
    upstream, source, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    unit, linear, cubic = (x.dtype.type(1), x.dtype.type(2 * GELU_SCALE), x.dtype.type(2 * GELU_SCALE * GELU_CUBIC))
    three, limit = x.dtype.type(3), x.dtype.type(SATURATED)
    for k in range(upstream.size):
        v = source[k]
        v = -limit if v < -limit else limit if v > limit else v  # where s is 0 or 1, so that no square overflows
        s, both = _sigmoid_parts(v * (linear + cubic * v * v), unit)
        result[k] = upstream[k] * (s + both * v * (linear + three * cubic * v * v))


@inlined
def _normal_distribution(x, unit, peak):
    """Return Φ(x), from the tail on the same side, which cancels nowhere, and φ(x)."""
    size = abs(x)
    density = peak * exponential(-(size * size / (unit + unit)))
    tail = density * mills_ratio(size)
    return unit - tail if x > 0 else tail, density


@pointwise()
@kernel
def exact_gelu(x, y):
    """Compute y = x Φ(x)."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    unit, peak = x.dtype.type(1), x.dtype.type(DENSITY)
    for k in range(source.size):
        result[k] = source[k] * _normal_distribution(source[k], unit, peak)[0]


@slope()
@kernel
def exact_gelu_dx(dy, x, dx):
    """Compute dx = dy (Φ(x) + x φ(x))."""
    upstream, source, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    unit, peak = x.dtype.type(1), x.dtype.type(DENSITY)
    for k in range(upstream.size):
        cumulative, density = _normal_distribution(source[k], unit, peak)
        result[k] = upstream[k] * (cumulative + source[k] * density)


def cap_of(attributes: Attributes) -> float:
    """Return the upper bound of a clipping from 0 on; 0 of any other."""
    return attributes.get("high", 6.0) if attributes.get("low", 0.0) == 0 else 0.0


@pointwise(CHEAP_FROM, increasing=True, epilogue="capped", epilogue_value=cap_of)
@kernel
def clip(x, y, low=0.0, high=6.0):
    """Compute y = low where x ≤ low, high where x ≥ high, else x (so that NaN stays NaN)."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    minimum, maximum = x.dtype.type(low), x.dtype.type(high)
    for k in range(source.size):
        v = source[k]
        result[k] = minimum if v <= minimum else maximum if v >= maximum else v


@slope(CHEAP_FROM)
@kernel
def clip_dx(dy, x, dx, low=0.0, high=6.0):
    """Compute dx = dy where low < x < high, else 0 (so that dy passes where x is NaN)."""
    upstream, value, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    minimum, maximum, zero = x.dtype.type(low), x.dtype.type(high), x.dtype.type(0)
    for k in range(upstream.size):
        v, d = value[k], upstream[k]
        result[k] = zero if v <= minimum or v >= maximum else d


@pointwise()
@kernel
def silu(x, y):
    """Compute y = x σ(x)."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    unit = x.dtype.type(1)
    for k in range(source.size):
        small = exponential(-abs(source[k]))
        result[k] = source[k] * ((unit if source[k] >= 0 else small) / (unit + small))


@slope()
@kernel
def silu_dx(dy, x, dx):
    """Compute dx = dy s (1 + x (1 − s)), s = σ(x)."""
    upstream, source, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    unit = x.dtype.type(1)
    for k in range(upstream.size):
        small = exponential(-abs(source[k]))
        s = (unit if source[k] >= 0 else small) / (unit + small)
        result[k] = upstream[k] * (s * (unit + source[k] * (unit - s)))


@pointwise(CHEAP_FROM, increasing=True)
@kernel
def hard_sigmoid(x, y):
    """Compute y = 0 where x ≤ −3, 1 where x ≥ 3, else (x + 3)/6."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    zero, unit, three, sixth = x.dtype.type(0), x.dtype.type(1), x.dtype.type(3), x.dtype.type(1 / 6)
    for k in range(source.size):
        v = source[k]
        result[k] = zero if v <= -three else unit if v >= three else (v + three) * sixth


@slope(CHEAP_FROM)
@kernel
def hard_sigmoid_dx(dy, x, dx):
    """Compute dx = dy/6 where −3 < x < 3, else 0."""
    upstream, value, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    zero, three, sixth = x.dtype.type(0), x.dtype.type(3), x.dtype.type(1 / 6)
    for k in range(upstream.size):
        v, part = value[k], upstream[k] * sixth
        result[k] = zero if v <= -three or v >= three else part


@pointwise(CHEAP_FROM)
@kernel
def hard_swish(x, y):
    """Compute y = 0 where x ≤ −3, x where x ≥ 3, else x (x + 3)/6."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    zero, three, sixth = x.dtype.type(0), x.dtype.type(3), x.dtype.type(1 / 6)
    for k in range(source.size):
        v = source[k]
        result[k] = zero if v <= -three else v if v >= three else v * ((v + three) * sixth)


@slope(CHEAP_FROM)
@kernel
def hard_swish_dx(dy, x, dx):
    """Compute dx = 0 where x ≤ −3, dy where x ≥ 3, else dy (x + 3/2)/3."""
    upstream, value, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    zero, three, third, center = x.dtype.type(0), x.dtype.type(3), x.dtype.type(1 / 3), x.dtype.type(1.5)
    for k in range(upstream.size):
        v, d = value[k], upstream[k]
        inner = d * third * (v + center)
        inner = d if v >= three else inner
        result[k] = zero if v <= -three else inner


@pointwise(increasing=True)
@kernel
def elu(x, y, alpha=1.0):
    """Compute y = x where x > 0, else α (eˣ − 1)."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    zero, factor = x.dtype.type(0), x.dtype.type(alpha)
    for k in range(source.size):
        v = source[k]
        result[k] = v if v > zero else factor * expm1(-abs(v))


@slope()
@kernel
def elu_dx(dy, x, dx, alpha=1.0):
    """Compute dx = dy where x > 0, else dy α eˣ."""
    upstream, source, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    zero, factor = x.dtype.type(0), x.dtype.type(alpha)
    for k in range(upstream.size):
        v, d = source[k], upstream[k]
        result[k] = d if v > zero else d * (factor * exponential(-abs(v)))


@pointwise(increasing=True)
@kernel
def softplus(x, y):
    """Compute y = max(x, 0) + log(1 + e^−|x|)."""
    source, result = x.reshape(x.size), y.reshape(y.size)
    zero = x.dtype.type(0)
    for k in range(source.size):
        v = source[k]
        result[k] = (v if v > zero else zero) + log1p(exponential(-abs(v)))


@slope()
@kernel
def softplus_dx(dy, x, dx):
    """Compute dx = dy s, s = σ(x)."""
    upstream, source, result = dy.reshape(dy.size), x.reshape(x.size), dx.reshape(dx.size)
    unit = x.dtype.type(1)
    for k in range(upstream.size):
        small = exponential(-abs(source[k]))
        result[k] = upstream[k] * ((unit if source[k] >= 0 else small) / (unit + small))


@elementwise
def softmax(x, y):
    """Compute y = e^(x − max x) over its sum, row by row; at every position of an image."""
    samples, classes = x.shape[0], x.shape[1]
    positions = x.size // max(samples * classes, 1)
    rows, results = x.reshape(samples, classes, positions), y.reshape(samples, classes, positions)
    for s in range(samples):
        if positions == 1:
            _softmax_row(rows[s].reshape(classes), results[s].reshape(classes))
        else:
            _softmax_columns(rows[s], results[s])


@inlined
def _softmax_row(row, result):
    maximum = row[0]
    for k in range(row.size):
        maximum = row[k] if row[k] > maximum else maximum
    total = row.dtype.type(0)
    for k in range(row.size):
        result[k] = exponential(row[k] - maximum)
        total += result[k]
    for k in range(row.size):
        result[k] /= total


@inlined
def _softmax_columns(rows, results):
    """Compute softmax along the first axis."""
    for p in range(rows.shape[1]):
        maximum, total = rows[0, p], rows.dtype.type(0)
        for k in range(rows.shape[0]):
            maximum = rows[k, p] if rows[k, p] > maximum else maximum
        for k in range(rows.shape[0]):
            results[k, p] = exponential(rows[k, p] - maximum)
            total += results[k, p]
        for k in range(rows.shape[0]):
            results[k, p] /= total


@elementwise
def softmax_dx(dy, y, dx):
    """Compute dx = y (dy − Σ_j dy_j y_j)."""
    samples, classes = y.shape[0], y.shape[1]
    positions = y.size // max(samples * classes, 1)
    shape = (samples, classes, positions)
    slopes, values, results = dy.reshape(shape), y.reshape(shape), dx.reshape(shape)
    for s in range(samples):
        for p in range(positions):
            total = y.dtype.type(0)
            for k in range(classes):
                total += slopes[s, k, p] * values[s, k, p]
            for k in range(classes):
                results[s, k, p] = values[s, k, p] * (slopes[s, k, p] - total)
