"""Nodes of a graph: layers applied to the outputs of other layers.

>>> x = Input((3, 32, 32))
>>> y = ReLU()(Conv2D(16, 3, padding="same")(x))
>>> z = Add()(y, Conv2D(16, 1)(x))
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias, cast

from chainrule.core.options import plain
from chainrule.core.shapes import is_whole, text
from chainrule.errors import OptionError, ShapeError, quoted

Shape = tuple[int, ...]
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
RESERVED = re.compile(r"loss(_\d+)?|x|t")  # tensors of every plan; loss_1, loss_2, …: the losses of several outputs


class Connectable(Protocol):
    """What a graph needs of a layer: `layers.base.Layer`."""

    kind: ClassVar[str]

    def describe(self) -> str: ...

    def joint_shape(self, shapes: Sequence[Shape], name: str) -> Shape: ...


class Node:
    """A node of a graph: a layer applied to other nodes, or an `Input`, which has no layer.

    layer   the layer; None for an `Input`
    inputs  nodes whose outputs the layer reads
    shape   output shape of one sample, without the batch axis
    name    name of the layer in the graph; None for the default name, its kind and number
    read    whether the name is from a file, where all applications of a shared layer have names
    invented  whether the name was not chosen
    """

    read = False
    invented = False

    def __init__(
        self, layer: Connectable | None, inputs: Sequence[Node], shape: Shape, name: str | None = None
    ) -> None:
        self.layer = layer
        self.inputs = tuple(inputs)
        self.shape = shape
        self.name = name

    def __repr__(self) -> str:
        description = self.layer.describe() if self.layer else type(self).__name__
        return f"<{self.name or description}: {text(self.shape)}>"


class Input(Node):
    """An input of a graph. The shape of a sample must be (C, H, W), (C, W) or (F,); ShapeError otherwise.

    name   name of the input in a graph with several inputs; None for the default name, such as input1
    """

    def __init__(self, shape: Sequence[int], name: str | None = None) -> None:
        super().__init__(None, (), checked_shape(shape), _checked_name(name))


NodesLike: TypeAlias = Node | Sequence[Node] | Mapping[str, Node]  # one node, several in order, or several by name


def apply(layer: Connectable, nodes: Sequence[Any], name: str | None = None) -> Node:
    """Apply a layer to nodes and return the new node.

    name   the node's name; None for the default name

    Errors   OptionError for an invalid name or number of nodes, ShapeError for unsupported shapes
    """
    shown = name or type(layer).__name__
    for node in nodes:
        if not isinstance(node, Node):
            raise OptionError(f"{shown}: expected results of Input or of other layers, found {quoted(node)}")
    shapes = [node.shape for node in nodes]
    return Node(layer, nodes, layer.joint_shape(shapes, shown), _checked_name(name))


def _checked_name(name: str | None) -> str | None:
    """Return a name of a layer or input, or None, unchanged; OptionError for any other value."""
    if name is not None and not (isinstance(name, str) and is_name(name)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"layer name {quoted(name)}: expected letters, digits and _, beginning with a letter")
    return name


def is_name(text: str) -> bool:
    """Return whether a layer can have a name."""
    return bool(NAME.fullmatch(text)) and not RESERVED.fullmatch(text)


@dataclass(frozen=True)
class Wiring:
    """The connections between a network's layers, which are in topological order.

    names   the names of the layers
    inputs  for each layer, the numbers of its inputs: 0 is the network's input, k ≥ 1 the output of the k-th layer
    owners  for each layer, the index (from 0) of the layer whose parameters it uses. If this is not the layer's own
            index, the layers share the parameters
    invented  names that were not chosen: default names, and those of layers that a file does not name
    """

    names: tuple[str, ...]
    inputs: tuple[tuple[int, ...], ...]
    owners: tuple[int, ...]
    invented: frozenset[str] = frozenset()

    @property
    def is_chain(self) -> bool:
        """Whether each layer's only input is the previous layer, and no parameters are shared."""
        for number, (inputs, owner) in enumerate(zip(self.inputs, self.owners, strict=True)):
            if inputs != (number,) or owner != number:
                return False
        return True

    def to_config(self) -> dict[str, Sequence[object]]:
        """Return the wiring as values that can be written to a file."""
        return {
            "names": list(self.names),
            "inputs": list(map(list, self.inputs)),
            "owners": list(self.owners),
            "invented": sorted(self.invented),
        }


def chain(layers: Sequence[Connectable]) -> Wiring:
    """Return the wiring of a chain of layers, which are named by kind and number: conv1, relu1, conv2, …"""
    numbers = range(len(layers))
    names = _names(layers, [None] * len(layers))
    return Wiring(names, tuple((number,) for number in numbers), tuple(numbers), frozenset(names))


