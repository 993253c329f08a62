"""Dropout, in NumPy. Equations: `chainrule.operations.reference.dropout`."""

import math

import numpy as np

from chainrule.core.randomness import uniform
from chainrule.engines.numpy.arrays import Array


def dropout(x: Array, *, rate: float, stream: int, seed: int, step: int, first: int = 0) -> Array:
    """Compute `reference.dropout` with the mask of the whole batch drawn at once."""
    samples = np.arange(first, first + len(x))
    kept = uniform(seed, stream, step, samples, math.prod(x.shape[1:])) >= rate
    y = np.multiply(x, kept.reshape(x.shape), order="C")
    y /= 1 - rate
    return y
