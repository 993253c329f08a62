"""How a value of a Keras model lies here: Keras has channels last, layers here have them first.

Keras' array is the array here, reshaped to `inner`, its axes permuted by `axes`, reshaped to `shape`. So changes of
shape need no layer until one depends on the order of the entries, and a dense layer after Flatten needs none at all:
its weights are permuted.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.interop.assembly import permuted, reshaped
from chainrule.layers.node import Node

Shape = tuple[int, ...]


@dataclass(frozen=True)
class KerasValue:
    """A result within a Keras model.

    node    the same entries here, in this order
    shape   of a sample in Keras, without the batch axis
    inner, axes   the layout; see above
    """

    node: Node
    shape: Shape
    inner: Shape
    axes: Shape

    @property
    def rank(self) -> int:
        """Return the number of axes that it has in Keras, without the batch axis."""
        return len(self.shape)

    def on(self, node: Node) -> "KerasValue":
        """Return the value of a node with entries in the same order as this one's, such as an activation's."""
        return KerasValue(node, self.shape, self.inner, self.axes)

    def reshaped(self, shape: Shape) -> "KerasValue":
        """Return the value in another shape, as Keras reshapes; it must have as many entries."""
        return KerasValue(self.node, shape, self.inner, self.axes)

    def permuted(self, order: Sequence[int]) -> "KerasValue":
        """Return the value with its axes in another order, as Keras permutes them."""
        value, groups = _aligned(self)
        shape = tuple(self.shape[axis] for axis in order)
        return KerasValue(value.node, shape, value.inner, tuple(axis for k in order for axis in groups[k]))

    def arranged(self, order: Sequence[int]) -> Node:
        """Return a node with Keras' axes in an order; it is permuted only if its entries lie otherwise."""
        value, groups = _aligned(self)
        wanted = [axis for k in order for axis in groups[k]]
        moved = permuted(reshaped(value.node, value.inner or (1,)), wanted) if wanted else value.node
        return reshaped(moved, tuple(self.shape[k] for k in order))

    def plain(self) -> Node:
        """Return a node with the entries in Keras' order, and Keras' shape."""
        return self.arranged(range(self.rank))

    def with_first(self, axis: int) -> Node:
        """Return a node with an axis first, such as the channels, and the others in their order."""
        return self.arranged(axis_first(axis, self.rank))

    def flat(self) -> Node:
        """Return a vector of the entries, in their order here."""
        return reshaped(self.node, (math.prod(self.shape),))

    def order(self) -> NDArray[Any]:
        """Return the index here of every entry in Keras' row-major order; the caller bounds their number."""
        count = math.prod(self.inner)
        return np.arange(count).reshape(self.inner).transpose(self.axes).reshape(count)

    @property
    def in_order(self) -> bool:
        """Whether the entries lie here in Keras' row-major order."""
        moved = [axis for axis in self.axes if self.inner[axis] > 1]
        return moved == sorted(moved)


def axis_first(axis: int, rank: int) -> list[int]:
    """Return an order of axes with one of them first and the others as they are."""
    return [axis, *(k for k in range(rank) if k != axis)]


def placed(node: Node, order: Sequence[int]) -> KerasValue:
    """Return the value of a node whose axes are Keras' axes in an order: the inverse of `KerasValue.arranged`."""
    axes = tuple(sorted(range(len(order)), key=order.__getitem__))
    return KerasValue(node, tuple(node.shape[axis] for axis in axes), node.shape, axes)


def _aligned(value: KerasValue) -> tuple[KerasValue, list[list[int]]]:
    """Return a value and, for each of its axes in Keras, the inner axes that it consists of.

    Inner axes of size 1 are left out, and others are divided where Keras divides them. A value that Keras reshapes
    across its axes is brought into Keras' order first.
    """
    found = _factors(value)
    if found is None:
        node = permuted(reshaped(value.node, value.inner), value.axes)
        return _aligned(KerasValue(node, value.shape, value.shape, tuple(range(value.rank))))
    factors, parts = found
    first: list[int] = np.cumsum([0, *map(len, factors)]).tolist()
    groups = [[first[axis] + number for axis, number in part] for part in parts]
    inner = tuple(size for each in factors for size in each)
    return KerasValue(value.node, value.shape, inner, tuple(axis for group in groups for axis in group)), groups


def _factors(value: KerasValue) -> tuple[list[list[int]], list[list[tuple[int, int]]]] | None:
    """Return the factors of each inner axis, and for each axis in Keras its factors as (inner axis, number).

    None where an axis in Keras has a part of an inner axis that does not divide it.
    """
    factors: list[list[int]] = [[] for _ in value.inner]
    waiting = iter([(axis, value.inner[axis]) for axis in value.axes])
    parts: list[list[tuple[int, int]]] = []
    axis, left = 0, 1
    for size in value.shape:
        part: list[tuple[int, int]] = []
        while size > 1:
            while left == 1:
                axis, left = next(waiting)
            if left % size and size % left:
                return None
            factor = min(left, size)
            part.append((axis, len(factors[axis])))
            factors[axis].append(factor)
            left, size = left // factor, size // factor
        parts.append(part)
    return factors, parts
