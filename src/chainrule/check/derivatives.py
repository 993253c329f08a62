"""Central differences of a function in single elements and along random directions, and slopes beside ties."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.check.differences import DirectionalDerivatives, Slope
from chainrule.engines.protocol import Array
from chainrule.explain.cells import cell_index

TOLERANCE = 1e-7
DIRECTIONS = 3  # number of random directions that are checked in addition to single elements
LIMIT = 200  # number of elements per tensor that are checked individually

Function = Callable[[Array], Array]
TIE_STEP = 0.25  # less than half the distance between integers, so that a step cannot create a new tie


@dataclass(frozen=True)
class Derivative:
    """The derivative of ⟨dy, f⟩ with respect to some elements of a tensor, and along random directions.

    indices       flat indices of the elements: all of them, or a random subset of a large tensor
    gradient      derivative with respect to each of these elements
    error_bounds  rounding error and disagreement between steps, per element
    kink_widths   half the range of valid values, per element; on a kink, slopes between the one-sided ones are valid
    directions    pairs (u, derivative along u); each derivative depends on every element
    tolerance     largest accepted error, relative to the largest element of the gradient
    """

    tolerance: float
    indices: Array
    gradient: Array
    error_bounds: Array
    kink_widths: Array
    directions: tuple[tuple[Array, Slope], ...]

    @property
    def size(self) -> float:
        """Largest absolute value of the derivative over all elements and unit directions."""
        lengths = list[float]()
        for u, slope in self.directions:
            lengths.append(abs(slope.value) / max(float(np.linalg.norm(u)), 1e-300))
        return max([float(np.abs(self.gradient).max(initial=0.0)), *lengths])


def derive(
    f: Function, v: Array, dy: Array, generator: np.random.Generator, *, noise: float = 0.0, limit: int = LIMIT
) -> Derivative:
    """Return the derivative of ⟨dy, f⟩ at v in all elements, or `limit` random ones, and along random directions.

    noise   relative rounding error of f; see `comparison.noise`
    """
    along = DirectionalDerivatives(f, v, dy, noise, scale_of(v)).along
    steps = [generator.normal(size=v.shape) for _ in range(DIRECTIONS)]
    indices = np.sort(generator.permutation(v.size)[:limit])
    slopes = [along(basis(v.shape, index)) for index in indices]
    directions = list[tuple[Array, Slope]]()
    if len(indices) < v.size:  # if all elements are checked, directions are redundant
        for step in steps:
            directions.append((step, along(step)))
    return Derivative(
        max(TOLERANCE, 150 * noise**0.8),  # a central difference loses a fifth of the digits
        indices,
        np.array([slope.value for slope in slopes]),
        np.array([slope.error_bound for slope in slopes]),
        np.array([slope.kink_width for slope in slopes]),
        tuple(directions),
    )


def scale_of(v: Array) -> float:
    """Return the typical size of the elements of an array."""
    return max(float(np.sqrt(np.mean(np.square(v)))) if v.size else 1.0, 1e-3)


def basis(shape: tuple[int, ...], index: int) -> Array:
    """Return the basis vector that is 1 at the flat index and 0 elsewhere."""
    u = np.zeros(shape)
    u.reshape(-1)[index] = 1
    return u


def tied_integers(shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """Draw integers from −1 to 1. They contain many ties, and zeros for ReLU."""
    return generator.integers(-1, 2, shape).astype(np.float64)


@dataclass(frozen=True)
class TieSlopes:
    """One-sided slopes of a function along a direction, and the slope according to a gradient.

    index  the element that changes; None if several change
    """

    before: float
    after: float
    claimed: float
    index: tuple[int, ...] | None = None

    @property
    def excess(self) -> float:
        """Distance of the gradient's slope from the interval between the one-sided slopes; infinite if it is NaN."""
        beyond = max(self.before - self.claimed, self.claimed - self.after, 0.0)
        if np.isnan(self.claimed):
            return float("inf")
        return beyond


def slopes_at_ties(
    f: Callable[[Array], Array], x: Array, dy: Array, dx: Array, generator: np.random.Generator
) -> list[TieSlopes]:
    """Return one-sided slopes along several directions. The slope of a correct dx lies between them.

    f must be convex and piecewise linear (max pooling, ReLU). x contains integers, and dy ≥ 0. A correct dx passes dy
    to the first winner, to the last, or divides it among the winners. For ReLU at 0, any factor from 0 to 1 is correct.
    The slope of a correct dx lies between the two one-sided slopes along every direction, whether one element or many
    elements change.
    """

    def total(v: Array) -> float:
        return float(np.sum(dy * f(v)))

    base = total(x)

    def along(u: Array, index: tuple[int, ...] | None = None) -> TieSlopes:
        before = (base - total(x - TIE_STEP * u)) / TIE_STEP
        after = (total(x + TIE_STEP * u) - base) / TIE_STEP
        moved = u != 0  # NaN elsewhere does not affect this slope
        return TieSlopes(before, after, float(np.sum(dx[moved] * u[moved])), index)

    indices = generator.permutation(x.size)[:LIMIT].tolist()
    single = list[TieSlopes]()
    for flat_index in indices:
        single.append(along(basis(x.shape, flat_index), cell_index(flat_index, x.shape)))
    together = [np.ones(x.shape), *(generator.random(x.shape) for _ in range(3))]
    return [*single, *map(along, together)]
