"""The optimizer updates, in NumPy: the whole flat buffer at once. Equations: `chainrule.reference.updates`."""

import math

import numpy as np

from chainrule.engines.numpy.arrays import Array


def sgd_update(p: Array, g: Array, *, rate: float) -> Array:
    """`reference.sgd_update`, the whole buffer at once."""
    return np.subtract(p, rate * g, order="C")


def momentum_update(
    p: Array, g: Array, v: Array, *, rate: float, momentum: float, nesterov: bool
) -> tuple[Array, Array]:
    """`reference.momentum_update`, the whole buffer at once."""
    v = np.multiply(v, momentum, order="C")
    v += g
    direction = g + momentum * v if nesterov else v
    return np.subtract(p, rate * direction, order="C"), v


def adam_update(
    p: Array,
    g: Array,
    m: Array,
    v: Array,
    *,
    rate: float,
    step: int,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float,
) -> tuple[Array, Array, Array]:
    """`reference.adam_update`, the whole buffer at once; the bias corrections are two numbers, not two buffers."""
    m = np.multiply(m, beta1, order="C")
    m += (1 - beta1) * g
    v = np.multiply(v, beta2, order="C")
    v += (1 - beta2) * (g * g)
    scale = np.sqrt(v)
    scale /= math.sqrt(1 - beta2**step)
    scale += epsilon
    np.divide(m, scale, out=scale)
    scale *= rate / (1 - beta1**step)
    p = np.multiply(p, 1 - rate * decay, order="C")
    p -= scale
    return p, m, v
