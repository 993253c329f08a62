"""Order of the elements of flattened images: Keras flattens (H, W, C), chainrule flattens (C, H, W)."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.layers import Flatten, Layer, Permute
from chainrule.layers.node import Wiring


def flattened_shapes(layers: Sequence[Layer], wiring: Wiring, shapes: Sequence[Shape]) -> dict[str, Shape]:
    """Return the shape (C, …) before `Flatten` for each layer that reads the flattened elements, by the layer's name.

    Layers after a `Permute` and a `Flatten` are omitted, because the elements are already in Keras' order. A second
    `Permute` restores the order (C, …).

    shapes   shapes of the network's input and of the outputs of all layers
    """
    origins: list[Shape | None] = [None] * len(shapes)
    permuted = [False] * len(shapes)
    result: dict[str, Shape] = {}
    for number, layer in enumerate(layers):
        source = wiring.inputs[number][0]
        permuted[number + 1] = len(shapes[source]) > 1 and permuted[source] != isinstance(layer, Permute)
        if isinstance(layer, Flatten) and len(shapes[source]) > 1 and not permuted[source]:
            origins[number + 1] = shapes[source]
        elif layer.keeps_positions:
            origins[number + 1] = origins[source]
        origin = origins[source]
        if origin is not None:
            result[wiring.names[wiring.owners[number]]] = origin
    return result


def to_channels_first(name: str, value: Array, flattened: Mapping[str, Shape]) -> Array:
    """Return the value of a parameter with its last axis permuted from Keras' order (H, W, C) to (C, H, W).

    name       name of the parameter in the network, such as dense1.w
    flattened  result of `flattened_shapes`; a parameter of any other layer is returned unchanged
    """
    layer, _, own = name.rpartition(".")
    shape = flattened.get(layer)
    if shape is None or value.shape[-1] != prod(shape) or (value.ndim == 1 and own == "b"):
        return value
    order = np.moveaxis(np.arange(prod(shape)).reshape(*shape[1:], shape[0]), -1, 0).reshape(-1)
    return value[..., order]
