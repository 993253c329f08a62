"""Derivatives by numbers alone, and arrays that refuse to be written to."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def normals(seed: int, *shapes: tuple[int, ...], dtype: Any = np.float64) -> list[Array]:
    """Normal numbers of each shape. Read-only: an operation that modifies its input raises."""
    generator = np.random.default_rng(seed)
    return [frozen(generator.normal(size=shape).astype(dtype)) for shape in shapes]


def frozen(array: Any, dtype: Any = None) -> Array:
    """A read-only array."""
    array = np.array(array, dtype)
    array.setflags(write=False)
    return array


def central_difference(f: Callable[[Array], Any], x: Array, step: float = 1e-6) -> Array:
    """df/dx of a scalar function, (f(x + h) − f(x − h))/2h one element at a time. Error about h² and ε/h."""
    gradient = np.zeros(x.shape)
    for e in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[e] += step
        down[e] -= step
        gradient[e] = (f(up) - f(down)) / (2 * step)
    return gradient


def complex_step(f: Callable[[Array], Any], x: Array, step: float = 1e-30) -> Array:
    """df/dx of a scalar function that also takes complex numbers, Im f(x + ih)/h: exact to rounding."""
    gradient = np.zeros(x.shape)
    for e in np.ndindex(x.shape):
        up = x.astype(np.complex128)
        up[e] += 1j * step
        gradient[e] = np.imag(f(up)) / step
    return gradient


def assert_gradient(
    operation: Callable[[Array], Array], x: Array, dy: Array, dx: Array, *, smooth: bool = True, step: float = 1e-6
) -> None:
    """dx must be the gradient of ⟨dy, operation(x)⟩, by central differences and, where smooth, by a complex step."""

    def scalar(x: Array) -> Any:
        return np.sum(dy * operation(x))

    np.testing.assert_allclose(dx, central_difference(scalar, x, step), rtol=1e-6, atol=1e-7)
    if smooth:
        np.testing.assert_allclose(dx, complex_step(scalar, x), rtol=1e-12, atol=1e-13)
