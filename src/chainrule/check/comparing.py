"""A claimed gradient beside the derivative: the error, relative to the norm, and where it is worst."""

from dataclasses import dataclass

import numpy as np

from chainrule.check.differences import BEND, Slope
from chainrule.check.methods import Derivative
from chainrule.check.report import Worst
from chainrule.engines import Array
from chainrule.shapes import text

TINY = 1e-300


@dataclass(frozen=True)
class Comparison:
    """The largest error relative to ``scale``, the entry where it lies, and how many entries lie on a kink.

    excess   what is left of the error beyond the bar of the derivative: numbers that cannot tell do not accuse
    """

    error: float
    excess: float
    worst: Worst | None = None
    kinks: int = 0


def with_derivative(claimed: Array, derivative: Derivative, scale: float) -> Comparison:
    """A gradient, all of it finite, beside its derivative, entry by entry and along whole directions."""
    scale = max(scale, TINY)
    flat = claimed.reshape(-1)
    gaps = np.abs(flat[derivative.places] - derivative.gradient)
    on_kinks = (derivative.widths > 0) & (gaps <= (1 + BEND) * derivative.widths + derivative.bars)
    met = int(np.sum(on_kinks & (gaps > derivative.tolerance * scale + derivative.bars)))
    gaps = np.where(on_kinks, 0.0, gaps) / scale
    bars = (derivative.bars + derivative.widths) / scale
    beyond = np.maximum(gaps - bars, 0)
    gaps = np.where(bars > derivative.tolerance, beyond, gaps)
    along = [_along(claimed, *one) / scale for one in derivative.directions]
    error = max([float(gaps.max(initial=0.0)), *along])
    excess = max([float(beyond.max(initial=0.0)), *along])
    if excess <= derivative.tolerance or beyond.max(initial=0.0) == 0:
        return Comparison(error, excess, None, met)
    at = int(beyond.argmax())
    place = int(derivative.places[at])
    worst = Worst(_index(place, claimed), float(flat[place]), float(derivative.gradient[at]))
    return Comparison(error, excess, worst, met)


def _index(place: int, array: Array) -> tuple[int, ...]:
    """A flat index with an entry for each axis."""
    index: list[int] = []
    for size in reversed(array.shape):
        place, here = divmod(place, size)
        index.insert(0, here)
    return tuple(index)


def _along(claimed: Array, u: Array, slope: Slope) -> float:
    """The error along a direction, divided by its length, so that it compares with that of an entry."""
    gap = abs(float(np.sum(claimed * u)) - slope.value) - slope.bar - (1 + BEND) * slope.width
    return max(gap, 0.0) / max(float(np.linalg.norm(u)), TINY)


def agree(first: Derivative, second: Derivative, scale: float) -> bool:
    """Whether two derivatives at the same places are the same, as far as the less exact one can tell."""
    if not np.array_equal(first.places, second.places):
        return False
    gaps = np.abs(first.gradient - second.gradient) / max(scale, TINY)
    return bool(gaps.max(initial=0.0) <= max(first.tolerance, second.tolerance))


def with_array(found: Array, expected: Array, least: float = TINY) -> Comparison:
    """Two arrays of one shape; errors are relative to the largest entry expected, or to ``least`` if that is more."""
    size = max(float(np.abs(expected).max(initial=0.0)), least)
    gaps = np.abs(found - expected) / size
    gaps = np.where(np.isfinite(gaps), gaps, np.inf)
    error = float(gaps.max(initial=0.0))
    if error == 0:
        return Comparison(0.0, 0.0)
    place = int(gaps.argmax())
    values = [float(array.reshape(-1)[place]) for array in (found, expected)]
    return Comparison(error, error, Worst(_index(place, gaps), *values))


def not_finite(found: Array) -> str | None:
    """Describe the entries of an array that are infinite or no numbers; None where all are finite."""
    wrong = ~np.isfinite(found)
    if not wrong.any():
        return None
    place = int(wrong.reshape(-1).argmax())
    at = ", ".join(map(str, _index(place, found)))
    share = "all of its entries are" if wrong.all() else f"{int(wrong.sum())} of {found.size} entries are"
    return f"is not finite: {share} inf or nan, the first at [{at}]"


def shapes_differ(title: str, found: Array, expected: tuple[int, ...]) -> str:
    """What is said about a result of the wrong shape."""
    return f"{title} has the shape {text(found.shape) or '()'}, not {text(expected) or '()'}"
