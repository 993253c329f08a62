"""Compare gradients with derivatives and results with expected arrays: relative errors and the worst element.

`noise` estimates the rounding error of a function, which may compute in float64 or partly in float32.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np

from chainrule.check.derivatives import Derivative
from chainrule.check.differences import KINK_THRESHOLD, Slope
from chainrule.check.wrong_numbers import WorstEntry
from chainrule.core.shapes import text
from chainrule.engines.protocol import Array
from chainrule.explain.cells import cell_index

TINY = 1e-300  # avoids divisions by zero
DIFFERENCE_ORDER = 4  # order of the finite differences that estimate noise
NOISE_DIRECTIONS = 3  # number of directions; the smallest estimate is used
NOISE_STEP = 1e-6  # large enough to change a float32, small enough that a smooth function is nearly linear
FLOAT64_NOISE = 1e-12  # larger noise cannot result from rounding in float64
MAX_NOISE = 1e-5  # larger noise cannot result from rounding in float32


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison. All errors are relative to a scale chosen by the caller.

    error    largest error
    excess   largest error beyond the derivative's error bound; only this proves that a gradient is wrong
    worst    element with the largest excess; may be None if the excess is accepted
    kinks    number of elements that differ from the derivative but are valid, because they lie on a kink
    """

    error: float
    excess: float
    worst: WorstEntry | None = None
    kinks: int = 0


def compare_with_derivative(claimed: Array, derivative: Derivative, scale: float) -> Comparison:
    """Compare a finite gradient with a numerical derivative, for single elements and along random directions."""
    scale = max(scale, TINY)
    flat = claimed.reshape(-1)
    gaps = np.abs(flat[derivative.indices] - derivative.gradient)
    on_kinks = (derivative.kink_widths > 0) & (
        gaps <= (1 + KINK_THRESHOLD) * derivative.kink_widths + derivative.error_bounds
    )
    kinks = int(np.sum(on_kinks & (gaps > derivative.tolerance * scale + derivative.error_bounds)))
    gaps = np.where(on_kinks, 0.0, gaps) / scale
    error_bounds = (derivative.error_bounds + derivative.kink_widths) / scale
    beyond = np.maximum(gaps - error_bounds, 0)
    gaps = np.where(error_bounds > derivative.tolerance, beyond, gaps)
    along = list[float]()
    for direction in derivative.directions:
        along.append(_along(claimed, *direction) / scale)
    error = max([float(gaps.max(initial=0.0)), *along])
    excess = max([float(beyond.max(initial=0.0)), *along])
    if excess <= derivative.tolerance or beyond.max(initial=0.0) == 0:
        return Comparison(error, excess, None, kinks)
    worst_entry = int(beyond.argmax())
    index = int(derivative.indices[worst_entry])
    worst = WorstEntry(cell_index(index, claimed.shape), float(flat[index]), float(derivative.gradient[worst_entry]))
    return Comparison(error, excess, worst, kinks)


def _along(claimed: Array, u: Array, slope: Slope) -> float:
    """Return the error of the slope along u, divided by the length of u to be comparable to an element's error."""
    gap = abs(float(np.sum(claimed * u)) - slope.value) - slope.error_bound - (1 + KINK_THRESHOLD) * slope.kink_width
    return max(gap, 0.0) / max(float(np.linalg.norm(u)), TINY)


def compare_with_array(result: Array, expected: Array, min_scale: float = TINY) -> Comparison:
    """Compare arrays of equal shapes. Errors are relative to the largest expected element, at least ``min_scale``."""
    finite = np.isfinite(expected)
    size = max(float(np.abs(expected[finite]).max(initial=0.0)), min_scale)
    with np.errstate(invalid="ignore"):  # ∞ − ∞, where both overflow
        gaps = np.where(result == expected, 0.0, np.abs(result - expected) / size)
    gaps = np.where(np.isfinite(gaps), gaps, np.inf)
    error = float(gaps.max(initial=0.0))
    if error == 0:
        return Comparison(0.0, 0.0)
    index = int(gaps.argmax())
    values = list[float]()
    for array in (result, expected):
        values.append(float(array.reshape(-1)[index]))
    return Comparison(error, error, WorstEntry(cell_index(index, gaps.shape), *values))


def non_finite_message(array: Array) -> str | None:
    """Return a description of infinite and NaN elements, or None if all elements are finite."""
    wrong = ~np.isfinite(array)
    if not wrong.any():
        return None
    index = int(wrong.reshape(-1).argmax())
    position = ", ".join(map(str, cell_index(index, array.shape)))
    if wrong.all():
        count = "all elements are"
    else:
        count = f"{int(wrong.sum())} of {array.size} elements are"
    return f"is not finite: {count} inf or nan, the first at [{position}]"


def shape_message(title: str, result: Array, expected: tuple[int, ...]) -> str:
    """Return the message about a result with the wrong shape."""
    return f"{title} has the shape {_shape(result.shape)}, not {_shape(expected)}"


def _shape(shape: tuple[int, ...]) -> str:
    if len(shape) > 1:
        return text(shape)
    return str(shape)


def noise(f: Callable[[Array], Array], v: Array, generator: np.random.Generator) -> float:
    """Return the relative rounding error of f near v, estimated from fourth differences along a few directions.

    For a smooth function and steps of 1e-6, fourth differences contain only rounding errors. They are larger if the
    steps cross a kink, so the smallest of several estimates is used. If the result has a narrow dtype, the rounding
    error is at least the dtype's.
    """
    dtype = np.asarray(f(v)).dtype
    if dtype.kind == "f" and dtype.itemsize < 8:
        dtype_noise = float(np.finfo(dtype).eps) / 4
    else:
        dtype_noise = 0.0
    smallest = np.inf
    for _ in range(NOISE_DIRECTIONS):
        smallest = min(smallest, _rounding_error(f, v, generator.normal(size=v.shape)))
        if smallest <= FLOAT64_NOISE:
            return dtype_noise
    return max(dtype_noise, smallest if smallest < MAX_NOISE else 0.0)


def _rounding_error(f: Callable[[Array], Array], v: Array, direction: Array) -> float:
    """Return the standard deviation of f's rounding error, relative to the largest value of f; 0 if f is not finite."""
    values = list[Array]()
    for step in range(DIFFERENCE_ORDER + 1):
        values.append(np.asarray(f(v + NOISE_STEP * step * direction)))
    if not all(np.isfinite(value).all() for value in values):
        return 0.0
    signs = [(-1) ** step * comb(DIFFERENCE_ORDER, step) for step in range(DIFFERENCE_ORDER + 1)]
    ripple = np.tensordot(np.array(signs, np.float64), np.stack(values), 1)
    size = max(float(np.abs(values[0]).max(initial=0.0)), 1e-300)
    return float(np.sqrt(np.mean(np.square(ripple)) / comb(2 * DIFFERENCE_ORDER, DIFFERENCE_ORDER))) / size
