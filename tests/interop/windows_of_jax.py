"""Convolution and pooling as JAX defines them (jax.lax), in plain NumPy.

Keras' NumPy backend takes these from JAX and computes everything else itself: padding rules, layouts, activations,
normalization. With them it runs without JAX, which takes 380 MB.
"""

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
    totals = [
        np.maximum((-(-size // stride) - 1) * stride + window - size, 0)
        for size, window, stride in zip(sizes, windows, strides, strict=True)
    ]
    return [(total // 2, total - total // 2) for total in totals]


def _windows(x: Array, windows: Any, strides: Any, dilations: Any) -> Array:
    """Return windows of the last axes: their positions, and then the entries of each, are the last axes."""
    reaches = [(size - 1) * dilation + 1 for size, dilation in zip(windows, dilations, strict=True)]
    views = np.lib.stride_tricks.sliding_window_view(x, reaches, tuple(range(-len(reaches), 0)))
    return views[(..., *(slice(None, None, step) for step in (*strides, *dilations)))]


def reduce_window(operand: Array, initial: float, reduce: Any, windows: Any, strides: Any, padding: str) -> Array:
    """Return the reduction of every window; padding has the initial value."""
    pairs, axes = _pairs(padding, operand.shape, windows, strides), operand.ndim
    padded = np.pad(operand, pairs, constant_values=initial)
    return reduce.reduce(_windows(padded, windows, strides, [1] * axes), axis=tuple(range(axes, 2 * axes)))


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
    gaps, dilations = lhs_dilation or (1,) * axes, rhs_dilation or (1,) * axes
    sizes = [(size - 1) * gap + 1 for size, gap in zip(x.shape[2:], gaps, strict=True)]
    wide = np.zeros((*x.shape[:2], *sizes), x.dtype)
    wide[(..., *(slice(None, None, gap) for gap in gaps))] = x
    reaches = [(size - 1) * dilation + 1 for size, dilation in zip(w.shape[2:], dilations, strict=True)]
    padded = np.pad(wide, [(0, 0), (0, 0), *_pairs(padding, sizes, reaches, strides)])
    cells = [1, *range(2 + axes, 2 + 2 * axes)], [1, *range(2, 2 + axes)]  # channels and entries of windows
    parts = [
        np.tensordot(_windows(image, kernels.shape[2:], strides, dilations), kernels, cells)
        for image, kernels in zip(
            np.split(padded, feature_group_count, 1), np.split(w, feature_group_count, 0), strict=True
        )
    ]
    return np.moveaxis(np.concatenate(parts, -1), -1, 1).transpose(np.argsort(dimension_numbers.out_spec))


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