def trace(source: object, output: object) -> tuple[tuple[Connectable, ...], Wiring]:
    """Return the layers between an input node and an output node, in topological order, and the wiring of the layers.

    If a layer was applied several times, all applications share its parameters.

    Errors   OptionError for a second input, for duplicate names, for a name at a later application of a layer, or if
             there is no layer between the nodes
    """
    if not isinstance(source, Input) or not isinstance(output, Node):
        raise OptionError("expected Graph(x, y) with x = Input(shape) and y the result of a layer")
    results = ordered(output)
    for result in results:
        if result.layer is None and result is not source:
            raise OptionError(f"the graph reads another input too, {result!r}; pass all inputs: Graph([a, b], y)")
    if source not in results or output is source:
        raise OptionError("the output does not depend on the input")
    results.remove(source)
    layers = tuple(node.layer for node in results if node.layer is not None)
    names = _names(layers, [node.name for node in results])
    first_uses: dict[int, int] = {}
    owners = tuple(first_uses.setdefault(id(layer), index) for index, layer in enumerate(layers))
    for index, (node, owner) in enumerate(zip(results, owners, strict=True)):
        if owner != index and node.name is not None and not node.read:
            called = f"a later call of {names[owner]}, whose parameters it shares"
            raise OptionError(f"layer name {node.name!r}: {called}; pass the name to the first call of the layer")
    number_of = {id(source): 0}
    inputs = list[tuple[int, ...]]()
    invented = set[str]()
    for number, (node, name) in enumerate(zip(results, names, strict=True), 1):
        number_of[id(node)] = number
        inputs.append(tuple(number_of[id(read)] for read in node.inputs))
        if node.invented or node.name is None:
            invented.add(name)
    return layers, Wiring(names, tuple(inputs), owners, frozenset(invented))


def rebuild(layers: Sequence[Connectable], shape: Sequence[int], wiring: Wiring) -> tuple[Input, Node]:
    """Rebuild a graph and return its input and output; raise OptionError or ShapeError if the wiring is invalid."""
    nodes: list[Node] = [Input(shape)]
    for number, (layer, name, inputs) in enumerate(zip(layers, wiring.names, wiring.inputs, strict=True)):
        if not all(0 <= source <= number for source in inputs):
            raise OptionError(f"layer {name!r} reads {inputs}: expected numbers from 0 to {number}")
        owner = wiring.owners[number]
        if not 0 <= owner <= number or wiring.owners[owner] != owner or layers[owner] != layer:
            raise OptionError(f"layer {name!r} cannot share the parameters of layer {owner}")
        nodes.append(apply(layers[owner], [nodes[source] for source in inputs], name))
        nodes[-1].read = True
        nodes[-1].invented = name in wiring.invented
    if len(ordered(nodes[-1])) != len(nodes):
        raise OptionError("some layers do not lead to the last one")
    return nodes[0], nodes[-1]  # pyright: ignore[reportReturnType]


def ordered(output: Node) -> list[Node]:
    """Return the output and all nodes that it depends on, in the topological order of a depth-first search."""
    nodes: dict[int, Node] = {}
    waiting = [(output, False)]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            nodes.setdefault(id(node), node)
        elif id(node) not in nodes:
            waiting.append((node, True))
            for source in reversed(node.inputs):
                waiting.append((source, False))
    return list(nodes.values())


def _names(layers: Sequence[Connectable], custom_names: Sequence[str | None]) -> tuple[str, ...]:
    """Return the names of the layers. Layers without a custom name are named conv1, relu1, conv2, …"""
    used = set[str]()
    counts = dict[str, int]()
    names = list[str]()
    for name in custom_names:
        if name is None:
            continue
        if name in used:
            raise OptionError(f"two layers are called {name!r}")
        used.add(name)
    for layer, own in zip(layers, custom_names, strict=True):
        name = own
        while name is None or (own is None and name in used):
            counts[layer.kind] = counts.get(layer.kind, 0) + 1
            name = f"{layer.kind}{counts[layer.kind]}"
        names.append(name)
    return tuple(names)


def checked_shape(sizes: object) -> Shape:
    """Return a sample's shape as a tuple; raise ShapeError unless it consists of one to three positive integers."""
    entries: object = plain(sizes)
    shape = tuple[Any, ...]()
    if isinstance(entries, Iterable):
        shape = tuple(cast("Iterable[Any]", entries))
    if not 1 <= len(shape) <= 3 or not all(is_whole(size, 1) for size in shape):
        expected = "(C, H, W), (C, W) or (F,), whole numbers above 0; for series of any length, a typical one"
        raise ShapeError(f"input_shape {quoted(sizes)}: expected {expected}")
    return shape
