"""Padding, cropping and permutation of axes, in NumPy. Equations: `reference.geometry`."""

import numpy as np

from chainrule.core.shapes import Ends
from chainrule.engines.numpy.arrays import Array


def pad(x: Array, *, before: Ends, after: Ends) -> Array:
    """Compute `reference.pad` by one call."""
    return np.ascontiguousarray(np.pad(x, ((0, 0), *zip(before, after, strict=True))))


def crop(x: Array, *, before: Ends, after: Ends) -> Array:
    """Compute `reference.crop` as a copy of a slice."""
    ends = (slice(front, size - back) for size, front, back in zip(x.shape[1:], before, after, strict=True))
    return x[:, *ends].copy()


def permute(x: Array, *, axes: tuple[int, ...]) -> Array:
    """Compute `reference.permute` as a copy of a transposed view."""
    return np.transpose(x, (0, *(axis + 1 for axis in axes))).copy()
