"""Optimizer updates in NumPy, for the whole flat buffer. Equations: `operations.reference.updates`."""

import math

import numpy as np

from chainrule.engines.numpy.arrays import Array


def clip_factor(norm: Array, *, limit: float) -> Array:
    """Compute `reference.clip_factor` for all norms at once."""
    return np.asarray(np.minimum(1, limit / (norm + 1e-6), order="C"))


def sgd_update(p: Array, g: Array, *, rate: float, decay: float = 0.0) -> Array:
    """Compute `reference.sgd_update` for the whole buffer at once."""
    return np.subtract(_shrunk(p, rate, decay), rate * g, order="C")


def momentum_update(
    p: Array, g: Array, v: Array, *, rate: float, momentum: float, nesterov: bool, decay: float = 0.0
) -> tuple[Array, Array]:
    """Compute `reference.momentum_update` for the whole buffer at once."""
    h = _decayed(g, p, decay)
    v = np.multiply(v, momentum, order="C")
    v += h
    direction = h + momentum * v if nesterov else v
    return np.subtract(p, rate * direction, order="C"), v


def rmsprop_update(
    p: Array,
    g: Array,
    v: Array,
    u: Array,
    *,
    rate: float,
    alpha: float,
    epsilon: float,
    momentum: float,
    decay: float = 0.0,
) -> tuple[Array, Array, Array]:
    """Compute `reference.rmsprop_update` for the whole buffer at once."""
    h = _decayed(g, p, decay)
    v = np.multiply(v, alpha, order="C")
    v += (1 - alpha) * (h * h)
    u = np.multiply(u, momentum, order="C")
    u += h / (np.sqrt(v) + epsilon)
    return np.subtract(p, rate * u, order="C"), v, u


def _decayed(g: Array, p: Array, decay: float) -> Array:
    """Return the gradient of loss + ½ decay p²."""
    return g + decay * p if decay else g


def _shrunk(p: Array, rate: float, decay: float) -> Array:
    return p * (1 - rate * decay) if decay else p


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
    """Compute `reference.adam_update` for the whole buffer at once. The bias corrections are scalars."""
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
