"""The array type of operations, and views used by several operations.

A tap is one position in a window. While the window slides over an axis of ``size`` elements, the tap reads the element
stride·i + offset for each output i, unless this element is padding. Convolution and pooling loop over taps and compute
all outputs at once.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import Padding, Pair

Array: TypeAlias = NDArray[Any]


def spread_bias(b: Array, axes: int) -> Array:
    """Return a view of b that broadcasts over the batch and, for one bias per channel, over the positions.

    axes   number of axes of the array to which b is added
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
    first, second = np.asarray(values, dtype).view(bits), np.asarray(others, dtype).view(bits)
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


def axis_taps(
    size: int, outputs: int, taps: int, stride: int, padding: Pair, dilation: int = 1
) -> list[tuple[slice, slice]]:
    """Return the `tap_slices` of all taps of a window along one axis, in order."""
    return [tap_slices(size, outputs, dilation * tap - padding[0], stride) for tap in range(taps)]


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
