"""Derivatives by numbers alone, as sharp as a function allows.

exact Jacobian       affine functions: the columns of the matrix, by basis vectors; and ⟨A·u, dy⟩ = ⟨u, Aᵀ·dy⟩
complex step         smooth functions that take complex numbers: Im f(v + ih)/h, exact to rounding
central differences  all others; see `differences` for what happens near kinks
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.check.differences import EPSILON, Differences, Slope
from chainrule.engines import Array

JACOBIAN, COMPLEX, CENTRAL = "exact Jacobian, adjoint", "complex step", "central differences"
SHARP = {JACOBIAN: 1e-12, COMPLEX: 1e-10, CENTRAL: 1e-7}
IMAGINARY = 1e-25
DIRECTIONS = 3
LIMIT = 500  # entries of a tensor that are looked at one by one

Function = Callable[[Array], Array]


@dataclass(frozen=True)
class Derivative:
    """The derivative of ⟨dy, f⟩ at some places of the tensor, and along whole directions.

    places      flat indices: all of them, or a random choice from a large tensor
    gradient    the derivative at each place
    bars        how far off that may be: rounding, and steps that disagree
    widths      how far a right gradient may lie on either side of it: on a kink any slope between both is right
    directions  (u, the derivative along u): each looks at every entry at once
    tolerance   what an error may be, relative to the largest entry of the gradient
    """

    method: str
    tolerance: float
    places: Array
    gradient: Array
    bars: Array
    widths: Array
    directions: tuple[tuple[Array, Slope], ...]

    @property
    def size(self) -> float:
        """How large the gradient is: its largest entry, as far as it is known."""
        lengths = [abs(slope.value) / max(float(np.linalg.norm(u)), 1e-300) for u, slope in self.directions]
        return max([float(np.abs(self.gradient).max(initial=0.0)), *lengths])


class Scalar:
    """⟨dy, f(v)⟩ as a function of v, and how to differentiate it along a direction."""

    def __init__(self, f: Function, v: Array, dy: Array, noise: float) -> None:
        self.f, self.v, self.dy, self.noise = f, v, dy, noise
        self.scale = max(float(np.sqrt(np.mean(np.square(v)))) if v.size else 1.0, 1e-3)

    def __call__(self, v: Array) -> complex:
        """⟨dy, f(v)⟩."""
        return complex(np.sum(self.dy * self.f(v)))

    def near(self, u: Array) -> float:
        """(f(h) − f(−h)) / 2h, for a small h."""
        k = self.scale * max(self.noise, EPSILON) ** (1 / 3)
        return (self(self.v + k * u).real - self(self.v - k * u).real) / (2 * k)

    def complex_step(self, u: Array) -> Slope:
        """Im f(v + ihu) / h: nothing is subtracted, and so nothing lost."""
        return Slope(self(self.v + 1j * IMAGINARY * self.scale * u).imag / (IMAGINARY * self.scale))


def derive(
    f: Function,
    v: Array,
    dy: Array,
    generator: np.random.Generator,
    *,
    noise: float = 0.0,
    limit: int = LIMIT,
    analytic: bool = False,
) -> Derivative:
    """The derivative of ⟨dy, f⟩ at v by the sharpest method that f allows.

    noise     of the code that is differentiated; see `precision`
    limit     how many entries are looked at one by one
    analytic  whether f is known to let complex numbers through
    """
    scalar = Scalar(f, v, dy, noise)
    if is_affine(f, v, generator, noise):
        return _gathered(JACOBIAN, scalar, generator, limit, _column(scalar), _difference(scalar))
    if analytic or takes_complex(scalar, generator):
        return _gathered(COMPLEX, scalar, generator, limit, scalar.complex_step, scalar.complex_step)
    return by_differences(scalar, generator, limit)


def by_differences(scalar: Scalar, generator: np.random.Generator, limit: int = LIMIT) -> Derivative:
    """The derivative by central differences, whatever else the function may allow."""
    along = Differences(scalar.f, scalar.v, scalar.dy, scalar.noise, scalar.scale).along
    return _gathered(CENTRAL, scalar, generator, limit, along, along)


def is_affine(f: Function, v: Array, generator: np.random.Generator, noise: float) -> bool:
    """Whether f(a + b) − f(a) − f(b) + f(0) and f(a) + f(−a) − 2 f(0) vanish for random numbers of several sizes.

    The first is for what bends, the second for what has a kink: a few numbers may all lie on the same side of it.
    """
    try:
        zero = np.asarray(f(np.zeros_like(v)))
        for size in (1.0, 30.0, 1e-3):
            a, b = (size * (start + generator.normal(size=v.shape)) for start in (v, 0.0))
            both, first, second, opposite = (np.asarray(f(u)) for u in (a + b, a, b, -a))
            rests = (both - first - second + zero, first + opposite - 2 * zero)
            largest = max(float(np.abs(part).max(initial=0.0)) for part in (both, first, second, opposite, zero))
            rest = max(float(np.abs(part).max(initial=0.0)) for part in rests)
            if not rest <= max(1e-12, 100 * noise) * largest:
                return False
    except Exception:  # numbers for which a learner's code was not written: logarithms of what is below 0
        return False
    return True


def takes_complex(scalar: Scalar, generator: np.random.Generator) -> bool:
    """Whether complex numbers come through whole: a step along a direction gives what differences give.

    There is a second try, in case the first direction crosses a kink. A slope of exactly zero tells nothing: that is
    also what is left where all imaginary parts were dropped.
    """
    for _ in range(2):
        u = generator.normal(size=scalar.v.shape)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                found = scalar.complex_step(u).value
        except Exception:  # a learner's code may fail in any way at numbers that it was not written for
            return False
        expected = scalar.near(u)
        if np.isfinite(found) and found != 0 and abs(found - expected) <= 1e-4 * max(abs(found), abs(expected), 1e-9):
            return True
    return False


def _column(scalar: Scalar) -> Callable[[Array], Slope]:
    zero = np.asarray(scalar.f(np.zeros_like(scalar.v)))
    return lambda u: _change(scalar, np.asarray(scalar.f(u)), zero)


def _difference(scalar: Scalar) -> Callable[[Array], Slope]:
    here = np.asarray(scalar.f(scalar.v))
    return lambda u: _change(scalar, np.asarray(scalar.f(scalar.v + u)), here)


def _change(scalar: Scalar, there: Array, here: Array) -> Slope:
    """⟨dy, there − here⟩; each number is off by a rounding error of its own size."""
    rounding = max(scalar.noise, 4 * EPSILON) * np.linalg.norm(scalar.dy * (np.abs(there) + np.abs(here)))
    return Slope(float(np.sum(scalar.dy * (there - here))), float(rounding))


def _gathered(
    method: str,
    scalar: Scalar,
    generator: np.random.Generator,
    limit: int,
    entry: Callable[[Array], Slope],
    direction: Callable[[Array], Slope],
) -> Derivative:
    """The derivative at every place, or at so many chosen at random, and along a few directions."""
    v = scalar.v
    steps = [generator.normal(size=v.shape) for _ in range(DIRECTIONS)]
    places = np.sort(generator.permutation(v.size)[:limit])
    found = [entry(basis(v.shape, place)) for place in places]
    rounding = 200 * scalar.noise if method != CENTRAL else 150 * scalar.noise**0.8
    if method == CENTRAL and len(places) == v.size:
        steps = []  # they would tell nothing new
    return Derivative(
        method,
        max(SHARP[method], rounding),
        places,
        np.array([slope.value for slope in found]),
        np.array([slope.bar for slope in found]),
        np.array([slope.width for slope in found]),
        tuple((u, direction(u)) for u in steps),
    )


def basis(shape: tuple[int, ...], place: int) -> Array:
    """One at a place, given as a flat index, and zero elsewhere."""
    u = np.zeros(shape)
    u.reshape(-1)[place] = 1
    return u
