"""The smooth activations and their gradients, element by element.

A gradient is computed from y if the derivative is simplest in terms of y, otherwise from x.

Derived step by step in docs/derivations/activations.md.
"""

import math
from typing import Any

import numpy as np

from chainrule.operations.normal import normal_distribution
from chainrule.operations.reference.windows import Array, check_same, real_part

GELU_SCALE = math.sqrt(2 / math.pi)
GELU_CUBIC = 0.044715


def sigmoid(x: Array) -> Array:
    """Map every element to (0, 1).

    y = σ(x) = 1/(1 + e⁻ˣ) = eˣ/(1 + eˣ)        the second form for x ≤ 0, so that no power of e overflows

    Shapes   x any  →  y like x
    Kept     y
    Source   VanillaCNN section 2.3, eq. 15, 19, 25; Independent Code, "Sigmoid Activation"
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        if real_part(x[e]) <= 0:
            y[e] = np.exp(x[e]) / (1 + np.exp(x[e]))
        else:
            y[e] = 1 / (1 + np.exp(-x[e]))
    return y


def sigmoid_dx(dy: Array, y: Array) -> Array:
    """dx = dy · y(1 − y)

    Source   VanillaCNN eq. 6, 28, 35, 40; Independent Code, "Sigmoid Derivative"
    """
    check_same("sigmoid_dx", dy=dy, y=y)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = dy[e] * (y[e] * (1 - y[e]))
    return dx


def tanh(x: Array) -> Array:
    """Map every element to (−1, 1).

    y = tanh(x) = (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ)

    Shapes   x any  →  y like x
    Kept     y
    Source   standard; (1 + tanh(x/2))/2 is the sigmoid of VanillaCNN
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = np.tanh(x[e])
    return y


def tanh_dx(dy: Array, y: Array) -> Array:
    """dx = dy · (1 − y²)"""
    check_same("tanh_dx", dy=dy, y=y)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = dy[e] * (1 - y[e] * y[e])
    return dx


