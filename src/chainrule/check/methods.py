"""Derivatives by numbers alone, as sharp as a function allows.

exact Jacobian       affine functions: the columns of the matrix, by basis vectors; and ⟨A·u, dy⟩ = ⟨u, Aᵀ·dy⟩
complex step         smooth functions that take complex numbers: Im f(v + ih)/h, exact to rounding
central differences  all others: four points, or two where a kink is near
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from chainrule.engines import Array

JACOBIAN, COMPLEX, CENTRAL = "exact Jacobian, adjoint", "complex step", "central differences"
SHARP = {JACOBIAN: 1e-12, COMPLEX: 1e-10, CENTRAL: 1e-7}
IMAGINARY = 1e-25
DIRECTIONS = 3
LIMIT = 500  # entries of a tensor that are looked at one by one

EPSILON = 2.2e-16
SAFETY = 3.0  # times the disagreement of two steps

Function = Callable[[Array], Array]
Estimate = tuple[float, float]  # a derivative and its bar


@dataclass(frozen=True)
class Derivative:
    """The derivative of ⟨dy, f⟩ at some places of the tensor, and along whole directions.

    places      flat indices: all of them, or a random choice from a large tensor
    gradient    the derivative at each place
    bars        how far off that may be: rounding, and steps that disagree
    directions  (u, ⟨dy, f'·u⟩, its bar): each looks at every entry at once
    tolerance   what an error may be, relative to the largest entry of the gradient
    """

    method: str
    tolerance: float
    places: Array
    gradient: Array
    bars: Array
    directions: tuple[tuple[Array, float, float], ...]

    @property
    def size(self) -> float:
        """How large the gradient is: its largest entry, as far as it is known."""
        lengths = [abs(slope) / max(float(np.linalg.norm(u)), 1e-300) for u, slope, _ in self.directions]
        return max([float(np.abs(self.gradient).max(initial=0.0)), *lengths])


class Scalar:
    """⟨dy, f(v)⟩ as a function of v, and how to differentiate it along a direction.

    Derivatives come with a bar: how far off they may be.
    """

    def __init__(self, f: Function, v: Array, dy: Array, noise: float) -> None:
        self.f, self.v, self.dy = f, v, dy
        self.scale = max(float(np.sqrt(np.mean(np.square(v)))) if v.size else 1.0, 1e-3)
        eps = max(noise, EPSILON)
        self.wide, self.narrow = self.scale * eps**0.2, self.scale * eps ** (1 / 3)
        self.noise = noise

    def __call__(self, v: Array) -> complex:
        """⟨dy, f(v)⟩."""
        return complex(np.sum(self.dy * self.f(v)))

    def at(self, u: Array, step: float) -> float:
        """The value a step along u."""
        return self(self.v + step * u).real

    def central(self, u: Array) -> Estimate:
        """Four points and two; where they disagree, for a kink or a bend, four closer ones decide."""
        four, two = self.four(u, self.wide), self.near(u)
        agreed = 1e-5 if self.noise == 0 else 1e-3
        if abs(four - two) <= agreed * max(abs(four), abs(two), 1e-6):
            return four, abs(four - two)
        close = self.four(u, self.wide / 8)
        gap, found = min((abs(four - close), close), (abs(close - two), close), (abs(four - two), two))
        if self.noise:  # then small steps do not tell more
            gap = max(abs(four - close), abs(close - two), abs(four - two))
        return found, SAFETY * gap

    def four(self, u: Array, h: float) -> float:
        """(−f(2h) + 8 f(h) − 8 f(−h) + f(−2h)) / 12h."""
        return (8 * (self.at(u, h) - self.at(u, -h)) - (self.at(u, 2 * h) - self.at(u, -2 * h))) / (12 * h)

    def near(self, u: Array) -> float:
        """(f(h) − f(−h)) / 2h, for a small h."""
        k = self.narrow
        return (self.at(u, k) - self.at(u, -k)) / (2 * k)

    def complex_step(self, u: Array) -> Estimate:
        """Im f(v + ihu) / h: nothing is subtracted, and so nothing lost."""
        return self(self.v + 1j * IMAGINARY * self.scale * u).imag / (IMAGINARY * self.scale), 0.0

    def one_sided(self, u: Array) -> list[Estimate]:
        """The slopes before and after v along u, over steps of several sizes; they differ where a kink is that near."""
        here = self.at(u, 0.0)
        steps = [self.narrow / 10, self.narrow, *([self.wide] if self.noise else [])]
        return [((here - self.at(u, -k)) / k, (self.at(u, k) - here) / k) for k in steps]


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
    return _gathered(CENTRAL, scalar, generator, limit, scalar.central, scalar.central)


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

    There is a second try, in case the first direction crosses a kink.
    """
    for _ in range(2):
        u = generator.normal(size=scalar.v.shape)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                found, _ = scalar.complex_step(u)
        except Exception:  # a learner's code may fail in any way at numbers that it was not written for
            return False
        expected = scalar.near(u)
        if np.isfinite(found) and abs(found - expected) <= 1e-4 * max(abs(found), abs(expected), 1e-9):
            return True
    return False


def _column(scalar: Scalar) -> Callable[[Array], Estimate]:
    zero = np.asarray(scalar.f(np.zeros_like(scalar.v)))
    return lambda u: _change(scalar, np.asarray(scalar.f(u)), zero)


def _difference(scalar: Scalar) -> Callable[[Array], Estimate]:
    here = np.asarray(scalar.f(scalar.v))
    return lambda u: _change(scalar, np.asarray(scalar.f(scalar.v + u)), here)


def _change(scalar: Scalar, there: Array, here: Array) -> Estimate:
    """⟨dy, there − here⟩; each number is off by a rounding error of its own size."""
    rounding = max(scalar.noise, 4 * EPSILON) * np.linalg.norm(scalar.dy * (np.abs(there) + np.abs(here)))
    return float(np.sum(scalar.dy * (there - here))), float(rounding)


def _gathered(
    method: str,
    scalar: Scalar,
    generator: np.random.Generator,
    limit: int,
    entry: Callable[[Array], Estimate],
    direction: Callable[[Array], Estimate],
) -> Derivative:
    """The derivative at every place, or at so many chosen at random, and along a few directions."""
    v = scalar.v
    steps = [generator.normal(size=v.shape) for _ in range(DIRECTIONS)]
    places = np.sort(generator.permutation(v.size)[:limit])
    found = np.array([entry(basis(v.shape, place)) for place in places]).reshape(-1, 2)
    rounding = 200 * scalar.noise if method != CENTRAL else 150 * scalar.noise**0.8
    tolerance = max(SHARP[method], rounding)
    if method == CENTRAL and len(places) == v.size:
        steps = []  # they would cross more kinks, and tell nothing new
    directions = tuple((u, *direction(u)) for u in steps)
    return Derivative(method, tolerance, places, found[:, 0], found[:, 1], directions)


def basis(shape: tuple[int, ...], place: int) -> Array:
    """One at a place, given as a flat index, and zero elsewhere."""
    u = np.zeros(shape)
    u.reshape(-1)[place] = 1
    return u
