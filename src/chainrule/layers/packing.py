"""Layers for several inputs or outputs, which are packed into one vector per sample.

The plan of a network reads one tensor and writes one. A network with several inputs reads a vector with the elements
of all inputs, from which an `Unpack` layer per input takes one input. A network with several outputs ends with a `Pack`
layer, which returns a vector with the elements of all outputs. `Graph` adds these layers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import text
from chainrule.errors import OptionError, ShapeError, printable, quoted
from chainrule.layers import node
from chainrule.layers.base import PACK, UNPACK, Layer, Shape, check_whole
from chainrule.layers.merging import Concatenate, Merge, Slice
from chainrule.layers.node import Input, Node, NodesLike, checked_shape


@dataclass(frozen=True)
class Unpack(Layer):
    """One input of a network with several inputs, taken from the packed inputs. `Graph` adds this layer.

    start   index of the input's first element
    shape   shape of the input
    label   name of the input if no layer can have it, such as "a:0" or "x"; None: the name of the layer

    y = the elements start, start + 1, … of x, in the shape of the input

    Shapes   (F,) → shape
    Errors   ShapeError when the input extends beyond the packed inputs
    Source   reference/geometry.py, as a slice
    """

    start: int
    shape: tuple[int, ...]
    label: str | None = None

    kind: ClassVar[str] = UNPACK

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "start", self.start, 0)
        checked_shape(self.shape)
        if self.label is not None:
            if not isinstance(self.label, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise OptionError(f"input {quoted(self.label)}: expected a name")
            object.__setattr__(self, "label", printable(self.label))

    @property
    def stop(self) -> int:
        """Index after the input's last element."""
        return self.start + math.prod(self.shape)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the shape of the input."""
        self._expect(shape, name, 1, "(F,)")
        if self.stop > shape[0]:
            raise ShapeError(
                f"Unpack {name!r}: {text(self.shape)} from {self.start} on is not within {shape[0]} elements"
            )
        return self.shape

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the input's elements;  dx = dy padded with zeros to the shape of x."""
        return Slice(0, self.start, self.stop).emit(builder, x).viewed(self.shape)


@dataclass(frozen=True)
class Pack(Merge):
    """All outputs of a network, packed into one vector. `Graph` adds this layer to a network with several outputs.

    names   names of the outputs, in order

    y = the elements of x_1, x_2, …, each in row-major order

    Shapes   any → (F,)
    Errors   OptionError for equal names; ShapeError unless there is one name per input
    Source   reference/merging.py, as a concatenation
    """

    names: tuple[str, ...]

    kind: ClassVar[str] = PACK

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.names:
            if not isinstance(name, str) or not name:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise OptionError(f"outputs {quoted(self.names)}: expected names")
        object.__setattr__(self, "names", tuple(map(printable, self.names)))
        if len(set(self.names)) < len(self.names):
            raise OptionError(f"outputs {', '.join(map(quoted, self.names))}: expected different names")

    def merged_shape(self, shapes: Sequence[Shape], name: str) -> Shape:
        """Return the total number of elements."""
        if len(shapes) != len(self.names):
            raise ShapeError(f"Pack {name!r}: {len(shapes)} outputs and {len(self.names)} names; expected as many")
        return (sum(map(math.prod, shapes)),)

    def joint_emit(self, builder: Builder, inputs: Sequence[Tensor]) -> Tensor:
        """Emit the concatenation. The gradient with respect to an output is the corresponding slice of dy."""
        return Concatenate().joint_emit(builder, [source.viewed((source.size,)) for source in inputs])


def pack_graph(inputs: NodesLike, outputs: NodesLike) -> tuple[Input, Node]:
    """Return the input and the output of a graph with one of each, for a graph with several.

    Several inputs or outputs are packed. A single input and a single output are returned unchanged.

    inputs    the `Input` nodes; the keys of a mapping are the names of the inputs, which can be any text
    outputs   the output nodes; the keys of a mapping are the names of the outputs, which are those of the layers
              otherwise

    Errors    OptionError if an output is no result of a layer, an input is not used, or two names are equal
    """
    sources = _named(inputs, "inputs")
    results = _named(outputs, "outputs")
    if len(sources) > 1:
        sources, results = _unpacked(sources, results)
    _, source = sources[0]
    nodes = [result for _, result in results]
    if len(nodes) == 1:
        return cast("Input", source), nodes[0]
    if any(result is source for result in nodes):
        raise OptionError("an output is the graph's input; expected results of layers")
    draft = Pack(tuple(map(str, range(len(nodes)))))(*nodes)
    _, wiring = node.trace(source, draft)
    names = list[str]()
    for (name, _), number in zip(results, wiring.inputs[-1], strict=True):
        names.append(name or wiring.names[number - 1])
    return cast("Input", source), Pack(tuple(names))(*nodes)


def _named(nodes: object, what: str) -> list[tuple[str | None, Node]]:
    """Return nodes with their names, None for nodes outside a mapping; OptionError for other objects."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(nodes, Node):
        pairs = [(None, nodes)]
    elif isinstance(nodes, Mapping):
        pairs = list(cast("Mapping[Any, Any]", nodes).items())
    elif isinstance(nodes, list | tuple):
        pairs = [(None, entry) for entry in cast("Sequence[Any]", nodes)]
    are_nodes = all(isinstance(name, str | None) and isinstance(entry, Node) for name, entry in pairs)
    if not pairs or not are_nodes:
        shown = quoted(cast("object", nodes))
        raise OptionError(f"graph {what} {shown}: expected a node, a list of nodes, or nodes by name")
    return pairs


def _unpacked(
    sources: list[tuple[str | None, Node]], results: list[tuple[str | None, Node]]
) -> tuple[list[tuple[str | None, Node]], list[tuple[str | None, Node]]]:
    """Return the packed input and copies of the results that read it. Names are unchanged."""
    needed = dict[int, Node]()
    layer_names = set[str | None]()
    for _, result in results:
        for original in node.ordered(result):
            needed[id(original)] = original
            if original.layer is not None:
                layer_names.add(original.name)
    packed = Input((sum(math.prod(source.shape) for _, source in sources),))
    copies = dict[int, Node]()
    start = 0
    for number, (name, source) in enumerate(sources, 1):
        if not isinstance(source, Input) or id(source) in copies:
            raise OptionError(f"graph input {source!r}: expected different Input nodes")
        if id(source) not in needed:
            raise OptionError(f"no output depends on the input {repr(source) if name is None else quoted(name)}")
        label = name or source.name or f"{Unpack.kind}{number}"
        is_layer_name = node.is_name(label) and label not in layer_names
        unpack = Unpack(start, source.shape, None if is_layer_name else label)
        copies[id(source)] = unpack(packed, name=label if is_layer_name else None)
        start += math.prod(source.shape)
    for original in needed.values():
        if original.layer is not None:
            inputs = [copies.get(id(source), source) for source in original.inputs]
            copied = Node(original.layer, inputs, original.shape, original.name)
            copied.read = original.read
            copies[id(original)] = copied
    return [(None, packed)], [(name, copies.get(id(result), result)) for name, result in results]
