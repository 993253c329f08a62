"""An engine for derivatives: the operations in float64 and complex128, as fast as exactness allows.

A complex step needs operations without |x| and without comparisons of complex numbers. Operations of the NumPy engine
that only add, multiply and divide qualify; a few are written for complex numbers here; the reference loops do the rest.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.engines import loader
from chainrule.engines.interpreter import ModuleEngine
from chainrule.engines.numpy import pooling
from chainrule.engines.protocol import Array

LINEAR = {
    *("cross_correlate", "cross_correlate_dx", "add_bias", "dense", "average_pool"),
    *("batch_norm", "group_norm", "dropout", "tanh", "arctan", "pad", "crop", "permute", "resample"),
    *("add", "multiply", "concatenate", "expand_positions", "expand_channels"),
}


def _sigmoid(x: Array) -> Array:
    """Compute the sigmoid in the form that does not overflow, chosen by the real part."""
    e = np.exp(np.where(np.real(x) > 0, -x, x))
    return np.where(np.real(x) > 0, 1 / (1 + e), e / (1 + e))


def _relu(x: Array) -> Array:
    return x * (np.real(x) > 0)


def _leaky_relu(x: Array, *, slope: float) -> Array:
    return x * np.where(np.real(x) > 0, 1.0, slope)


def _max_pool(x: Array, **options: Any) -> tuple[Array, Array]:
    """Return the cells with the largest real parts, and their flat indices."""
    _, winner = pooling.max_pool(np.ascontiguousarray(np.real(x)), **options)
    cells = np.take_along_axis(x.reshape(*x.shape[:2], -1), winner.reshape(*x.shape[:2], -1).astype(np.intp), axis=2)
    return cells.reshape(winner.shape), winner


COMPLEX: dict[str, Callable[..., Any]] = {
    "sigmoid": _sigmoid,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "max_pool": _max_pool,
}


class ExactEngine(ModuleEngine):
    """The NumPy engine for real arrays; for complex ones, operations that preserve imaginary parts."""

    def __init__(self) -> None:
        super().__init__("numpy")
        self.name = "exact"
        self._reference = loader.find("reference")

    def run(self, name: str, arrays: tuple[Array | None, ...], attributes: Mapping[str, Any]) -> tuple[Array, ...]:
        """Call the operation, with all arrays converted to their widest type, float64 at least."""
        numbers = [array.dtype for array in arrays if array is not None and array.dtype.kind in "fc"]
        dtype = np.result_type(np.float64, *numbers)
        given = tuple(None if array is None else _cast(array, dtype) for array in arrays)
        if dtype.kind != "c" or name in LINEAR:
            return super().run(name, given, attributes)
        if name in COMPLEX:
            results: Array | tuple[Array, ...] = COMPLEX[name](*given, **attributes)
            return results if isinstance(results, tuple) else (results,)
        return self._reference.run(name, given, attributes)


def _cast(array: Array, dtype: np.dtype[Any]) -> Array:
    return array.astype(dtype) if array.dtype.kind in "fc" else array


ENGINE = ExactEngine()
