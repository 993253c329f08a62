"""Assembly of imported networks, layer by layer, with their weights."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule import layers
from chainrule._io.budget import Budget
from chainrule.core.arrays import Array, Shape
from chainrule.core.shapes import text
from chainrule.errors import FormatError, OptionError, ShapeError, quoted
from chainrule.layers.base import Layer
from chainrule.layers.kinds import ELEMENTWISE as ACTIVATIONS
from chainrule.layers.node import Input, Node, is_name, ordered
from chainrule.layers.packing import pack_graph

MAX_FLOAT32 = float(np.finfo(np.float32).max)
MAX_NAME = 80  # maximum number of characters in a layer's name
STEPS_PER_LAYER = 24
ELEMENTWISE = {kind.__name__ for kind in ACTIVATIONS.values()}


@dataclass(frozen=True)
class Imported:
    """An imported network; the fields are arguments of `model.Graph`.

    x, y      input and output nodes; several inputs or outputs are packed
    weights   weights by name, such as conv1.w
    dtype     "float32" or "float64"
    options   further arguments, for files written by chainrule
    task      name of the task (`network.tasks`), for files written by chainrule; None if it is unknown
    thresholds   smallest output that means yes, of each label, for files written by chainrule; empty: ½
    """

    x: Input
    y: Node
    weights: Mapping[str, Array]
    dtype: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    task: str | None = None
    thresholds: tuple[float, ...] = ()

    def equals(self, other: Imported) -> bool:
        """Return whether another network has the same layers, connections and weights."""
        if _structure(self.y) != _structure(other.y) or self.weights.keys() != other.weights.keys():
            return False
        return all(_equal(value, other.weights[name]) for name, value in self.weights.items())


def _structure(y: Node) -> list[Any]:
    """Return (layer, shape, name, indices of the inputs, index of the layer's first use) for each node up to y."""
    nodes = ordered(y)
    positions = {id(node): position for position, node in enumerate(nodes)}
    first_uses = {id(node.layer): position for position, node in reversed([*enumerate(nodes)])}
    inputs = [[positions[id(source)] for source in node.inputs] for node in nodes]
    return [
        (node.layer, node.shape, node.name, sources, first_uses[id(node.layer)])
        for node, sources in zip(nodes, inputs, strict=True)
    ]


def _equal(a: Array, b: Array) -> bool:
    """Return whether two arrays are equal. The values are compared only if the memory differs."""
    return a.__array_interface__ == b.__array_interface__ or np.array_equal(a, b, equal_nan=True)


class Assembly:
    """A network under construction.

    budget    budget of the file, charged for layers and weights
    weights   weights of all layers added so far, by name, such as conv1.w
    stems     names of the file's layers by path, for formats where layers have names
    numbered  those of these names that a framework numbered instead of a user choosing them
    parameters   names of constants that are parameters of their own, such as block.alpha, rather than weights
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.weights: dict[str, Array] = {}
        self.stems: Mapping[tuple[str, ...], str] = {}
        self.numbered: Collection[str] = ()
        self.parameters: frozenset[str] = frozenset()
        self._used_names = set[str]()
        self._shared: dict[Any, Layer] = {}
        self._named: list[Node] = []

    def apply(self, kind: str, *inputs: Node, **options: Any) -> Node:
        """Apply a layer without weights, and return its node. `kind` is the name of its class.

        An element-wise layer is moved before a preceding permutation of axes, so that permutations can cancel.

        Errors   OptionError for an unknown class
        """
        layer = self._layer(kind, options)
        if kind in ELEMENTWISE and isinstance(permutation := _without_reshapes(inputs[0]).layer, layers.Permute):
            source = _without_reshapes(inputs[0]).inputs[0]
            return reshaped(layers.Permute(permutation.axes)(layer(source)), inputs[0].shape)
        return layer(*inputs)

    def clip(self, x: Node, low: float, high: float) -> Node:
        """Return Clip of x to [low, high], ReLU for [0, ∞), or x for (−∞, ∞). ±MAX_FLOAT32 and beyond count as ±∞."""
        low, high = max(low, -MAX_FLOAT32), min(high, MAX_FLOAT32)
        if (low, high) == (-MAX_FLOAT32, MAX_FLOAT32):
            return x
        return self.apply("ReLU", x) if (low, high) == (0, MAX_FLOAT32) else self.apply("Clip", x, low=low, high=high)

    def apply_weighted(
        self,
        kind: str,
        x: Node,
        options: Mapping[str, Any],
        weights: Mapping[str, Array],
        stem: str,
        source: tuple[Any, ...] | None = None,
    ) -> Node:
        """Apply a layer with weights, and return its node.

        stem     name of the layer; "" for a name with its kind and a number
        source   identifier of the weights' origin; layers with the same options and source share their weights

        Errors   OptionError for an unknown class, ShapeError for weights of another shape
        """
        layer = self._layer(kind, options)
        self.budget.write(sum(value.nbytes for value in weights.values()), f"the weights of {kind} {quoted(stem)}")
        key = (layer, x.shape, source)
        if source is not None and key in self._shared:
            return self._shared[key](x)
        for parameter in layer.parameters(x.shape, layer.kind):
            shape = np.shape(weights[parameter.name])
            if shape != parameter.shape:
                raise ShapeError(f"{parameter.name} of shape {text(shape)}; expected {text(parameter.shape)}")
        name = self._name(stem, layer.kind)
        self._used_names.add(name)
        self._shared[key] = layer
        self.weights |= {f"{name}.{parameter_name}": np.asarray(value) for parameter_name, value in weights.items()}
        self._named.append(layer(x, name=name))
        self._named[-1].read, self._named[-1].invented = True, not stem or stem in self.numbered
        return self._named[-1]

    def _layer(self, kind: str, options: Mapping[str, Any]) -> Layer:
        self.budget.visit(STEPS_PER_LAYER, kind)
        if kind not in layers.NAMED:
            raise OptionError(f"chainrule has no layer {kind}")
        return layers.from_config({"layer": kind, **options})

    def finish(
        self,
        inputs: Mapping[str, Input],
        outputs: Mapping[str, Node],
        dtype: str,
        node_names: Mapping[int, str] | None = None,
    ) -> Imported:
        """Return the network. A shared layer has the name of its first use in topological order.

        inputs, outputs   nodes by name; inputs that no output depends on are omitted
        node_names        names for layers without weights, by the identity (`id`) of the node

        Errors   FormatError if an output does not depend on an input
        """
        names = {id(node.layer): node.name for node in self._named}
        nodes = list({id(node): node for output in outputs.values() for node in ordered(output)}.values())
        read = {id(node) for node in nodes}
        if constant := [name for name, output in outputs.items() if all(node.layer for node in ordered(output))]:
            raise FormatError(f"its output {quoted(constant[0])} does not depend on its input")
        for node in nodes:
            node.name = names.pop(id(node.layer), None)
        used_names = {node.name for node in nodes if node.name is not None}
        weights = {name: value for name, value in self.weights.items() if name.rpartition(".")[0] in used_names}
        _name_nodes(nodes, node_names or {})
        x, y = pack_graph({name: source for name, source in inputs.items() if id(source) in read}, outputs)
        return Imported(x, y, weights, dtype)

    def affine(self, x: Node, scale: Array, shift: Array | None = None, stem: str = "") -> Node:
        """Return scale · x + shift as a 1×1 depthwise convolution.

        Shapes   x (C, …), scale (C,), shift (C,) or the shape of x
        """
        channels, positions = x.shape[0], x.shape[1:]
        image_shape = (channels, math.prod(positions), 1)
        if len(positions) < 3:
            image_shape = (channels, *positions, *[1] * (2 - len(positions)))
        weights: dict[str, Array] = {"w": scale.reshape(channels, 1, 1, 1)}
        options: dict[str, Any] = {"filters": channels, "kernel": 1, "groups": channels, "bias": False}
        if shift is not None:
            options["bias"] = "untied" if shift.size > channels else True
            weights["b"] = shift.reshape(image_shape if shift.size > channels else (channels,))
        return reshaped(self.apply_weighted("Conv2D", reshaped(x, image_shape), options, weights, stem), x.shape)

    def _name(self, stem: str, kind: str) -> str:
        """Return an unused name for a layer: letters, digits and underscores, starting with a letter."""
        cleaned = re.sub(r"\W+", "_", stem, flags=re.ASCII).strip("_")[:MAX_NAME]
        if cleaned and not is_name(cleaned):
            cleaned = f"{kind}_{cleaned}"
        if cleaned and cleaned not in self._used_names:
            return cleaned
        base, number = f"{cleaned}_" if cleaned else kind, 1
        while f"{base}{number}" in self._used_names:
            number += 1
        return f"{base}{number}"


def complete_shape(name: str, sizes: Sequence[int | str], shape: Sequence[int] | None) -> Shape:
    """Return the shape of a sample of an input, whose unknown sizes are those that a user specifies.

    name    quoted name of the input
    sizes   sizes in the file, channels first; names of the unknown ones
    shape   shape that the user specifies; None: none

    Errors  FormatError for unknown sizes without a shape, or for a shape that does not fit
    """
    if shape is not None and any(isinstance(size, str) for size in sizes):
        fits = len(shape) == len(sizes) and all(isinstance(a, str) or a == b for a, b in zip(sizes, shape, strict=True))
        if not fits or not all(size > 0 for size in shape):
            raise FormatError(f"shape {text(tuple(shape))} for input {name}; expected {'×'.join(map(str, sizes))}")
        return tuple(shape)
    if unknown := [size for size in sizes if isinstance(size, str)]:
        raise FormatError(
            f"input {name} has unknown sizes ({', '.join(unknown)}); choose them with --shape "
            f"{','.join(map(str, sizes))} or shape="
        )
    return tuple(size for size in sizes if isinstance(size, int))


def _name_nodes(nodes: Sequence[Node], names: Mapping[int, str]) -> None:
    """Name unnamed nodes, in topological order. Of the nodes with one name, the last gets it."""
    used = {node.name for node in nodes}
    for node in reversed(nodes):
        name = names.get(id(node), "").split(".")[0]
        if node.layer is not None and node.name is None and name not in used and is_name(name):
            node.name, node.read = name, True
            used.add(name)


def _without_reshapes(x: Node) -> Node:
    """Return the node before any Reshape and Flatten that end in x."""
    while isinstance(x.layer, layers.Reshape | layers.Flatten):
        x = x.inputs[0]
    return x


def reshaped(x: Node, shape: Shape) -> Node:
    """Reshape a node. Successive reshapes are merged."""
    source = _without_reshapes(x)
    for node in (source, x):
        if node.shape == shape:
            return node
    return layers.Flatten()(source) if len(shape) == 1 else layers.Reshape(shape)(source)


def permuted(x: Node, order: Sequence[int]) -> Node:
    """Permute the axes of a node. Axes that remain adjacent are merged first, and axes of size 1 are left out.

    Successive permutations are merged, and removed if they cancel. For (2, 1, 3, 4) in the order (2, 3, 0, 1), axes 2
    and 3 remain adjacent:

        (2, 1, 3, 4)  reshape→  (2, 12)  Permute(1, 0)→  (12, 2)  reshape→  (3, 4, 2, 1)
    """
    new_shape = tuple(x.shape[axis] for axis in order)
    longer = [axis for axis, size in enumerate(x.shape) if size > 1]
    moving = [longer.index(axis) for axis in order if x.shape[axis] > 1]
    if moving == sorted(moving):
        return reshaped(x, new_shape)
    groups: list[list[int]] = []  # adjacent axes, in the new order
    for axis in moving:
        if groups and axis == groups[-1][-1] + 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    groups_in_order = sorted(groups)
    grouped = reshaped(x, tuple(math.prod(x.shape[longer[axis]] for axis in group) for group in groups_in_order))
    axes = tuple(groups_in_order.index(group) for group in groups)
    if isinstance(grouped.layer, layers.Permute):
        grouped, axes = grouped.inputs[0], tuple(grouped.layer.axes[axis] for axis in axes)
    return reshaped(layers.Permute(axes)(grouped) if list(axes) != sorted(axes) else grouped, new_shape)
