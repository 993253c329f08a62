"""How exactly a piece of code computes: float64 throughout, or float32 somewhere inside."""

from collections.abc import Callable
from math import comb

import numpy as np

from chainrule.engines import Array

ORDER = 4
TRIES = 3
SPACING = 1e-6  # far enough for float32 to notice, near enough for any smooth function to be a straight line
DOUBLE = 1e-12  # noise above this is not that of float64
WORST = 1e-5  # noise above this is no rounding of float32


def noise(f: Callable[[Array], Array], v: Array, generator: np.random.Generator) -> float:
    """The relative rounding error of f near v, from fourth differences along a few directions.

    A smooth function has none to speak of over steps of 1e-6, so that what is left is rounding. Along some direction
    the steps may cross a kink, which shows more: the least counts. A result in a narrow type tells its rounding itself.
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
    """What fourth differences leave of f, as a standard deviation relative to its largest value."""
    values = [np.asarray(f(v + SPACING * step * direction)) for step in range(ORDER + 1)]
    if not all(np.isfinite(value).all() for value in values):
        return 0.0
    signs = [(-1) ** step * comb(ORDER, step) for step in range(ORDER + 1)]
    ripple = np.tensordot(np.array(signs, np.float64), np.stack(values), 1)
    size = max(float(np.abs(values[0]).max(initial=0.0)), 1e-300)
    return float(np.sqrt(np.mean(np.square(ripple)) / comb(2 * ORDER, ORDER))) / size
