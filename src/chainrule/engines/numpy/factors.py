"""Dropout and the clipping of gradients in NumPy. Equations: `operations.reference`."""

import math

import numpy as np

from chainrule.core.randomness import uniform
from chainrule.engines.numpy.arrays import Array


def dropout(x: Array, *, rate: float, stream: int, seed: int, step: int, first: int = 0) -> Array:
    """Compute `reference.dropout` with one mask for the whole batch."""
    samples = np.arange(first, first + len(x))
    kept = uniform(seed, stream, step, samples, math.prod(x.shape[1:])) >= rate
    y = np.multiply(x, kept.reshape(x.shape), order="C")
    y /= 1 - rate
    return y


def clip_factor(norm: Array, *, limit: float) -> Array:
    """Compute `reference.clip_factor` for all norms at once."""
    return np.asarray(np.minimum(1, limit / (norm + 1e-6), order="C"))
