"""The array type of operations, and views that several operations share.

A tap is one position of a window. When the window slides over an axis of ``size`` elements, the tap reads element
stride·i + offset for each output i, unless that is padding. All loops of this engine are loops over taps.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import Pair

Array: TypeAlias = NDArray[Any]


def spread_bias(b: Array, axes: int) -> Array:
    """Return a view of b that broadcasts over the batch (untied) or over batch and positions (tied)."""
    return b.reshape(b.shape + (1,) * (axes - 1 - b.ndim))


def masked(values: Array, zero: Array) -> Array:
    """Return contiguous values, with 0 where `zero` holds, by masking their bits: a NaN is not multiplied by 0."""
    bits = np.dtype(f"i{values.dtype.itemsize}")
    mask = zero.astype(bits)
    mask -= 1  # 0 has no bit, −1 has all
    return np.bitwise_and(values.view(bits), mask, out=mask).view(values.dtype)


def select(test: Array, values: Any, others: Any) -> Array:
    """Return values where `test` holds, and others elsewhere; arrays are contiguous, and one may be a number.

    Selecting bits is five times as fast as `numpy.where`, which branches for each element.
    """
    dtype: np.dtype[Any] = np.result_type(values, others)  # a Python number takes the type of the array
    bits = np.dtype(f"i{dtype.itemsize}")
    mask = np.negative(test.astype(bits))
    first, second = np.asarray(values, dtype).view(bits), np.asarray(others, dtype).view(bits)
    mask &= first ^ second
    return np.bitwise_xor(mask, second, out=mask).view(dtype)


def tap_slices(size: int, outputs: int, offset: int, stride: int) -> tuple[slice, slice]:
    """Return slices of the elements that a tap reads and of their outputs: element = stride·output + offset."""
    start = max(0, -(offset // stride))
    stop = max(start, min(outputs, -((offset - size) // stride)))
    first = stride * start + offset
    return slice(first, first + (stop - start) * stride, stride), slice(start, stop)


def axis_taps(
    size: int, outputs: int, taps: int, stride: int, padding: Pair, dilation: int = 1
) -> list[tuple[slice, slice]]:
    """Return `tap_slices` for every tap of a window along one axis, in order."""
    return [tap_slices(size, outputs, dilation * tap - padding[0], stride) for tap in range(taps)]
