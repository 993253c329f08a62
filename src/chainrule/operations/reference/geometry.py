"""Operations that move or resample the elements of a sample: padding, cropping, permutation, selection, resampling.

Derived step by step in docs/derivations/geometry.md and docs/derivations/resampling.md.
"""

from typing import Any

import numpy as np

from chainrule.core.shapes import (
    WHOLE_IMAGE,
    Ends,
    Lines,
    Pair,
    check_ends,
    check_permutation,
    resampling_weights,
    text,
)
from chainrule.errors import ShapeError
from chainrule.operations.reference.windows import Array, check_axes, check_sample, check_shape, real_part

Weights = list[list[tuple[int, float]]]


def pad(x: Array, *, before: Ends, after: Ends) -> Array:
    """Surround every sample with zeros; the gradient is `crop` with the same attributes.

    y[n,m] = x[n, m − before] where x has that element, else 0
    dx     = crop(dy) with the same attributes

    m is an element's index within its sample, such as (c, i, j); ``before`` and ``after`` are the numbers of zeros at
    the beginning and end of each axis of the sample.

    Shapes   x (N, …)  →  y (N, …), each axis longer by before + after
    Kept     nothing
    Errors   ShapeError when x has no batch axis; OptionError when before or after is negative or has another length
    Source   Dumoulin & Visin 2016, "A guide to convolution arithmetic for deep learning", 2.2; ONNX Pad
    """
    check_sample("pad", "x", x)
    check_ends("pad", x.shape[1:], before, after)
    sizes = (size + front + back for size, front, back in zip(x.shape[1:], before, after, strict=True))
    y = np.zeros((len(x), *sizes), x.dtype)
    for n, *m in np.ndindex(x.shape):
        y[n, *_moved(m, before)] = x[n, *m]
    return y


def crop(x: Array, *, before: Ends, after: Ends) -> Array:
    """Crop both ends of every axis of a sample; the gradient is `pad` with the same attributes.

    y[n,m] = x[n, m + before]
    dx     = pad(dy) with the same attributes

    m is an element's index within its sample; ``before`` and ``after`` are the numbers of elements removed at the
    beginning and end of each axis of the sample.

    Shapes   x (N, …)  →  y (N, …), each axis shorter by before + after
    Kept     nothing
    Errors   ShapeError when x has no batch axis, or the result is empty; OptionError as for `pad`
    Source   ONNX Slice with steps of 1; the adjoint of `pad`
    """
    check_sample("crop", "x", x)
    check_ends("crop", x.shape[1:], before, after)
    sizes = tuple(size - front - back for size, front, back in zip(x.shape[1:], before, after, strict=True))
    if min(sizes, default=1) < 1:
        raise ShapeError(f"crop: {before} before and {after} after remove all of {text(x.shape[1:])}")
    y = np.empty((len(x), *sizes), x.dtype)
    for n, *m in np.ndindex(y.shape):
        y[n, *m] = x[n, *_moved(m, before)]
    return y


