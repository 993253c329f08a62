"""The array type of all operations and checks of shapes; sliding windows for convolution and pooling, axis by axis."""

from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from numpy.typing import NDArray

from chainrule.core.shapes import Padding, Pair, check_fits, extent, output_size, text
from chainrule.errors import ShapeError

Array: TypeAlias = NDArray[Any]


def check_axes(operation: str, name: str, array: Array, axes: str) -> None:
    """Raise ShapeError unless an array has the axes ``axes``, such as "N, C, H, W"."""
    if array.ndim != len(axes.split(",")):
        raise ShapeError(f"{operation}: {name} is {text(array.shape) or 'a single number'}, expected ({axes})")


def check_rows(operation: str, name: str, array: Array) -> None:
    """Raise ShapeError unless an array has a class axis after the batch axis."""
    if array.ndim < 2:
        raise ShapeError(
            f"{operation}: {name} is {text(array.shape) or 'a single number'}, expected (N, K) or (N, K, …)"
        )


def check_same(operation: str, **arrays: Array) -> None:
    """Raise ShapeError unless all arrays, passed by name, have the same shape."""
    if len({array.shape for array in arrays.values()}) > 1:
        shown = ", ".join(f"{name} {text(array.shape)}" for name, array in arrays.items())
        raise ShapeError(f"{operation}: shapes differ: {shown}")


def check_shape(operation: str, name: str, array: Array, expected: tuple[int, ...]) -> None:
    """Raise ShapeError unless an array has the expected shape."""
    if array.shape != expected:
        raise ShapeError(f"{operation}: {name} is {text(array.shape)}, expected {text(expected)}")


def check_sample(operation: str, name: str, array: Array) -> None:
    """Raise ShapeError for a single number, which has no batch axis."""
    if array.ndim == 0:
        raise ShapeError(f"{operation}: {name} is a single number, expected (N, …)")


class Axis(NamedTuple):
    """One axis of a sliding window: an image of ``size`` pixels and a window of ``window`` taps."""

    size: int
    window: int
    stride: int
    padding: Pair
    dilation: int

    @property
    def outputs(self) -> int:
        """Number of window positions: H' = ⌊(H + p_before + p_after − d(K−1) − 1)/s⌋ + 1."""
        return output_size(*self)


@lru_cache(1 << 12)  # loops ask for the same positions again and again
def taps(axis: Axis, i: int) -> tuple[tuple[int, int], ...]:
    """Return (u, h) for each tap u of the window at position i that is on the image: pixel h = s·i + d·u − p_before.

    The other taps are on padding: they read zeros and propagate no gradient.
    """
    pixels = list[tuple[int, int]]()
    for u in range(axis.window):
        h = axis.stride * i + axis.dilation * u - axis.padding[0]
        if 0 <= h < axis.size:
            pixels.append((u, h))
    return tuple(pixels)


def sliding(
    operation: str, what: str, size: Pair, window: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1)
) -> tuple[Axis, Axis]:
    """Return the row axis and the column axis of a sliding window; raise ShapeError if the window does not fit."""
    reach = (extent(window[0], dilation[0]), extent(window[1], dilation[1]))
    shown = what if reach == tuple(window) else f"{what} {text(window)} dilated to"
    check_fits(operation, shown, reach, size, padding)
    return (
        Axis(size[0], window[0], stride[0], padding[0], dilation[0]),
        Axis(size[1], window[1], stride[1], padding[1], dilation[1]),
    )


def real_part(x: Any) -> Any:
    """Return the real part, used to compare complex numbers. NaN fails every comparison and so propagates."""
    return x.real
