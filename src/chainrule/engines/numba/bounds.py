"""Bounds of a convolution's results: those of the ReLU, or of the clipping from 0 on, that follows."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.engines.numba.toolchain import inlined


class Bounds(NamedTuple):
    """The least and the largest value of results; −∞ and ∞ stand for none."""

    least: Any
    most: Any


@inlined
def bounds_of(rectify, capped, like):
    """Return the bounds for a kernel's epilogues: 0 and `capped`, which stands for a clipping unless it is 0."""
    least = like.dtype.type(0 if rectify or capped > 0 else -np.inf)
    return Bounds(least, like.dtype.type(capped if capped > 0 else np.inf))
