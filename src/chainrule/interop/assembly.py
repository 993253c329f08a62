"""Assembly of imported networks, layer by layer, with their weights."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from chainrule import layers
from chainrule._io.budget import Budget
from chainrule.core.arrays import Array, Shape
from chainrule.core.shapes import text
from chainrule.errors import FormatError, OptionError, ShapeError, quoted
from chainrule.layers.base import Layer
from chainrule.layers.dense import Reshape
from chainrule.layers.kinds import ELEMENTWISE as ACTIVATIONS
from chainrule.layers.node import Input, Node, is_name, ordered, trace
from chainrule.layers.packing import pack_graph

MAX_FLOAT32 = float(np.finfo(np.float32).max)
MAX_NAME = 80  # maximum number of characters in a layer's name
STEPS_PER_LAYER = 24
MERGED = ("Add", "Multiply", "Maximum", "Minimum")
Sizes = Sequence[int] | Mapping[str, int]  # shape of a sample, or sizes by their names in the file
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
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    task: str | None = None
    thresholds: tuple[float, ...] = ()

    def equals(self, other: Imported) -> bool:
        """Return whether another network has the same layers, connections and weights."""
        if self.x.shape != other.x.shape or trace(self.x, self.y) != trace(other.x, other.y):
            return False
        if self.weights.keys() != other.weights.keys():
            return False
        for name, value in self.weights.items():
            if not _equal(value, other.weights[name]):
                return False
        return True


def _equal(a: Array, b: Array) -> bool:
    """Return whether two arrays are equal. The values are compared only if the memory differs."""
    return a.__array_interface__ == b.__array_interface__ or np.array_equal(a, b, equal_nan=True)


class Assembly:
    """A network under construction.

    budget    budget of the file, charged for layers and weights
    weights   weights of all layers added so far, by name, such as conv1.w
    layer_names   names of the file's layers by path, for formats where layers have names
    numbered  those of these names that a framework numbered instead of a user choosing them
    parameters   names of constants that are parameters of their own, such as block.alpha, rather than weights
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.weights: dict[str, Array] = {}
        self.layer_names: Mapping[tuple[str, ...], str] = {}
        self.numbered: Collection[str] = ()
        self.parameters: frozenset[str] = frozenset()
        self._used_names = set[str]()
        self._shared: dict[object, Layer] = {}
        self._named: list[Node] = []

    def apply(self, kind: str, *inputs: Node, **options: object) -> Node:
        """Apply a layer without weights, and return its node. `kind` is the name of its class.

        An element-wise layer or a sum is moved before a preceding permutation of axes, so that permutations can cancel.

        Errors   OptionError for an unknown class
        """
        layer = self._layer(kind, options)
        if kind in ELEMENTWISE or kind in MERGED:
            permutation = _without_reshapes(inputs[0]).layer
            originals = _before_permutation(inputs)
            if originals and isinstance(permutation, layers.Permute):
                y = reshaped(layer(*_unreshaped(originals)), originals[0].shape)
                return reshaped(layers.Permute(permutation.axes)(y), inputs[0].shape)
        return layer(*inputs)

    def clip(self, x: Node, low: float, high: float) -> Node:
        """Return Clip of x to [low, high], ReLU for [0, ∞), or x for (−∞, ∞). ±MAX_FLOAT32 and beyond count as ±∞."""
        low = max(low, -MAX_FLOAT32)
        high = min(high, MAX_FLOAT32)
        if (low, high) == (-MAX_FLOAT32, MAX_FLOAT32):
            return x
        if (low, high) == (0, MAX_FLOAT32):
            return self.apply("ReLU", x)
        return self.apply("Clip", x, low=low, high=high)

    def apply_weighted(
        self,
        kind: str,
        x: Node,
        options: Mapping[str, object],
        weights: Mapping[str, Array],
        name: str | None,
        source: tuple[object, ...] | None = None,
    ) -> Node:
        """Apply a layer with weights, and return its node.

        name     name of the layer in the file; None for a name of its kind and a number
        source   identifier of the weights' origin; layers with the same options and source share their weights

        Errors   OptionError for an unknown class, ShapeError for weights of another shape
        """
        layer = self._layer(kind, options)
        size = sum(value.nbytes for value in weights.values())
        self.budget.write(size, f"the weights of {kind} {quoted(name or '')}")
        key = (layer, x.shape, source)
        if source is not None and key in self._shared:
            return self._shared[key](x)
        for parameter in layer.parameters(x.shape, layer.kind):
            shape = np.shape(weights[parameter.name])
            if shape != parameter.shape:
                raise ShapeError(f"{parameter.name} of shape {text(shape)}; expected {text(parameter.shape)}")
        unique_name = self._unused_name(name, layer.kind)
        self._used_names.add(unique_name)
        self._shared[key] = layer
        for parameter_name, value in weights.items():
            self.weights[f"{unique_name}.{parameter_name}"] = np.asarray(value)
        node = layer(x, name=unique_name)
        node.read = True
        node.invented = not name or name in self.numbered
        self._named.append(node)
        return node

    def _layer(self, kind: str, options: Mapping[str, object]) -> Layer:
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

        An output that is an input gets a layer.

        inputs, outputs   nodes by name; inputs that no output depends on are omitted
        node_names        names for layers without weights, by the identity (`id`) of the node

        Errors   FormatError if an output does not depend on an input
        """
        nodes: dict[int, Node] = {}  # by identity
        results: dict[str, Node] = {}
        for name, output in outputs.items():
            results[name] = Reshape(output.shape)(output) if output.layer is None else output
            required = ordered(results[name])
            if all(node.layer is not None for node in required):
                raise FormatError(f"its output {quoted(name)} does not depend on its input")
            for node in required:
                nodes.setdefault(id(node), node)
        layer_names = {id(node.layer): node.name for node in self._named}
        used_names = set[str]()
        for node in nodes.values():
            node.name = layer_names.pop(id(node.layer), None)
            if node.name is not None:
                used_names.add(node.name)
        weights: dict[str, Array] = {}
        for name, value in self.weights.items():
            layer_name, _, _ = name.rpartition(".")
            if layer_name in used_names:
                weights[name] = value
        _name_nodes([*nodes.values()], node_names or {})
        used_inputs = {name: source for name, source in inputs.items() if id(source) in nodes}
        x, y = pack_graph(used_inputs, results)
        return Imported(x, y, weights, dtype)

    def affine(self, x: Node, scale: Array, shift: Array | None, name: str) -> Node:
        """Return scale · x + shift as a 1×1 depthwise convolution.

        Shapes   x (C, …), scale (C,), shift (C,) or the shape of x
        """
        channels, *positions = x.shape
        image_shape = (channels, math.prod(positions), 1)
        if len(positions) < 3:
            added_axes = 2 - len(positions)
            image_shape = (channels, *positions, *[1] * added_axes)
        weights: dict[str, Array] = {"w": scale.reshape(channels, 1, 1, 1)}
        options: dict[str, object] = {"filters": channels, "kernel": 1, "groups": channels, "bias": False}
        if shift is not None and shift.size > channels:
            options["bias"] = "untied"
            weights["b"] = shift.reshape(image_shape)
        elif shift is not None:
            options["bias"] = True
            weights["b"] = shift.reshape(channels)
        y = self.apply_weighted("Conv2D", reshaped(x, image_shape), options, weights, name)
        return reshaped(y, x.shape)

    def _unused_name(self, name: str | None, kind: str) -> str:
        """Return an unused name for a layer: letters, digits and underscores, starting with a letter."""
        cleaned = re.sub(r"\W+", "_", name or "", flags=re.ASCII).strip("_")[:MAX_NAME]
        if not cleaned:
            return self._numbered_name(kind)
        if not is_name(cleaned):
            cleaned = f"{kind}_{cleaned}"
        if cleaned not in self._used_names:
            return cleaned
        return self._numbered_name(f"{cleaned}_")

    def _numbered_name(self, prefix: str) -> str:
        number = 1
        while f"{prefix}{number}" in self._used_names:
            number += 1
        return f"{prefix}{number}"


def complete_shape(name: str, sizes: Sequence[int | str], shape: Sizes | None) -> Shape:
    """Return the shape of a sample of an input, whose unknown sizes are those that a user specifies.

    name    quoted name of the input
    sizes   sizes in the file, channels first; names of the unknown ones
    shape   shape, or sizes by name, that the user specifies; None: none

    Errors  FormatError for unknown sizes without a shape, or for a shape that does not fit
    """
    if isinstance(shape, Mapping):
        named = shape
        sizes = [size if isinstance(size, int) else named.get(size, size) for size in sizes]
        shape = None
    known: list[int] = []
    unknown: list[str] = []
    for size in sizes:
        if isinstance(size, str):
            unknown.append(size)
        else:
            known.append(size)
    if not unknown:
        return tuple(known)
    texts = [*map(str, sizes)]
    if shape is None:
        raise FormatError(
            f"input {name} has unknown sizes ({', '.join(unknown)}); choose them with --shape {','.join(texts)} or "
            f"shape=, or by their names: shape={{{unknown[0]!r}: 128}}"
        )
    if not _fits(shape, sizes):
        raise FormatError(f"shape {text(tuple(shape))} for input {name}; expected {'×'.join(texts)}")
    return tuple(shape)


def _fits(shape: Sequence[int], sizes: Sequence[int | str]) -> bool:
    """Return whether a shape has the known sizes, and positive numbers for the unknown ones."""
    if len(shape) != len(sizes):
        return False
    for size, expected in zip(shape, sizes, strict=True):
        if size <= 0 or (isinstance(expected, int) and size != expected):
            return False
    return True


def _name_nodes(nodes: Sequence[Node], names: Mapping[int, str]) -> None:
    """Name unnamed nodes, in topological order. Of the nodes with one name, the last gets it."""
    used = {node.name for node in nodes}
    for node in reversed(nodes):
        name = names.get(id(node), "").split(".")[0]
        if node.layer is not None and node.name is None and name not in used and is_name(name):
            node.name = name
            node.read = True
            used.add(name)


def _without_reshapes(x: Node) -> Node:
    """Return the node before any Reshape and Flatten that end in x."""
    while isinstance(x.layer, layers.Reshape | layers.Flatten):
        x = x.inputs[0]
    return x


def _before_permutation(values: Sequence[Node]) -> list[Node]:
    """Return the values before a permutation that all have in common; none if they differ in it or in their shapes."""
    sources = [_without_reshapes(value) for value in values]
    permutation = sources[0].layer
    if not isinstance(permutation, layers.Permute):
        return []
    originals: list[Node] = []
    for value, source in zip(values, sources, strict=True):
        if source.layer != permutation or value.shape != values[0].shape:
            return []
        originals.append(source.inputs[0])
        if originals[-1].shape != originals[0].shape:
            return []
    return originals


def _unreshaped(values: Sequence[Node]) -> Sequence[Node]:
    """Return the values before reshapes if their shapes are equal there; otherwise the values themselves."""
    sources = [_without_reshapes(value) for value in values]
    for source in sources:
        if source.shape != sources[0].shape:
            return values
    return sources


def reshaped(x: Node, shape: Shape) -> Node:
    """Reshape a node. Successive reshapes are merged."""
    source = _without_reshapes(x)
    for node in (source, x):
        if node.shape == shape:
            return node
    if len(shape) == 1:
        return layers.Flatten()(source)
    return layers.Reshape(shape)(source)


def permuted(x: Node, order: Sequence[int]) -> Node:
    """Permute the axes of a node. Axes that remain adjacent are merged first, and axes of size 1 are left out.

    Successive permutations are merged, and removed if they cancel. For (2, 1, 3, 4) in the order (2, 3, 0, 1), axes 2
    and 3 remain adjacent:

        (2, 1, 3, 4)  reshape→  (2, 12)  Permute(1, 0)→  (12, 2)  reshape→  (3, 4, 2, 1)
    """
    new_shape = tuple(x.shape[axis] for axis in order)
    order_of_longer = [axis for axis in order if x.shape[axis] > 1]
    longer = sorted(order_of_longer)
    if order_of_longer == longer:
        return reshaped(x, new_shape)
    groups: list[list[int]] = []  # axes that remain adjacent, in the new order
    for axis in order_of_longer:
        number = longer.index(axis)
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    groups_in_order = sorted(groups)
    grouped_shape: list[int] = []
    for group in groups_in_order:
        size = 1
        for number in group:
            size *= x.shape[longer[number]]
        grouped_shape.append(size)
    source = reshaped(x, tuple(grouped_shape))
    axes = [*map(groups_in_order.index, groups)]
    if isinstance(source.layer, layers.Permute):
        earlier_axes = source.layer.axes
        axes = [earlier_axes[axis] for axis in axes]
        source = source.inputs[0]
    if axes != sorted(axes):
        source = layers.Permute(tuple(axes))(source)
    return reshaped(source, new_shape)
