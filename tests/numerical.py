"""Finite differences, outputs in float64, and read-only arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.network.network import Network

Array = NDArray[Any]


def normals(seed: int, *shapes: tuple[int, ...], dtype: Any = np.float64) -> list[Array]:
    """Draw normal arrays of each shape, read-only: an operation that modifies its input raises."""
    generator = np.random.default_rng(seed)
    return [frozen(generator.normal(size=shape).astype(dtype)) for shape in shapes]


def frozen(array: Any, dtype: Any = None) -> Array:
    """Make an array read-only."""
    array = np.array(array, dtype)
    array.setflags(write=False)
    return array


ROUNDINGS = 100  # default of `assert_close`: roundings that add up on the longest path from an input to a result


def deviation(found: Any, expected: Any, magnitude: float = 0.0) -> float:
    """Return the largest difference relative to the largest magnitude that is expected, or to `magnitude` if larger.

    It is infinite if shapes differ, unless one is a number, or if the same entries are not NaN or infinite in both.
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    if expected.ndim and found.shape != expected.shape:
        return np.inf
    finite = np.isfinite(expected) & np.isfinite(found)
    if not np.array_equal(*(np.where(finite, 0, array) for array in (found, expected)), equal_nan=True):
        return np.inf
    difference = np.abs(np.where(finite, found, 0) - np.where(finite, expected, 0)).max(initial=0)
    scale = max(magnitude, float(np.abs(np.where(finite, expected, 0)).max(initial=0)))
    return float(difference / scale) if scale else np.inf if difference else 0.0


def assert_close(
    found: Any,
    expected: Any,
    roundings: float = ROUNDINGS,
    *,
    magnitude: float = 0.0,
    dtype: Any = None,
    error: float = 0.0,
    name: Any = "",
) -> None:
    """Check that two computations of the same array differ by rounding only, whatever the order of their sums.

    An entry may differ by `roundings` units in the last place of the largest magnitude that is expected: what rounds
    in a sum is its largest terms, even if the result is small.

    roundings   about the number of terms of the sums on the longest path from an input to a result
    magnitude   the sum of the magnitudes of the terms, if the results may all be smaller
    dtype       the precision of the computation: by default the coarser one of the arrays, and float32 for Python
                numbers, which do not show what they were computed in
    error       the bound relative to the magnitude where methods differ and not only rounding: finite differences
    """
    kinds = [np.dtype(array.dtype) for array in (found, expected) if hasattr(array, "dtype")] or [np.dtype(np.float32)]
    units = [float(np.finfo(kind).eps) for kind in ([np.dtype(dtype)] if dtype else kinds) if kind.kind == "f"]
    allowed, off = error or roundings * max(units, default=np.finfo(float).eps), deviation(found, expected, magnitude)
    assert off <= allowed, (
        f"{name} {off:.1e} of the largest magnitude apart, allowed {allowed:.1e}: {found}, {expected}"
    )


def central_difference(f: Callable[[Array], Any], x: Array, step: float = 1e-6) -> Array:
    """Compute df/dx of a scalar function, (f(x + h) − f(x − h))/2h, per element. Error about h² and ε/h."""
    gradient = np.zeros(x.shape)
    for e in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[e] += step
        down[e] -= step
        gradient[e] = (f(up) - f(down)) / (2 * step)
    return gradient


def complex_step(f: Callable[[Array], Any], x: Array, step: float = 1e-30) -> Array:
    """Compute df/dx of a scalar function of complex numbers, Im f(x + ih)/h: exact to rounding."""
    gradient = np.zeros(x.shape)
    for e in np.ndindex(x.shape):
        up = x.astype(np.complex128)
        up[e] += 1j * step
        gradient[e] = np.imag(f(up)) / step
    return gradient


def assert_gradient(
    operation: Callable[[Array], Array], x: Array, dy: Array, dx: Array, *, smooth: bool = True, step: float = 1e-6
) -> None:
    """Check that dx is the gradient of ⟨dy, operation(x)⟩ by central differences and, if smooth, a complex step."""

    def scalar(x: Array) -> Any:
        return np.sum(dy * operation(x))

    assert_close(dx, central_difference(scalar, x, step), error=1e-6)
    if smooth:
        assert_close(dx, complex_step(scalar, x))


def exact(network: Network, x: Array) -> Array:
    """Return the outputs of a network for inputs in float32, computed in float64 from the same parameters."""
    weights = {name: values.astype(np.float64) for name, values in network.weights.items()}
    options: Any = {"wiring": network.wiring, "dtype": "float64", "engine": "numpy", "weights": weights}
    return Network(network.layers, network.input_shape, **options).apply(x.astype(np.float32).astype(np.float64))
