"""Points with many kinks (ties in max pooling, zeros in ReLU), where only one-sided slopes exist."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.check.methods import LIMIT, basis
from chainrule.engines.protocol import Array
from chainrule.explain.cells import cell_index

STEP = 0.25  # less than half the distance between whole numbers: a step creates no new tie


def tied_integers(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Draw whole numbers from −1 to 1, which give many ties, and zeros for ReLU."""
    return generator.integers(-1, 2, shape).astype(np.float64)


@dataclass(frozen=True)
class Slopes:
    """The slopes of a function on both sides of a point along a direction, and the slope that a gradient claims there.

    index  the entry that moves; empty where many move at once
    """

    before: float
    after: float
    claimed: float
    index: tuple[int, ...] = ()

    @property
    def excess(self) -> float:
        """How far the claimed slope is outside the two; infinite if it is no number."""
        beyond = max(self.before - self.claimed, self.claimed - self.after, 0.0)
        return float("inf") if np.isnan(self.claimed) else beyond


def slopes_at_ties(
    f: Callable[[Array], Array], x: Array, dy: Array, dx: Array, generator: np.random.Generator
) -> list[Slopes]:
    """Return the slopes along several directions, which a right dx exceeds in none.

    f is convex and piecewise linear (max pooling, ReLU), x holds whole numbers, dy ≥ 0. A right dx (dy to the first
    winner, to the last, or shared; any factor from 0 to 1 for ReLU at 0) then lies between the two slopes along every
    direction: those of single entries, and those that move many entries at once.
    """

    def total(v: Array) -> float:
        return float(np.sum(dy * f(v)))

    here = total(x)

    def along(u: Array, index: tuple[int, ...] = ()) -> Slopes:
        before, after = (here - total(x - STEP * u)) / STEP, (total(x + STEP * u) - here) / STEP
        moved = u != 0  # nan elsewhere says nothing of this slope
        return Slopes(before, after, float(np.sum(dx[moved] * u[moved])), index)

    places = generator.permutation(x.size)[:LIMIT].tolist()
    single = [along(basis(x.shape, place), cell_index(place, x.shape)) for place in places]
    together = [np.ones(x.shape), *(generator.random(x.shape) for _ in range(3))]
    return [*single, *map(along, together)]
