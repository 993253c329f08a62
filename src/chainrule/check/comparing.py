"""A claimed gradient beside the derivative: the error, relative to the norm, and where it is worst."""

from dataclasses import dataclass

import numpy as np

from chainrule.check.kinks import is_kink
from chainrule.check.methods import Derivative, Scalar, basis
from chainrule.check.report import Worst
from chainrule.engines import Array
from chainrule.shapes import text

TINY = 1e-300
SUSPECTS = 40  # entries that are looked at once more for a kink


@dataclass(frozen=True)
class Comparison:
    """The largest error relative to ``scale``, the entry where it lies, and how many kinks were stepped round.

    excess   what is left of the error beyond the bar of the derivative: numbers that cannot tell do not accuse
    """

    error: float
    excess: float
    worst: Worst | None = None
    kinks: int = 0


def with_derivative(claimed: Array, derivative: Derivative, scale: float, scalar: Scalar) -> Comparison:
    """A gradient beside its derivative, entry by entry and along whole directions; kinks are stepped round."""
    scale = max(scale, TINY)
    flat = claimed.reshape(-1)
    gaps = np.abs(flat[derivative.places] - derivative.gradient) / scale
    gaps[~np.isfinite(gaps)] = np.inf
    beyond = np.maximum(gaps - derivative.bars / scale, 0)
    stepped = _kinks(flat, derivative, beyond, scalar)
    gaps[stepped] = beyond[stepped] = 0
    along = [] if stepped else [_along(claimed, *one) / scale for one in derivative.directions]
    error = max([float(gaps.max(initial=0.0)), *along])
    excess = max([float(beyond.max(initial=0.0)), *along])
    if excess <= derivative.tolerance or beyond.max(initial=0.0) == 0:
        return Comparison(error, excess, None, len(stepped))
    at = int(beyond.argmax())
    place = int(derivative.places[at])
    worst = Worst(_index(place, claimed), float(flat[place]), float(derivative.gradient[at]))
    return Comparison(error, excess, worst, len(stepped))


def _index(place: int, array: Array) -> tuple[int, ...]:
    """A flat index with an entry for each axis."""
    index: list[int] = []
    for size in reversed(array.shape):
        place, here = divmod(place, size)
        index.insert(0, here)
    return tuple(index)


def _along(claimed: Array, u: Array, slope: float, bar: float) -> float:
    """The error along a direction, divided by its length, so that it compares with that of an entry."""
    gap = max(abs(float(np.sum(claimed * u)) - slope) - bar, 0) / max(float(np.linalg.norm(u)), TINY)
    return gap if np.isfinite(gap) else np.inf


def _kinks(flat: Array, derivative: Derivative, gaps: Array, scalar: Scalar) -> list[int]:
    """Which of the entries that seem wrong are kinks with a slope between both sides."""
    order: list[int] = np.argsort(-gaps)[:SUSPECTS].tolist()
    places: list[int] = derivative.places.tolist()
    shape = scalar.v.shape
    return [
        at
        for at in order
        if gaps[at] > derivative.tolerance and is_kink(scalar, basis(shape, places[at]), float(flat[places[at]]))
    ]


def agree(first: Derivative, second: Derivative, scale: float) -> bool:
    """Whether two derivatives at the same places are the same, as far as the less exact one can tell."""
    if not np.array_equal(first.places, second.places):
        return False
    gaps = np.abs(first.gradient - second.gradient) / max(scale, TINY)
    return bool(gaps.max(initial=0.0) <= max(first.tolerance, second.tolerance))


def with_array(found: Array, expected: Array) -> Comparison:
    """Two arrays of one shape."""
    size = float(np.abs(expected).max(initial=0.0))
    gaps = np.abs(found - expected) / max(size, TINY)
    gaps = np.where(np.isfinite(gaps), gaps, np.inf)
    error = float(gaps.max(initial=0.0))
    if error == 0:
        return Comparison(0.0, 0.0)
    place = int(gaps.argmax())
    values = [float(array.reshape(-1)[place]) for array in (found, expected)]
    return Comparison(error, error, Worst(_index(place, gaps), *values))


def shapes_differ(title: str, found: Array, expected: tuple[int, ...]) -> str:
    """What is said about a result of the wrong shape."""
    return f"{title} has the shape {text(found.shape) or '()'}, not {text(expected) or '()'}"