def permute(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Permute the axes of every sample; the gradient is the same operation with the inverse permutation.

    y[n,m] = x[n,k] where k[axes[a]] = m[a] for every axis a
    dx     = permute(dy) with the inverse axes

    m and k are indices of elements within a sample; axis a of the result is axis ``axes[a]`` of x. The batch axis is
    not counted. The inverse axes satisfy inverse[axes[a]] = a.

    Shapes   x (N, …)  →  y (N, …) with the sizes permuted
    Kept     nothing
    Errors   ShapeError when x has no batch axis; OptionError unless every axis occurs once
    Source   ONNX Transpose; numpy.transpose
    """
    check_sample("permute", "x", x)
    check_permutation("permute", axes, x.ndim - 1)
    y = np.empty((len(x), *(x.shape[1 + axis] for axis in axes)), x.dtype)
    for n, *m in np.ndindex(y.shape):
        k = [0] * len(axes)
        for axis, index in zip(axes, m, strict=True):
            k[axis] = index
        y[n, *m] = x[n, *k]
    return y


def gather(x: Array, i: Array) -> Array:
    """Select elements of every sample by their indices, which are numbers of the type of x.

    y[n,e] = x[n,i[e]]

    An index below 0 or beyond the last element counts as 0.

    Shapes   x (N, F), i (E,)  →  y (N, E)
    Kept     i
    Errors   ShapeError when x or i has other axes
    Source   ONNX Gather; numpy.take
    """
    check_axes("gather", "x", x, "N, F")
    check_axes("gather", "i", i, "E")
    y = np.empty((len(x), len(i)), x.dtype)
    for n, e in np.ndindex(y.shape):
        y[n, e] = x[n, _place(real_part(i[e]), x.shape[1])]
    return y


def gather_dx(dy: Array, i: Array, *, shape: tuple[int]) -> Array:
    """dx[n,h] = Σ_{e: i[e] = h} dy[n,e]

    ``shape`` is the shape (F,) of a sample of x.

    Source   docs/derivations/geometry.md
    """
    check_axes("gather_dx", "dy", dy, "N, E")
    check_shape("gather_dx", "i", i, dy.shape[1:])
    dx = np.zeros((len(dy), *shape), dy.dtype)
    for n, e in np.ndindex(dy.shape):
        dx[n, _place(real_part(i[e]), shape[0])] += dy[n, e]
    return dx


def _place(index: Any, size: int) -> int:
    """Return an index as a whole number; 0 for one outside 0 … size − 1."""
    return int(index) if index > 0 and index < size else 0


def _moved(m: list[int], before: Ends) -> list[int]:
    """Return m + before, axis by axis."""
    return [index + front for index, front in zip(m, before, strict=True)]


# ---------------------------------------------------------------------------------------------------------- resampling


def resample(x: Array, *, outputs: Pair, mode: str, lines: Lines = WHOLE_IMAGE) -> Array:
    """Compute every output as a weighted sum of nearby elements, with weights a for rows and b for columns.

    y[n,c,i,j] = Σ_{h,k} a[i,h] · b[j,k] · x[n,c,h,k]

    mode  "average": a[i,h] = 1/D for the D rows with ⌊i·H/H'⌋ ≤ h < ⌈(i+1)·H/H'⌉
          "nearest": a[i,h] = 1 for h = ⌊i·H/H'⌋
          "bilinear": with t = max((i + ½)·H/H' − ½, 0), a[i,h] = 1 − (t − h) for h = ⌊t⌋ and t − ⌊t⌋ for the row below;
          1 for ⌊t⌋ where there is no row below
          Other weights are 0. The weights b of columns follow the same rules
    lines numbers (p, q, r) for rows and for columns: output i lies at t = (p·i + q)/r, limited to 0 ≤ t ≤ H − 1, and
          "nearest" copies row ⌊t⌋. With r = 0, the positions are those above

    ``outputs`` is (H', W').

    Shapes   x (N, C, H, W)  →  y (N, C, H', W')
    Kept     nothing
    Errors   ShapeError when x has other axes; OptionError for another mode
    Source   PyTorch AdaptiveAvgPool2d, and Upsample with align_corners=False
    """
    check_axes("resample", "x", x, "N, C, H, W")
    rows, columns = _weights(mode, x.shape[2:], outputs, lines)
    y = np.zeros((*x.shape[:2], *outputs), x.dtype)
    for n, c, i, j in np.ndindex(y.shape):
        for h, a in rows[int(i)]:
            for k, b in columns[int(j)]:
                y[n, c, i, j] += a * b * x[n, c, h, k]
    return y


def resample_dx(dy: Array, *, size: Pair, mode: str, lines: Lines = WHOLE_IMAGE) -> Array:
    """dx[n,c,h,k] = Σ_{i,j} a[i,h] · b[j,k] · dy[n,c,i,j]

    ``size`` is (H, W) of x.

    Source   the transpose of the linear map `resample`
    """
    check_axes("resample_dx", "dy", dy, "N, C, H', W'")
    rows, columns = _weights(mode, size, dy.shape[2:], lines)
    dx = np.zeros((*dy.shape[:2], *size), dy.dtype)
    for n, c, i, j in np.ndindex(dy.shape):
        for h, a in rows[int(i)]:
            for k, b in columns[int(j)]:
                dx[n, c, h, k] += a * b * dy[n, c, i, j]
    return dx


def _weights(mode: str, size: tuple[int, ...], outputs: tuple[int, ...], lines: Lines) -> tuple[Weights, Weights]:
    """Return the (index, weight) pairs of each output row and of each output column."""
    rows = [resampling_weights(mode, size[0], outputs[0], i, lines[0]) for i in range(outputs[0])]
    columns = [resampling_weights(mode, size[1], outputs[1], j, lines[1]) for j in range(outputs[1])]
    return rows, columns
