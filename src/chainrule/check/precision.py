"""How exactly a piece of code computes: float64 throughout, or float32 somewhere inside."""

from collections.abc import Callable
from math import comb

import numpy as np

from chainrule.engines import Array

ORDER = 4
SPACING = 1e-6  # far enough for float32 to notice, near enough for any smooth function to be a straight line
DOUBLE = 1e-12  # noise above this is not that of float64
WORST = 1e-5  # noise above this is no rounding at all


def noise(f: Callable[[Array], Array], v: Array, direction: Array) -> float:
    """The relative rounding error of f near v, from fourth differences along a direction.

    A smooth function has none to speak of over steps of 1e-6, so that what is left is rounding. A function with a kink
    there, or one that is not deterministic, shows more than any rounding: that is reported as none.
    """
    values = [np.asarray(f(v + SPACING * step * direction)) for step in range(ORDER + 1)]
    if not all(np.isfinite(value).all() for value in values):
        return 0.0
    signs = [(-1) ** step * comb(ORDER, step) for step in range(ORDER + 1)]
    ripple = sum(sign * value.astype(np.float64) for sign, value in zip(signs, values, strict=True))
    size = max(float(np.abs(values[0]).max(initial=0.0)), 1e-300)
    found = float(np.sqrt(np.mean(np.square(ripple)) / comb(2 * ORDER, ORDER))) / size
    return found if DOUBLE < found < WORST else 0.0
