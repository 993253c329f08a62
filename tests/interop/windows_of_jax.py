"""Convolution and pooling as JAX defines them (jax.lax), in plain NumPy.

Keras' NumPy backend takes these from JAX and computes everything else itself: padding rules, layouts, activations,
normalization. With them it runs without JAX, which takes 380 MB.
"""

from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

max, add = np.maximum, np.add  # as JAX calls them
Array = NDArray[Any]
Pairs = list[tuple[int, int]]


class ConvDimensionNumbers(NamedTuple):
    """Axes of batch (output channels), channels (input channels) and positions, of image, kernel and result."""

    lhs_spec: tuple[int, ...]
    rhs_spec: tuple[int, ...]
    out_spec: tuple[int, ...]


def _pairs(padding: Any, sizes: Any, windows: Any, strides: Any) -> Pairs:
    """Return the padding of each axis: SAME gives ⌈size/stride⌉ outputs, with an odd entry at the end."""
    if not isinstance(padding, str):
        return [tuple(pair) for pair in padding]
    if padding.upper() == "VALID":
        return [(0, 0)] * len(sizes)
    outputs = [-(-size // stride) for size, stride in zip(sizes, strides, strict=True)]
    totals = [
        np.maximum((count - 1) * stride + window - size, 0)
        for count, stride, window, size in zip(outputs, strides, windows, sizes, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


def _taps(x: Array, windows: Any, strides: Any, dilations: Any) -> Any:
    """Yield the position of each entry of a window, and the entries of x under it at all outputs."""
    counts = [
        (size - (window - 1) * dilation - 1) // stride + 1
        for size, window, dilation, stride in zip(x.shape, windows, dilations, strides, strict=True)
    ]
    for tap in product(*map(range, windows)):
        yield (
            tap,
            x[
                tuple(
                    slice(place * dilation, place * dilation + (count - 1) * stride + 1, stride)
                    for place, dilation, count, stride in zip(tap, dilations, counts, strides, strict=True)
                )
            ],
        )


def reduce_window(operand: Array, initial: float, reduce: Any, windows: Any, strides: Any, padding: str) -> Array:
    """Return the reduction of every window; padding has the initial value."""
    pairs = _pairs(padding, operand.shape, windows, strides)
    padded = np.pad(operand, pairs, constant_values=initial)
    result: Any = np.asarray(initial, operand.dtype)
    for _, entries in _taps(padded, windows, strides, [1] * operand.ndim):
        result = reduce(result, entries)
    return result


def conv_general_dilated(
    lhs: Array,
    rhs: Array,
    strides: Any,
    padding: Any,
    lhs_dilation: Any = None,
    rhs_dilation: Any = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
) -> Array:
    """Return the cross-correlation of images, enlarged by zeros between their entries, with dilated kernels."""
    x, w = lhs.transpose(dimension_numbers.lhs_spec), rhs.transpose(dimension_numbers.rhs_spec)
    axes = x.ndim - 2
    gaps = lhs_dilation or (1,) * axes
    wide = np.zeros(
        (*x.shape[:2], *((size - 1) * gap + 1 for size, gap in zip(x.shape[2:], gaps, strict=True))), x.dtype
    )
    wide[(..., *(slice(None, None, gap) for gap in gaps))] = x
    dilations = rhs_dilation or (1,) * axes
    reaches = [(size - 1) * dilation + 1 for size, dilation in zip(w.shape[2:], dilations, strict=True)]
    pairs = _pairs(padding, wide.shape[2:], reaches, strides)
    padded = np.pad(wide, [(0, 0), (0, 0), *pairs])
    groups = zip(np.split(padded, feature_group_count, 1), np.split(w, feature_group_count, 0), strict=True)
    parts = [_correlated(image, kernels, strides, dilations) for image, kernels in groups]
    return np.concatenate(parts, 1).transpose(np.argsort(dimension_numbers.out_spec))


def _correlated(x: Array, w: Array, strides: Any, dilations: Any) -> Array:
    result: Any = 0.0
    for (_, _, *tap), entries in _taps(x, (1, 1, *w.shape[2:]), (1, 1, *strides), (1, 1, *dilations)):
        result = result + np.einsum("nc...,oc->no...", entries, w[(..., *tap)])
    return result.astype(x.dtype)


def conv_transpose(
    lhs: Array,
    rhs: Array,
    strides: Any,
    padding: Any,
    rhs_dilation: Any = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
) -> Array:
    """Return the transposed convolution: that of an image with zeros between its entries, and rotated kernels."""
    assert transpose_kernel
    spec = dimension_numbers.rhs_spec
    turned = np.flip(rhs, spec[2:]).swapaxes(spec[0], spec[1])
    steps = (1,) * len(strides)
    return conv_general_dilated(lhs, turned, steps, padding, strides, rhs_dilation, dimension_numbers)
