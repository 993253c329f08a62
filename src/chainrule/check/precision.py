"""Measurement of a function's rounding error: float64 throughout, or float32 somewhere inside."""

from collections.abc import Callable
from math import comb

import numpy as np

from chainrule.engines.protocol import Array

ORDER = 4
TRIES = 3
SPACING = 1e-6  # large enough to change a float32, small enough for a smooth function to be a straight line
DOUBLE = 1e-12  # noise above this is not the rounding of float64
WORST = 1e-5  # noise above this is not the rounding of float32 either


def noise(f: Callable[[Array], Array], v: Array, generator: np.random.Generator) -> float:
    """Return the relative rounding error of f near v, from fourth differences along a few directions.

    Fourth differences of a smooth function over steps of 1e-6 vanish but for rounding. Steps that cross a kink give
    larger ones, so the smallest of a few directions counts. A result in a narrow dtype has at least its rounding.
    """
    narrow = np.asarray(f(v)).dtype
    told = float(np.finfo(narrow).eps) / 4 if narrow.kind == "f" and narrow.itemsize < 8 else 0.0
    least = np.inf
    for _ in range(TRIES):
        least = min(least, _ripple(f, v, generator.normal(size=v.shape)))
        if least <= DOUBLE:
            return told
    return max(told, least if least < WORST else 0.0)


def _ripple(f: Callable[[Array], Array], v: Array, direction: Array) -> float:
    """Return the standard deviation of f's rounding from fourth differences, relative to its largest value."""
    values = [np.asarray(f(v + SPACING * step * direction)) for step in range(ORDER + 1)]
    if not all(np.isfinite(value).all() for value in values):
        return 0.0
    signs = [(-1) ** step * comb(ORDER, step) for step in range(ORDER + 1)]
    ripple = np.tensordot(np.array(signs, np.float64), np.stack(values), 1)
    size = max(float(np.abs(values[0]).max(initial=0.0)), 1e-300)
    return float(np.sqrt(np.mean(np.square(ripple)) / comb(2 * ORDER, ORDER))) / size
