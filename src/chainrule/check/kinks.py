"""Points full of kinks, where a function has a slope on either side and no derivative: ties, and zeros for ReLU."""

from collections.abc import Callable

import numpy as np

from chainrule.check.methods import LIMIT, basis
from chainrule.engines import Array

STEP = 0.25  # between whole numbers: no two of them meet on the way


def tied(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Whole numbers from −1 to 1: windows full of ties, and zeros for ReLU."""
    return generator.integers(-1, 2, shape).astype(np.float64)


def outside(f: Callable[[Array], Array], x: Array, dy: Array, dx: Array, generator: np.random.Generator) -> Array:
    """By how much dx leaves the slopes on either side, entry by entry; all zeros for a right gradient.

    f is convex and made of straight lines (max pooling, ReLU), x holds whole numbers, dy ≥ 0: then a right dx (first
    winner, last winner, shared, or anything between 0 and 1 for ReLU) lies between both slopes along every direction.
    A last entry is the worst along directions that move many entries at once: the sum of what a window gives.
    """

    def total(v: Array) -> float:
        return float(np.sum(dy * f(v)))

    here = total(x)

    def excess(u: Array) -> float:
        before, after = (here - total(x - STEP * u)) / STEP, (total(x + STEP * u) - here) / STEP
        claimed = float(np.sum(dx * u))
        return max(before - claimed, claimed - after, 0.0)

    single = [excess(basis(x.shape, place)) for place in generator.permutation(x.size)[:LIMIT].tolist()]
    together = [np.ones(x.shape), *(generator.random(x.shape) for _ in range(3))]
    return np.array([*single, max(excess(u) for u in together)])
