"""Arrangements of a learner's arrays that differ from this library's: transposed weights, biases as columns."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from chainrule.engines.protocol import Array


@dataclass(frozen=True)
class ArrayLayout:
    """Arrangement of an array in a learner's code: the axes in another order, then another shape.

    axes   this library's axes in the learner's order; empty for the same order
    shape  the learner's shape, with −1 for the batch; empty for the shape that follows from the axes
    """

    axes: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()

    def theirs(self, array: Array) -> Array:
        """Return an array of this library as the learner's code expects it."""
        turned = array.transpose(self.axes) if self.axes else array
        return np.ascontiguousarray(turned.reshape(self.shape) if self.shape else turned)

    def ours(self, array: Array, shape: tuple[int, ...]) -> Array:
        """Return a learner's array in the shape of this library; unchanged where it has another size."""
        if array.size != np.prod(shape, dtype=int):
            return array
        if not self.axes:
            return array.reshape(shape)
        return array.reshape([shape[axis] for axis in self.axes]).transpose(np.argsort(self.axes))

    def places(self, shape: tuple[int, ...]) -> Array:
        """Return the flat index in this library's array at every entry of the learner's, of this library's shape."""
        flat: Array = np.arange(math.prod(shape))
        return self.theirs(flat.reshape(shape))


SAME = ArrayLayout()
TRANSPOSED = ArrayLayout((1, 0))


def between(ours: tuple[int, ...], theirs: tuple[int, ...]) -> ArrayLayout | None:
    """Return the layout of a parameter in a learner's shape; None if it is neither transposed nor has axes of 1."""
    if ours == theirs:
        return SAME
    if len(ours) == 2 and theirs == ours[::-1]:
        return TRANSPOSED
    return ArrayLayout(shape=theirs) if tuple(n for n in theirs if n > 1) == tuple(n for n in ours if n > 1) else None


def to_theirs(layouts: Mapping[str, ArrayLayout], values: Mapping[str, Array]) -> dict[str, Array]:
    """Return arrays by name as a learner's code expects them."""
    return {name: layouts[name].theirs(value) if name in layouts else value for name, value in values.items()}
