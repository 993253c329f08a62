"""Convolution and pooling as JAX defines them (jax.lax), computed by ONNX Runtime and NumPy.

Keras' NumPy backend takes these from JAX and computes everything else itself: padding rules, layouts, activations,
normalization. With them it runs without JAX, which takes 380 MB.
"""

from typing import Any, NamedTuple

import numpy as np
from interop.onnx_models import made, theirs
from numpy.typing import NDArray
from onnx import helper

max, add = np.maximum, np.add  # as JAX calls them
Array = NDArray[Any]


class ConvDimensionNumbers(NamedTuple):
    """Axes of batch (output channels), channels (input channels) and positions, of image, kernel and result."""

    lhs_spec: tuple[int, ...]
    rhs_spec: tuple[int, ...]
    out_spec: tuple[int, ...]


def _pairs(padding: Any, sizes: Any, windows: Any, strides: Any) -> Any:
    """Return the padding of each axis: SAME gives ⌈size/stride⌉ outputs, with an odd entry at the end."""
    if not isinstance(padding, str):
        return padding
    sizes, windows, strides = map(np.asarray, (sizes, windows, strides))
    totals = np.maximum((-(-sizes // strides) - 1) * strides + windows - sizes, 0) * (padding.upper() == "SAME")
    return np.stack([totals // 2, totals - totals // 2], 1)


def reduce_window(operand: Array, initial: float, reduce: Any, windows: Any, strides: Any, padding: str) -> Array:
    """Return the reduction of every window; padding has the initial value."""
    padded = np.pad(operand, _pairs(padding, operand.shape, windows, strides), constant_values=initial)
    views = np.lib.stride_tricks.sliding_window_view(padded, windows)[
        tuple(slice(None, None, step) for step in strides)
    ]
    return reduce.reduce(views, axis=tuple(range(-operand.ndim, 0)))


def conv_general_dilated(
    lhs: Array,
    rhs: Array,
    strides: Any,
    padding: Any,
    rhs_dilation: Any = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
) -> Array:
    """Return the cross-correlation of images with dilated kernels."""
    x, w = lhs.transpose(dimension_numbers.lhs_spec), rhs.transpose(dimension_numbers.rhs_spec)
    steps = np.ones(x.ndim - 2, int) if rhs_dilation is None else np.array(rhs_dilation)
    pairs = np.array(_pairs(padding, x.shape[2:], (np.array(w.shape[2:]) - 1) * steps + 1, strides))
    options = {"strides": strides, "dilations": steps, "pads": pairs.T.ravel(), "group": feature_group_count}
    y = theirs(made([helper.make_node("Conv", ["x", "w"], ["y"], **options)], {"w": w}, x.shape), x)
    return y.transpose(np.argsort(dimension_numbers.out_spec))


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
    spec, sizes, gaps = dimension_numbers.rhs_spec, np.array(lhs.shape), np.ones(lhs.ndim, int)
    gaps[[*dimension_numbers.lhs_spec[2:]]] = strides
    wide = np.zeros((sizes - 1) * gaps + 1, lhs.dtype)
    wide[tuple(slice(None, None, gap) for gap in gaps)] = lhs
    turned = np.flip(rhs, spec[2:]).swapaxes(spec[0], spec[1])
    return conv_general_dilated(wide, turned, (1,) * len(strides), padding, rhs_dilation, dimension_numbers)
