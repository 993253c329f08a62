"""Checks of shapes shared by operations; each message names the operation and quotes the sizes."""

from typing import Any

from numpy.typing import NDArray

from chainrule.core.shapes import text
from chainrule.errors import ShapeError


def check_axes(operation: str, name: str, array: NDArray[Any], axes: str) -> None:
    """Refuse an array whose number of axes differs from that of ``axes``, such as "N, C, H, W"."""
    if array.ndim != len(axes.split(",")):
        raise ShapeError(f"{operation}: {name} is {text(array.shape) or 'a single number'}, expected ({axes})")


def check_rows(operation: str, name: str, array: NDArray[Any]) -> None:
    """Refuse an array without an axis of classes after the batch axis."""
    if array.ndim < 2:
        raise ShapeError(
            f"{operation}: {name} is {text(array.shape) or 'a single number'}, expected (N, K) or (N, K, …)"
        )


def check_same(operation: str, **arrays: NDArray[Any]) -> None:
    """Refuse arrays, given by name, whose shapes differ."""
    if len({array.shape for array in arrays.values()}) > 1:
        shown = ", ".join(f"{name} {text(array.shape)}" for name, array in arrays.items())
        raise ShapeError(f"{operation}: shapes differ: {shown}")


def check_shape(operation: str, name: str, array: NDArray[Any], expected: tuple[int, ...]) -> None:
    """Refuse an array that is not of the expected shape."""
    if array.shape != expected:
        raise ShapeError(f"{operation}: {name} is {text(array.shape)}, expected {text(expected)}")


def check_sample(operation: str, name: str, array: NDArray[Any]) -> None:
    """Refuse a single number, which has no batch axis."""
    if array.ndim == 0:
        raise ShapeError(f"{operation}: {name} is a single number, expected (N, …)")
