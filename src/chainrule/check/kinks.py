"""Points with many kinks (ties in max pooling, zeros in ReLU), where only one-sided slopes exist."""

from collections.abc import Callable

import numpy as np

from chainrule.check.methods import LIMIT, basis
from chainrule.engines import Array

STEP = 0.25  # less than half the distance between whole numbers: a step creates no new tie


def tied_integers(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Draw whole numbers from −1 to 1, which give many ties, and zeros for ReLU."""
    return generator.integers(-1, 2, shape).astype(np.float64)


def excess_beyond_slopes(
    f: Callable[[Array], Array], x: Array, dy: Array, dx: Array, generator: np.random.Generator
) -> Array:
    """Return by how much dx exceeds the one-sided slopes, entry by entry; all zeros for a right gradient.

    f is convex and piecewise linear (max pooling, ReLU), x holds whole numbers, dy ≥ 0. A right dx (dy to the first
    winner, to the last, or shared; any factor from 0 to 1 for ReLU at 0) then lies between the two slopes along every
    direction. The last entry of the result is the largest excess along directions that move many entries at once.
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