def arctan(x: Array) -> Array:
    """Map every element to (−π/2, π/2).

    y = arctan(x)

    Shapes   x any  →  y like x
    Kept     x
    Source   numpy-cnn section 2.6
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = np.arctan(x[e])
    return y


def arctan_dx(dy: Array, x: Array) -> Array:
    """dx = dy / (1 + x²)"""
    check_same("arctan_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    with np.errstate(over="ignore"):  # if x² overflows, the result is 0, the limit
        for e in np.ndindex(dy.shape):
            dx[e] = dy[e] / (1 + x[e] * x[e])
    return dx


def gelu(x: Array) -> Array:
    """Weight every element by the normal distribution function, approximated by tanh.

    y = ½ x (1 + tanh a)        a = √(2/π) (x + 0.044715 x³)

    Shapes   x any  →  y like x
    Kept     x
    Source   Hendrycks, Gimpel 2016
    """
    y = np.empty_like(x)
    with np.errstate(over="ignore"):  # tanh of an infinite a is correct
        for e in np.ndindex(x.shape):
            a = GELU_SCALE * (x[e] + GELU_CUBIC * x[e] * x[e] * x[e])
            y[e] = 0.5 * x[e] * (1 + np.tanh(a))
    return y


def gelu_dx(dy: Array, x: Array) -> Array:
    """dx = dy · (½ (1 + tanh a) + ½ x (1 − tanh² a) a')        a' = √(2/π) (1 + 3 · 0.044715 x²)"""
    check_same("gelu_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    with np.errstate(over="ignore"):
        for e in np.ndindex(dy.shape):
            t = np.tanh(GELU_SCALE * (x[e] + GELU_CUBIC * x[e] * x[e] * x[e]))
            da = GELU_SCALE * (1 + 3 * GELU_CUBIC * x[e] * x[e])
            bend = 0 if abs(t) == 1 else 0.5 * x[e] * (1 - t * t) * da  # 0 even if da is infinite
            dx[e] = dy[e] * (0.5 * (1 + t) + bend)
    return dx


def exact_gelu(x: Array) -> Array:
    """Weight every element by the normal distribution function.

    y = x Φ        Φ = ½ erfc(−x/√2): the probability that a standard normal variable is at most x

    Shapes   x any  →  y like x
    Kept     x
    Source   Hendrycks, Gimpel 2016
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = x[e] * normal_distribution(x[e])
    return y


def exact_gelu_dx(dy: Array, x: Array) -> Array:
    """dx = dy · (Φ + x φ)        φ = exp(−x²/2)/√(2·π), the derivative of Φ"""
    check_same("exact_gelu_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    with np.errstate(over="ignore", under="ignore"):  # if x² overflows, φ is 0, the limit
        for e in np.ndindex(dy.shape):
            dx[e] = dy[e] * (normal_distribution(x[e]) + x[e] * (np.exp(-x[e] * x[e] / 2) / math.sqrt(2 * math.pi)))
    return dx


def silu(x: Array) -> Array:
    """Weight every element by its sigmoid (SiLU, also called swish).

    y = x s        s = 1/(1 + e⁻ˣ)

    Shapes   x any  →  y like x
    Kept     x
    Source   Hendrycks, Gimpel 2016; Ramachandran, Zoph, Le 2017
    """
    s = sigmoid(x)
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = x[e] * s[e]
    return y


def silu_dx(dy: Array, x: Array) -> Array:
    """dx = dy · s (1 + x (1 − s))        s = 1/(1 + e⁻ˣ)"""
    check_same("silu_dx", dy=dy, x=x)
    s = sigmoid(x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = dy[e] * (s[e] * (1 + x[e] * (1 - s[e])))
    return dx


def softplus(x: Array) -> Array:
    """Apply a smooth version of ReLU; all results are positive.

    y = log(1 + eˣ) = x + log(1 + e⁻ˣ)        the second form for x > 0, so that no power of e overflows

    Shapes   x any  →  y like x
    Kept     x
    Source   Dugas et al. 2000; Glorot, Bordes, Bengio 2011
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = x[e] + np.log1p(np.exp(-x[e])) if real_part(x[e]) > 0 else np.log1p(np.exp(x[e]))
    return y


def softplus_dx(dy: Array, x: Array) -> Array:
    """dx = dy · s        s = 1/(1 + e⁻ˣ)"""
    check_same("softplus_dx", dy=dy, x=x)
    s = sigmoid(x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = dy[e] * s[e]
    return dx


def mish(x: Array) -> Array:
    """Apply a smooth version of ReLU that is slightly negative for moderately negative inputs.

    y = x · tanh u        u = log(1 + eˣ)

    Shapes   x any  →  y like x
    Kept     x
    Source   Misra 2019
    """
    u = softplus(x)
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = x[e] * np.tanh(u[e])
    return y


def mish_dx(dy: Array, x: Array) -> Array:
    """dx = dy · (tanh u + x · s · (1 − tanh² u))        s = 1/(1 + e⁻ˣ)"""
    check_same("mish_dx", dy=dy, x=x)
    s = sigmoid(x)
    u = softplus(x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        t = np.tanh(u[e])
        dx[e] = dy[e] * (t + x[e] * s[e] * (1 - t * t))
    return dx


def softsign(x: Array) -> Array:
    """Map every element to (−1, 1).

    y = x/(1 + max(x, −x))

    Shapes   x any  →  y like x
    Kept     x
    Source   Bergstra et al. 2009; Glorot, Bengio 2010
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = x[e] / (1 + _size(x[e]))
    return y


def softsign_dx(dy: Array, x: Array) -> Array:
    """dx = dy / (1 + max(x, −x))²"""
    check_same("softsign_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    with np.errstate(over="ignore"):  # a square that overflows gives 0, the limit
        for e in np.ndindex(dy.shape):
            dx[e] = dy[e] * (1 / ((1 + _size(x[e])) * (1 + _size(x[e]))))
    return dx


def _size(x: Any) -> Any:
    """Return x or −x: |x| for a real x, and its analytic continuation for complex-step derivatives."""
    return x if x.real > 0 else -x
