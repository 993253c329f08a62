"""A network put together layer by layer, with the weights that a file gives for them."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule import layers
from chainrule.errors import OptionError
from chainrule.layers.base import Layer
from chainrule.layers.node import RESERVED, Node

Array = NDArray[Any]
MAX_NAME = 80


class Assembly:
    """Layers applied to nodes, and their weights by name, as `model.Graph` takes them.

    weights   of all layers so far, such as conv1.w
    """

    def __init__(self) -> None:
        self.weights: dict[str, Array] = {}
        self._taken: set[str] = set(RESERVED)
        self._shared: dict[Any, Layer] = {}

    def apply(self, kind: str, *inputs: Node, **options: Any) -> Node:
        """Return the node of a layer without weights, by the name of its class; OptionError if there is none."""
        return _layer(kind, options)(*inputs)

    def apply_weighted(
        self,
        kind: str,
        x: Node,
        options: Mapping[str, Any],
        weights: Mapping[str, Array],
        stem: str,
        source: tuple[Any, ...] | None = None,
    ) -> Node:
        """Return the node of a layer with weights.

        stem     name for the layer; "": by its kind and order
        source   what the weights come from: layers of the same options and source share their weights
        """
        layer = _layer(kind, options)
        key = (layer, x.shape, source)
        if source is not None and key in self._shared:
            return self._shared[key](x)
        name = self._name(stem, layer.kind)
        self._taken.add(name)
        self._shared[key] = layer
        self.weights |= {f"{name}.{each}": np.asarray(value) for each, value in weights.items()}
        return layer(x, name=name)

    def _name(self, stem: str, kind: str) -> str:
        """Return a name that no layer has yet: letters, digits and _, beginning with a letter."""
        cleaned = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")[:MAX_NAME]
        if cleaned and not cleaned[0].isalpha():
            cleaned = f"{kind}_{cleaned}"
        if cleaned and cleaned not in self._taken:
            return cleaned
        base, number = f"{cleaned}_" if cleaned else kind, 1
        while f"{base}{number}" in self._taken:
            number += 1
        return f"{base}{number}"


def _layer(kind: str, options: Mapping[str, Any]) -> Layer:
    if kind not in layers.NAMED:
        raise OptionError(f"chainrule has no layer {kind}")
    return layers.from_config({"layer": kind, **options})


def reshaped(x: Node, shape: tuple[int, ...]) -> Node:
    """Return a node's values in another shape, without leaving two changes of shape in a row."""
    while isinstance(x.layer, layers.Reshape | layers.Flatten):
        x = x.inputs[0]
    if x.shape == shape:
        return x
    return layers.Flatten()(x) if len(shape) == 1 else layers.Reshape(shape)(x)
