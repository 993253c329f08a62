"""The array type of operations, and views used by several operations.

A tap is one position in a window. While the window slides over an axis of ``size`` elements, the tap reads the element
stride·i + offset for each output i, unless this element is padding. Convolution and pooling loop over taps and compute
all outputs at once.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import Padding, Pair, output_size

Array: TypeAlias = NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])


def quiet(function: F) -> F:
    """Decorate an operation, whose results may be infinite or NaN, so that NumPy does not warn."""
    return np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore")(function)


def spread_bias(b: Array, axes: int) -> Array:
    """Return a view of b that broadcasts over the batch and, for one bias per channel, over the positions.

    axes   number of axes of the array that b is added to
    """
    return b.reshape(b.shape + (1,) * (axes - 1 - b.ndim))


def masked(values: Array, zero: Array) -> Array:
    """Return `values`, which must be contiguous, with 0 where `zero` is true. Bits are masked, since NaN · 0 is NaN."""
    bits = np.dtype(f"i{values.dtype.itemsize}")
    mask = zero.astype(bits)
    mask -= 1  # no bits are set in 0, and all in −1
    return np.bitwise_and(values.view(bits), mask, out=mask).view(values.dtype)


def select(test: Array, values: Any, others: Any) -> Array:
    """Return `values` where `test` is true and `others` elsewhere.

    Both are contiguous arrays; one of them may be a number. Selecting bits is five times as fast as `numpy.where`,
    which branches for every element.
    """
    dtype: np.dtype[Any] = np.result_type(values, others)  # a Python number is converted to the array's dtype
    bits = np.dtype(f"i{dtype.itemsize}")
    mask = np.negative(test.astype(bits))
    first = np.asarray(values, dtype).view(bits)
    second = np.asarray(others, dtype).view(bits)
    mask &= first ^ second
    return np.bitwise_xor(mask, second, out=mask).view(dtype)


def tap_slices(size: int, outputs: int, offset: int, stride: int) -> tuple[slice, slice]:
    """Return the elements that a tap reads and the outputs for which it reads them, as two slices of equal length.

    Element stride·i + offset is read for output i.

    size      number of elements along the axis
    outputs   number of outputs along the axis
    """
    start = max(0, -(offset // stride))
    stop = max(start, min(outputs, -((offset - size) // stride)))
    first = stride * start + offset
    return slice(first, first + (stop - start) * stride, stride), slice(start, stop)


class Taps(NamedTuple):
    """The positions of a window that slides over an image, and what each of its taps reads.

    outputs       number of window positions (H', W')
    down, across  `tap_slices` of the window's rows and columns, in order
    """

    outputs: Pair
    down: tuple[tuple[slice, slice], ...]
    across: tuple[tuple[slice, slice], ...]


@lru_cache(1 << 10)
def window_taps(
    size: Pair, window: Pair, stride: Pair, padding: Padding, dilation: Pair = (1, 1), outputs: Pair | None = None
) -> Taps:
    """Return the taps of a window on an image of a given size. They are kept, because every step needs them again.

    outputs   number of window positions (H', W'); None: as many as fit
    """
    outputs = outputs or cast("Pair", tuple(map(output_size, size, window, stride, padding, dilation)))
    by_axis = list[tuple[tuple[slice, slice], ...]]()
    for axis in (0, 1):
        taps = list[tuple[slice, slice]]()
        for tap in range(window[axis]):
            offset = dilation[axis] * tap - padding[axis][0]
            taps.append(tap_slices(size[axis], outputs[axis], offset, stride[axis]))
        by_axis.append(tuple(taps))
    down, across = by_axis
    return Taps(outputs, down, across)


def divisors(
    size: tuple[int, ...], outputs: tuple[int, ...], window: Pair, stride: Pair, padding: Padding, divisor: str
) -> Array:
    """Return the divisors of the sums over windows, with shape (H', W'), or (1, 1) if all divisors are equal."""
    if divisor == "cells":
        return np.multiply.outer(*map(_elements_under, size, outputs, window, stride, padding))
    return np.full((1, 1), {"window": window[0] * window[1], "one": 1}[divisor])


def _elements_under(size: int, outputs: int, window: int, stride: int, padding: Pair) -> Array:
    """Return the number of elements in each window along one axis, excluding padding."""
    starts = stride * np.arange(outputs) - padding[0]
    return np.minimum(starts + window, size) - np.maximum(starts, 0)


def logistic(x: Array) -> Array:
    """Return σ(x) = 1/(1 + e^−x), which is 0 where e^−x overflows."""
    y = np.exp(-x)
    y += 1
    return np.divide(1, y, out=y)


def normal_density(x: Array) -> Array:
    """Return φ(x), the density of the standard normal distribution."""
    density = x * x
    density *= -0.5
    np.exp(density, out=density)
    density *= 1 / math.sqrt(2 * math.pi)
    return density


def normal_distribution(x: Array) -> Array:
    """Return Φ(x), the cumulative distribution function. It is computed from φ to avoid cancellation in the tails."""
    from chainrule.operations.normal import mills_ratio

    tail = normal_density(x)
    tail *= mills_ratio(np.abs(x))
    return select(x > 0, 1 - tail, tail)
