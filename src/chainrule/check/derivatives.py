"""Numerical derivatives, computed by the most accurate method that a function supports.

exact Jacobian       for affine functions f(v) = A·v + f(0): f(e) − f(0) for a basis vector e is a column of A, and its
                     product with dy is an element of the derivative Aᵀ·dy
complex step         for smooth functions that accept complex arguments: Im f(v + ih)/h, exact up to rounding
central differences  for all other functions; `differences` explains the treatment of kinks
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.check.differences import EPSILON, DirectionalDerivatives, Slope
from chainrule.engines.protocol import Array
from chainrule.explain.cells import cell_index

JACOBIAN, COMPLEX, CENTRAL = "exact Jacobian, adjoint", "complex step", "central differences"
TOLERANCES = {JACOBIAN: 1e-12, COMPLEX: 1e-10, CENTRAL: 1e-7}
COMPLEX_STEP = 1e-25  # relative to the scale of the argument; can be tiny because there is no cancellation
DIRECTIONS = 3  # number of random directions that are checked in addition to single elements
LIMIT = 500  # number of elements per tensor that are checked individually

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

    method: str
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


class Scalar:
    """The scalar function v ↦ ⟨dy, f(v)⟩, with directional derivatives."""

    def __init__(self, f: Function, v: Array, dy: Array, noise: float) -> None:
        self.f = f
        self.v = v
        self.dy = dy
        self.noise = noise
        self.scale = max(float(np.sqrt(np.mean(np.square(v)))) if v.size else 1.0, 1e-3)

    def __call__(self, v: Array) -> complex:
        """Return ⟨dy, f(v)⟩."""
        return complex(np.sum(self.dy * self.f(v)))

    def central_difference(self, u: Array) -> float:
        """Return the central difference (f(h) − f(−h)) / 2h along u."""
        k = self.scale * max(self.noise, EPSILON) ** (1 / 3)
        return (self(self.v + k * u).real - self(self.v - k * u).real) / (2 * k)

    def complex_step(self, u: Array) -> Slope:
        """Return Im f(v + ihu) / h, which is free of cancellation."""
        return Slope(self(self.v + 1j * COMPLEX_STEP * self.scale * u).imag / (COMPLEX_STEP * self.scale))


def derive(
    f: Function,
    v: Array,
    dy: Array,
    generator: np.random.Generator,
    *,
    noise: float = 0.0,
    limit: int = LIMIT,
    analytic: bool = False,
    affine: bool = True,
) -> Derivative:
    """Return the derivative of ⟨dy, f⟩ at v, computed by the most accurate method that f supports.

    noise     relative rounding error of f; see `comparison.noise`
    limit     number of elements that are checked individually
    analytic  whether f is known to support complex arguments
    affine    False if f seems affine, but may have kinks that random arguments miss
    """
    scalar = Scalar(f, v, dy, noise)
    if affine and is_affine(f, v, generator, noise):
        return _derive_entries(JACOBIAN, scalar, generator, limit, _jacobian_column(scalar), _affine_difference(scalar))
    if analytic or takes_complex(scalar, generator):
        return _derive_entries(COMPLEX, scalar, generator, limit, scalar.complex_step, scalar.complex_step)
    return by_differences(scalar, generator, limit)


def by_differences(scalar: Scalar, generator: np.random.Generator, limit: int = LIMIT) -> Derivative:
    """Return the derivative by central differences."""
    along = DirectionalDerivatives(scalar.f, scalar.v, scalar.dy, scalar.noise, scalar.scale).along
    return _derive_entries(CENTRAL, scalar, generator, limit, along, along)


def is_affine(f: Function, v: Array, generator: np.random.Generator, noise: float) -> bool:
    """Return whether f is affine, based on random points of several magnitudes.

    f(a + b) − f(a) − f(b) + f(0) = 0 detects curvature. f(a) + f(−a) − 2 f(0) = 0 detects a kink at 0, which the first
    condition misses if all arguments lie on one side of it.
    """
    try:
        zero = np.asarray(f(np.zeros_like(v)))
        for size in (1.0, 30.0, 1e-3):
            a = size * (v + generator.normal(size=v.shape))
            b = size * (0.0 + generator.normal(size=v.shape))
            f_sum = np.asarray(f(a + b))
            f_a = np.asarray(f(a))
            f_b = np.asarray(f(b))
            f_opposite = np.asarray(f(-a))
            largest = max(map(_largest, (f_sum, f_a, f_b, f_opposite, zero)))
            residual = max(_largest(f_sum - f_a - f_b + zero), _largest(f_a + f_opposite - 2 * zero))
            if not residual <= max(1e-12, 100 * noise) * largest:
                return False
    except Exception:  # a learner's code may raise an error, for example for the logarithm of a negative number
        return False
    return True


def _largest(array: Array) -> float:
    """Return the largest magnitude in an array; 0 if it is empty."""
    return float(np.abs(array).max(initial=0.0))


def takes_complex(scalar: Scalar, generator: np.random.Generator) -> bool:
    """Return whether a complex step along a random direction agrees with a central difference.

    A second direction is tried in case the first crosses a kink. A slope of exactly zero is inconclusive: code that
    drops imaginary parts also returns it.
    """
    for _ in range(2):
        u = generator.normal(size=scalar.v.shape)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                slope = scalar.complex_step(u).value
        except Exception:  # a learner's code may raise any error for complex values
            return False
        expected = scalar.central_difference(u)
        if np.isfinite(slope) and slope != 0 and abs(slope - expected) <= 1e-4 * max(abs(slope), abs(expected), 1e-9):
            return True
    return False


def _jacobian_column(scalar: Scalar) -> Callable[[Array], Slope]:
    zero = np.asarray(scalar.f(np.zeros_like(scalar.v)))
    return lambda u: _weighted_difference(scalar, np.asarray(scalar.f(u)), zero)


def _affine_difference(scalar: Scalar) -> Callable[[Array], Slope]:
    value = np.asarray(scalar.f(scalar.v))
    return lambda u: _weighted_difference(scalar, np.asarray(scalar.f(scalar.v + u)), value)


def _weighted_difference(scalar: Scalar, end: Array, start: Array) -> Slope:
    """Return ⟨dy, end − start⟩, with a bound on the total rounding error."""
    rounding = max(scalar.noise, 4 * EPSILON) * np.linalg.norm(scalar.dy * (np.abs(end) + np.abs(start)))
    return Slope(float(np.sum(scalar.dy * (end - start))), float(rounding))


def _derive_entries(
    method: str,
    scalar: Scalar,
    generator: np.random.Generator,
    limit: int,
    derive_element: Callable[[Array], Slope],
    derive_direction: Callable[[Array], Slope],
) -> Derivative:
    """Return the derivative with respect to all elements, or ``limit`` random ones, and along random directions."""
    v = scalar.v
    steps = [generator.normal(size=v.shape) for _ in range(DIRECTIONS)]
    indices = np.sort(generator.permutation(v.size)[:limit])
    values = np.empty(len(indices))
    error_bounds = np.empty(len(indices))
    kink_widths = np.empty(len(indices))
    for place, index in enumerate(indices):
        slope = derive_element(basis(v.shape, index))
        values[place] = slope.value
        error_bounds[place] = slope.error_bound
        kink_widths[place] = slope.kink_width
    # Bounds of rounding errors. A central difference loses a fifth of the digits: noise⁰·⁸ is larger than the noise.
    rounding = 200 * scalar.noise
    if method == CENTRAL:
        rounding = 150 * scalar.noise**0.8
    along = list[tuple[Array, Slope]]()
    if method != CENTRAL or len(indices) < v.size:  # if all elements are checked, directions are redundant
        for step in steps:
            along.append((step, derive_direction(step)))
    tolerance = max(TOLERANCES[method], rounding)
    return Derivative(method, tolerance, indices, values, error_bounds, kink_widths, tuple(along))


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
