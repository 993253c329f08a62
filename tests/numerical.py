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

    np.testing.assert_allclose(dx, central_difference(scalar, x, step), rtol=1e-6, atol=1e-7)
    if smooth:
        np.testing.assert_allclose(dx, complex_step(scalar, x), rtol=1e-12, atol=1e-13)


def exact(network: Network, x: Array) -> Array:
    """Return the outputs of a network for inputs in float32, computed in float64 from the same parameters."""
    weights = {name: values.astype(np.float64) for name, values in network.weights.items()}
    options: Any = {"wiring": network.wiring, "dtype": "float64", "engine": "numpy", "weights": weights}
    return Network(network.layers, network.input_shape, **options).apply(x.astype(np.float32).astype(np.float64))
