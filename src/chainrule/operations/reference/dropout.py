"""Dropout. Its gradient is the same operation, applied to dy with the same attributes.

Derived step by step in docs/derivations/dropout.md.
"""

import numpy as np

from chainrule.core.randomness import uniform
from chainrule.operations.reference.windows import Array, check_sample


def dropout(x: Array, *, rate: float, stream: int, seed: int, step: int, first: int = 0) -> Array:
    """Set each element to 0 with probability ``rate`` and scale the rest to preserve the mean.

    y[n,e] = x[n,e] / (1 − rate) where uniform(seed, stream, step, first + n, e) ≥ rate, else 0
    dx     = dropout(dy) with the same attributes

    e is the index of an element within its sample, in row-major order. ``stream`` is the layer's number
    (`randomness.stream_key`), and ``first`` is the index of the first sample in the whole batch.

    Shapes   x (N, …)  →  y like x
    Kept     nothing: the mask is a pure function of the attributes
    Errors   ShapeError when x has no batch axis
    Source   Srivastava and others 2014, inverted; chainrule/core/randomness.py
    """
    check_sample("dropout", "x", x)
    y = np.zeros(x.shape, x.dtype)
    elements = int(np.prod(x.shape[1:]))
    for n in range(x.shape[0]):
        u = uniform(seed, stream, step, np.array([first + n]), elements)[0]
        for e, at in enumerate(np.ndindex(x.shape[1:])):
            if u[e] >= rate:
                y[n, *at] = x[n, *at] / (1 - rate)
    return y
