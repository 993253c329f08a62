"""Order of the elements of flattened images: Keras flattens (H, W, C), chainrule flattens (C, H, W).

Import permutes weights only into the order that the layers of the network show. If the elements have another order, a
`Permute`, or a `Reshape` to a vector after `Flatten`, records that the weights are in Keras' order.
"""

from math import prod

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.layers import Flatten, Layer, Permute
from chainrule.layers.node import Node


def flattened_shape(node: Node) -> Shape | None:
    """Return the shape (C, …) before `Flatten` if a node has the elements of a flattened image; None otherwise.

    It is None after a `Permute` and a `Flatten`, too, because the elements are already in Keras' order. A second
    `Permute` restores the order (C, …).
    """
    while isinstance(layer := node.layer, Layer) and layer.keeps_positions:
        node = node.inputs[0]
    if not isinstance(layer, Flatten):
        return None
    image = node = node.inputs[0]
    is_permuted = len(image.shape) == 1
    while node.inputs and len(node.inputs[0].shape) > 1:
        is_permuted ^= isinstance(node.layer, Permute)
        node = node.inputs[0]
    return None if is_permuted else image.shape


def channels_first(shape: Shape) -> Array:
    """Return the index in Keras' order (H, W, C) of each element of a shape (C, H, W)."""
    return np.moveaxis(np.arange(prod(shape)).reshape(*shape[1:], shape[0]), -1, 0).reshape(-1)


def to_channels_first(name: str, value: Array, shape: Shape | None) -> Array:
    """Return the value of a parameter with its last axis permuted from Keras' order (H, W, C) to (C, H, W).

    name    name of the parameter, such as w or dense1.w
    shape   shape (C, …) before `Flatten`; None: the value is returned unchanged
    """
    is_bias = value.ndim == 1 and name.rpartition(".")[2] == "b"
    if shape is None or value.shape[-1] != prod(shape) or is_bias:
        return value
    return value[..., channels_first(shape)]
