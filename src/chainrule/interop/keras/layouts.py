"""Values during translation of a Keras model: nodes of the network, whose elements may have another order in Keras."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.interop.assembly import permuted, reshaped
from chainrule.layers.node import Node


@dataclass(frozen=True, eq=False)
class KerasValue:
    """A result in a Keras model.

    node    node with the same elements, possibly in another order
    shape   shape in Keras, without the batch axis
    view    view of an array of bytes, which are the elements of the node. The view, whose contents are not used, has
            them in Keras' row-major order
    """

    node: Node
    shape: Shape
    view: Array

    @property
    def rank(self) -> int:
        """Number of axes in Keras, without the batch axis."""
        return len(self.shape)

    @property
    def order_of_axes(self) -> list[int]:
        """Keras' axes in the order of the node's axes, or the last axis first if they are not the node's axes."""
        if self.view.shape == self.shape:
            order = sorted(range(self.rank), key=lambda axis: -self.view.strides[axis])
            if self.node.shape == tuple(self.shape[axis] for axis in order):
                return order
        return axis_first(self.rank - 1, self.rank)

    def sides(self, channels: int) -> list[int]:
        """Return the sizes of all axes but that of the channels, such as height and width."""
        return [*self.shape[:channels], *self.shape[channels + 1 :]]

    def with_node(self, node: Node) -> "KerasValue":
        """Return a value with the same layout for another node, such as an activation."""
        return replace(self, node=node)

    def reshaped(self, shape: Shape) -> "KerasValue":
        """Reshape the value as in Keras."""
        return replace(self, shape=shape)

    def permuted(self, order: Sequence[int]) -> "KerasValue":
        """Permute the axes of the value as in Keras."""
        value = self._with_own_axes()
        view = value.view.transpose(order)
        return KerasValue(value.node, view.shape, view)

    def arranged(self, order: Sequence[int]) -> Node:
        """Return a node with Keras' axes in the given order, permuted only if necessary."""
        value = self._with_own_axes()
        view = value.view.transpose(order)
        return reshaped(_in_order(value.node, view), view.shape)

    def plain(self) -> Node:
        """Return a node with the shape and the order of elements in Keras."""
        return self.arranged(range(self.rank))

    def with_first(self, axis: int) -> Node:
        """Return a node with one of Keras' axes, such as the channels, moved to the front."""
        return self.arranged(axis_first(axis, self.rank))

    def flat(self) -> Node:
        """Return a node with the elements as a vector, in the node's order."""
        return reshaped(self.node, (prod(self.shape),))

    def order(self) -> Array:
        """Return the index in the node of each element, in Keras' row-major order. The caller must limit the size."""
        places = np.zeros(1, np.int64)
        for size, step in zip(self.view.shape, self.view.strides, strict=True):
            places = np.repeat(places, size) + step * np.tile(np.arange(int(size)), len(places))
        return places

    def _with_own_axes(self) -> "KerasValue":
        """Return the value with a view of its own shape, whose node has Keras' order of elements if there is none."""
        view = self.view.reshape(self.shape)
        if np.may_share_memory(view, self.view):
            return replace(self, view=view)
        node = reshaped(_in_order(self.node, self.view), self.shape)
        return from_layout(node, range(self.rank))


def _in_order(node: Node, view: Array) -> Node:
    """Return a node with the elements in the order of a view of its elements."""
    longer = [axis for axis, size in enumerate(view.shape) if size > 1]
    if not longer:
        return reshaped(node, (1,))
    stored = sorted(longer, key=lambda axis: -view.strides[axis])
    image = reshaped(node, tuple(view.shape[axis] for axis in stored))
    return permuted(image, [*map(stored.index, longer)])


def axis_first(axis: int, rank: int) -> list[int]:
    """Return the order of axes that moves one axis to the front."""
    return [axis, *range(axis), *range(axis + 1, rank)]


def from_layout(node: Node, order: Sequence[int]) -> KerasValue:
    """Return the value of a node with Keras' axes in the given order: the inverse of `KerasValue.arranged`."""
    view = np.empty(node.shape, np.int8).transpose(np.argsort(order))
    return KerasValue(node, view.shape, view)


def stored_alike(values: Sequence[KerasValue]) -> list[KerasValue] | None:
    """Return the nodes of values, with the same axes, as values in the nodes' order; None if their layouts differ."""
    first = values[0]
    same_shape = True
    for value in values:
        if (value.shape, value.view.shape, value.view.strides) != (first.shape, first.view.shape, first.view.strides):
            return None
        same_shape &= value.node.shape == first.node.shape
    stored: list[KerasValue] = []
    for value in values:
        node = value.node if same_shape else value.flat()
        stored.append(from_layout(node, range(len(node.shape))))
    return stored
