"""Padding, cropping, permutation of axes and resampling in NumPy. Equations: `reference.geometry`.

Images are resampled along one axis at a time.
"""

import numpy as np

from chainrule.core.shapes import WHOLE_IMAGE, Ends, Line, Lines, Pair, resampling_weights
from chainrule.engines.numpy.arrays import Array


def pad(x: Array, *, before: Ends, after: Ends) -> Array:
    """Compute `reference.pad` with `np.pad`."""
    return np.ascontiguousarray(np.pad(x, ((0, 0), *zip(before, after, strict=True))))


def crop(x: Array, *, before: Ends, after: Ends) -> Array:
    """Compute `reference.crop` as a copy of a slice."""
    ends = (slice(front, size - back) for size, front, back in zip(x.shape[1:], before, after, strict=True))
    return x[:, *ends].copy()


def permute(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Compute `reference.permute` as a copy of a transposed view."""
    return np.transpose(x, (0, *(axis + 1 for axis in axes))).copy()


# ---------------------------------------------------------------------------------------------------------- resampling


def resample(x: Array, *, outputs: Pair, mode: str, lines: Lines = WHOLE_IMAGE) -> Array:
    """Compute `reference.resample` by rows, then by columns."""
    return _resampled(_resampled(x, 2, outputs[0], mode, lines[0]), 3, outputs[1], mode, lines[1])


def resample_dx(dy: Array, *, size: Pair, mode: str, lines: Lines = WHOLE_IMAGE) -> Array:
    """Compute `reference.resample_dx` by columns, then by rows, in the reverse order of the forward pass."""
    return _transposed(_transposed(dy, 3, size[1], mode, lines[1]), 2, size[0], mode, lines[0])


def _resampled(x: Array, axis: int, outputs: int, mode: str, line: Line) -> Array:
    """Return x resampled along one axis to `outputs` elements, each a weighted sum of elements of x."""
    before = (slice(None),) * axis
    y = np.zeros((*x.shape[:axis], outputs, *x.shape[axis + 1 :]), x.dtype)
    for i in range(outputs):
        for h, weight in resampling_weights(mode, x.shape[axis], outputs, i, line):
            y[(*before, i)] += weight * x[(*before, h)]
    return y


def _transposed(dy: Array, axis: int, size: int, mode: str, line: Line) -> Array:
    """Return the gradient with respect to the argument x of `_resampled`, which has `size` elements along the axis."""
    before = (slice(None),) * axis
    dx = np.zeros((*dy.shape[:axis], size, *dy.shape[axis + 1 :]), dy.dtype)
    for i in range(dy.shape[axis]):
        for h, weight in resampling_weights(mode, size, dy.shape[axis], i, line):
            dx[(*before, h)] += weight * dy[(*before, i)]
    return dx


def broadcast(x: Array, *, shape: tuple[int, ...]) -> Array:
    """Compute `reference.broadcast`."""
    return np.array(np.broadcast_to(x, (len(x), *shape)), order="C")


def broadcast_dx(dy: Array, *, shape: tuple[int, ...]) -> Array:
    """Compute `reference.broadcast_dx`."""
    axes = tuple(1 + np.flatnonzero(np.array(shape) != dy.shape[1:]))
    return np.asarray(dy, order="C").sum(axis=axes, keepdims=True)


def gather(x: Array, i: Array) -> Array:
    """Compute `reference.gather`."""
    return np.ascontiguousarray(x[:, _places(i, x.shape[1])])


def gather_dx(dy: Array, i: Array, *, shape: tuple[int]) -> Array:
    """Compute `reference.gather_dx`."""
    dx = np.zeros((len(dy), *shape), dy.dtype)
    for row, upstream in zip(dx, dy, strict=True):
        np.add.at(row, _places(i, *shape), upstream)
    return dx


def _places(i: Array, size: int) -> Array:
    """Return indices as integers; 0 for those outside 0 … size − 1."""
    indices = np.real(i)  # derivatives by complex steps compute with complex numbers
    return np.where((indices > 0) & (indices < size), indices, 0).astype(int)


def concatenate(*parts: Array, axis: int = 0) -> Array:
    """Compute `reference.concatenate`."""
    return np.ascontiguousarray(np.concatenate(parts, axis=axis + 1))
