"""Elementary functions of every element, such as the square root.

Derived step by step in docs/derivations/elementary.md.
"""

import math

import numpy as np

from chainrule.operations.normal import error_function
from chainrule.operations.reference.windows import Array, check_same, real_part


def rescaling(x: Array, *, scale: float = 1.0, shift: float = 0.0) -> Array:
    """Multiply every element by a number and add another.

    y = scale · x + shift

    Shapes   x any  →  y like x
    Kept     x
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = scale * x[e] + shift
    return y


def rescaling_dx(dy: Array, x: Array, *, scale: float = 1.0, shift: float = 0.0) -> Array:
    """dx = dy · scale"""
    check_same("rescaling_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = dy[e] * scale
    return dx


def absolute(x: Array) -> Array:
    """Compute the absolute value of every element.

    y = −x where x < 0, else x

    Shapes   x any  →  y like x
    Kept     x
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = -x[e] if real_part(x[e]) < 0 else x[e]
    return y


def absolute_dx(dy: Array, x: Array) -> Array:
    """dx = −dy where x < 0, else dy where x > 0, else 0 · dy"""
    check_same("absolute_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        if real_part(x[e]) < 0:
            dx[e] = -dy[e]
        elif real_part(x[e]) > 0:
            dx[e] = dy[e]
        else:
            dx[e] = x[e] * dy[e]
    return dx


def exp(x: Array) -> Array:
    """Apply the exponential function to every element; large elements overflow to infinity.

    y = eˣ

    Shapes   x any  →  y like x
    Kept     y
    """
    y = np.empty_like(x)
    with np.errstate(over="ignore"):
        for e in np.ndindex(x.shape):
            y[e] = np.exp(x[e])
    return y


def exp_dx(dy: Array, y: Array) -> Array:
    """dx = dy · y"""
    check_same("exp_dx", dy=dy, y=y)
    dx = np.empty_like(dy)
    with np.errstate(over="ignore"):
        for e in np.ndindex(dy.shape):
            dx[e] = dy[e] * y[e]
    return dx


def sqrt(x: Array) -> Array:
    """Compute the square root of every element; NaN for negative elements.

    y = √x

    Shapes   x any  →  y like x
    Kept     y
    """
    y = np.empty_like(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        for e in np.ndindex(x.shape):
            y[e] = np.sqrt(x[e])
    return y


def sqrt_dx(dy: Array, y: Array) -> Array:
    """dx = dy / (2 · y)"""
    check_same("sqrt_dx", dy=dy, y=y)
    dx = np.empty_like(dy)
    with np.errstate(divide="ignore", invalid="ignore"):
        for e in np.ndindex(dy.shape):
            dx[e] = dy[e] / (2 * y[e])
    return dx


def log(x: Array) -> Array:
    """Compute the natural logarithm of every element; NaN for negative elements.

    y = log(x)

    Shapes   x any  →  y like x
    Kept     x
    """
    y = np.empty_like(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        for e in np.ndindex(x.shape):
            y[e] = np.log(x[e])
    return y


def log_dx(dy: Array, x: Array) -> Array:
    """dx = dy / x"""
    check_same("log_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    with np.errstate(divide="ignore", invalid="ignore"):
        for e in np.ndindex(dy.shape):
            dx[e] = dy[e] / x[e]
    return dx


def reciprocal(x: Array) -> Array:
    """Compute the reciprocal of every element.

    y = 1/x

    Shapes   x any  →  y like x
    Kept     y
    """
    y = np.empty_like(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        for e in np.ndindex(x.shape):
            y[e] = 1 / x[e]
    return y


def reciprocal_dx(dy: Array, y: Array) -> Array:
    """dx = −dy · y²"""
    check_same("reciprocal_dx", dy=dy, y=y)
    dx = np.empty_like(dy)
    with np.errstate(divide="ignore", invalid="ignore"):
        for e in np.ndindex(dy.shape):
            dx[e] = -dy[e] * y[e] * y[e]
    return dx


def erf(x: Array) -> Array:
    """Compute the error function of every element.

    y = 2 · Φ − 1        Φ = ½ erfc(−x): the normal distribution function at √2 x

    Shapes   x any  →  y like x
    Kept     x
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        y[e] = error_function(x[e])
    return y


def erf_dx(dy: Array, x: Array) -> Array:
    """dx = dy · 2 · exp(−x²)/√(π)"""
    check_same("erf_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    with np.errstate(over="ignore", under="ignore"):  # if x² overflows, the result is 0, the limit
        for e in np.ndindex(dy.shape):
            dx[e] = dy[e] * 2 / math.sqrt(math.pi) * np.exp(-x[e] * x[e])
    return dx


def heaviside(x: Array) -> Array:
    """Compute whether every element is positive; NaN propagates.

    y = 0 where x ≤ 0, else 1 where x > 0, else x

    Shapes   x any  →  y like x
    Kept     x
    """
    y = np.empty_like(x)
    for e in np.ndindex(x.shape):
        if real_part(x[e]) <= 0:
            y[e] = 0
        elif real_part(x[e]) > 0:
            y[e] = 1
        else:
            y[e] = x[e]
    return y


def heaviside_dx(dy: Array, x: Array) -> Array:
    """dx = 0 · dy · x"""
    check_same("heaviside_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = 0 * dy[e] * x[e]
    return dx


def fake_quantize(
    x: Array, *, scale: float = 1.0, zero: float = 0.0, low: float = -128.0, high: float = 127.0
) -> Array:
    """Round every element to the nearest number that an integer from low to high represents; NaN propagates.

    y = scale · (q − zero)        q = min(max(round(x/scale) + zero, low), high); ties are rounded to the even integer

    Shapes   x any  →  y like x
    Kept     x
    """
    y = np.empty_like(x)
    with np.errstate(over="ignore"):
        for e in np.ndindex(x.shape):
            q = np.rint(real_part(x[e]) / scale) + zero
            if q < low:
                q = low
            if q > high:
                q = high
            y[e] = scale * (q - zero)
    return y


def fake_quantize_dx(
    dy: Array,
    x: Array,
    *,
    scale: float = 1.0,
    zero: float = 0.0,
    low: float = -128.0,
    high: float = 127.0,
) -> Array:
    """dx = 0 · dy · x"""
    check_same("fake_quantize_dx", dy=dy, x=x)
    dx = np.empty_like(dy)
    for e in np.ndindex(dy.shape):
        dx[e] = 0 * dy[e] * x[e]
    return dx
