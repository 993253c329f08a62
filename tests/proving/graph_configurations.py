"""Random graphs of random layers, with random input shapes. A configuration depends only on its seed and number.

The graphs contain branches, sums, gates, maxima, minima, concatenations, and layers that are applied several times.

They compute in float64. In float32, a sum of branches can cross a kink, and consecutive normalizations amplify rounding
errors, so no tolerance would suit all graphs.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from proving.acceptance import accepts
from proving.configurations import DRAWERS, ENGINES, choice, draw_layer

from chainrule import layers as cr
from chainrule.core.shapes import text
from chainrule.layers import Input, Layer, Node, node
from chainrule.layers.merging import Merge
from chainrule.layers.node import Wiring
from chainrule.network.network import Network
from chainrule.network.shapes import checked_layers

TRIES = 30  # maximum number of attempts to draw a compatible layer
STEP_COUNTS = (3, 9)  # minimum and maximum number of steps that build a graph
MAX_ENTRIES = 300  # maximum number of elements of a result per sample
SAMPLES = (4, 6)  # minimum and maximum batch size; batch normalization needs several samples


@dataclass(frozen=True)
class GraphConfiguration:
    """Connected layers, their engine, and the shape of their input batch.

    number   number of the configuration, from which `draw` draws it
    shape    shape of one input, without the batch axis
    samples  batch size
    """

    number: int
    layers: tuple[Layer, ...]
    wiring: Wiring
    shape: tuple[int, ...]
    samples: int
    engine: str

    def __str__(self) -> str:
        batch = text((self.samples, *self.shape))
        return f"{self.number}: {describe(self.layers, self.wiring)} on {batch}, {self.engine}, float64"

    def network(self) -> Network:
        """Build the network."""
        return Network(self.layers, self.shape, wiring=self.wiring, dtype="float64", engine=self.engine)


def draw(seed: int, number: int, engines: tuple[str, ...] = ENGINES) -> GraphConfiguration:
    """Draw the graph with this number. First layers of consecutive graphs alternate between layer types."""
    generator = np.random.default_rng([seed, number, len(DRAWERS)])
    first, shape = draw_layer(generator, number)
    steps = int(generator.integers(STEP_COUNTS[0], STEP_COUNTS[1] + 1))
    ends = draw_graph(generator, shape, _next_layer, steps=steps, max_entries=MAX_ENTRIES, first=first)
    layers, wiring = node.trace(*ends)
    graph = checked_layers(layers), wiring
    samples = int(generator.integers(SAMPLES[0], SAMPLES[1] + 1))
    return GraphConfiguration(number, *graph, shape, samples, engines[int(generator.integers(len(engines)))])


def _next_layer(generator: np.random.Generator, input_node: Node) -> Layer | None:
    """Draw a layer of any type that accepts a node's result, or return None if `TRIES` attempts fail."""
    drawers = list(DRAWERS.values())
    for _ in range(TRIES):
        drawn, _ = drawers[int(generator.integers(len(drawers)))](generator)
        layer = fit_options(generator, drawn, input_node.shape)
        if accepts(layer, input_node.shape):
            return layer
    return None


Generator = np.random.Generator
Shape = tuple[int, ...]
NextLayer = Callable[[Generator, Node], Layer | None]  # draws a layer for a node's result
KEEP_PROBABILITY = 0.8  # probability that an unused result is connected to the output


def draw_graph(
    generator: Generator,
    shape: Shape,
    next_layer: NextLayer,
    *,
    steps: int,
    max_entries: int,
    first: Layer | None = None,
) -> tuple[Input, Node]:
    """Return the input and output nodes of a random graph.

    next_layer   draws a layer for a node's result, or returns None if it finds none
    steps        number of attempts to add a layer, a merge or a concatenation
    max_entries  maximum number of elements of a result per sample
    first        a layer that is applied to the input
    """
    x = Input(shape)
    nodes: list[Node] = [x] if first is None else [x, first(x)]
    while steps > 0 or len(nodes) == 1:
        steps -= 1
        result = choice(generator, *ACTIONS)(generator, nodes, next_layer)
        if result is not None and math.prod(result.shape) <= max_entries:
            nodes.append(result)
    read = set[int]()
    for reader in nodes:
        read.update(map(id, reader.inputs))
    ends = list[Node]()
    for end in nodes[1:-1]:
        if id(end) not in read and generator.random() < KEEP_PROBABILITY:
            ends.append(end)
    return x, _join(generator, [*ends, nodes[-1]])


def fit_options(generator: Generator, layer: Layer, shape: Shape) -> Layer:
    """Return a layer whose shape-dependent options are adapted to an input shape."""
    grouped: Any = layer
    if getattr(layer, "groups", 1) > 1 and shape[0] % grouped.groups:
        return replace(grouped, groups=1)
    if isinstance(layer, cr.Reshape):
        size = math.prod(shape)
        return cr.Reshape(
            choice(generator, (size,), (1, size), (shape[0], size // shape[0]), shape[::-1], (1, 1, size))
        )
    if isinstance(layer, cr.Permute):
        return cr.Permute(tuple(generator.permutation(len(shape)).tolist()))
    if isinstance(layer, cr.Broadcast):
        return cr.Broadcast(tuple(choice(generator, 1, 2, 3) if size == 1 else size for size in shape))
    if isinstance(layer, cr.Slice):
        axis = int(generator.integers(len(shape)))
        start = int(generator.integers(shape[axis]))
        return cr.Slice(axis, start, int(generator.integers(start + 1, shape[axis] + 1)))
    return layer


def describe(layers: Sequence[Layer], wiring: Wiring) -> str:
    """Return the layers and their inputs as text, such as "conv1 = Conv2D(3, 3)(x), add1 = Add()(conv1, x)"."""
    names = ("x", *wiring.names)
    parts: list[str] = []
    for number, (name, layer) in enumerate(zip(wiring.names, layers, strict=True)):
        owner = wiring.owners[number]
        shown = layer.describe() if owner == number else wiring.names[owner]
        inputs = [names[index] for index in wiring.inputs[number]]
        parts.append(f"{name} = {shown}({', '.join(inputs)})")
    return ", ".join(parts)


def _draw_node(generator: Generator, nodes: Sequence[Node]) -> Node:
    """Draw a node. The latest one is more likely than the others."""
    if generator.random() < 0.4:
        return nodes[-1]
    return choice(generator, *nodes)


def _apply_layer(generator: Generator, nodes: Sequence[Node], next_layer: NextLayer) -> Node | None:
    node = _draw_node(generator, nodes)
    layer = next_layer(generator, node)
    if layer is None:
        return None
    return replace(layer)(node)  # a copy, since the same object would share its parameters


def _reuse_layer(generator: Generator, nodes: Sequence[Node], next_layer: NextLayer) -> Node | None:
    """Apply a layer with parameters a second time, to a result that requires equal parameter shapes."""
    parametric = list[tuple[Layer, Node]]()
    for result in nodes:
        if isinstance(result.layer, Layer) and _parameters(result.layer, result.inputs[0].shape):
            parametric.append((result.layer, result.inputs[0]))
    if not parametric:
        return None
    layer, first_input = choice(generator, *parametric)
    parameters = _parameters(layer, first_input.shape)
    fitting = list[Node]()
    for result in nodes:
        if _parameters(layer, result.shape) == parameters:
            fitting.append(result)
    if len(fitting) > 1:
        fitting.remove(first_input)
    return layer(choice(generator, *fitting))


def _parameters(layer: Layer, shape: Shape) -> list[Shape]:
    """Return the shapes of a layer's parameters, or an empty list if the layer does not accept the input shape."""
    if not accepts(layer, shape):
        return []
    return [parameter.shape for parameter in layer.parameters(shape, "drawn")]


def _merge(generator: Generator, nodes: Sequence[Node], next_layer: NextLayer) -> Node | None:
    """Merge results of compatible shapes element by element, possibly including the same result twice."""
    node = _draw_node(generator, nodes)
    kind = choice(generator, cr.Add, cr.Add, cr.Multiply, cr.Maximum, cr.Minimum)
    return _with_others(generator, nodes, node, kind())


def _concatenate(generator: Generator, nodes: Sequence[Node], next_layer: NextLayer) -> Node | None:
    node = _draw_node(generator, nodes)
    return _with_others(generator, nodes, node, cr.Concatenate(int(generator.integers(len(node.shape)))))


def _with_others(generator: Generator, nodes: Sequence[Node], node: Node, merge: Merge) -> Node:
    """Return a node merged with one or two compatible nodes."""
    inputs: list[Node] = [node]
    for _ in range(choice(generator, 1, 1, 2)):
        shapes = [chosen.shape for chosen in inputs]
        fitting = [other for other in nodes if accepts(merge, *shapes, other.shape)]
        inputs.append(choice(generator, *fitting))
    order: list[int] = generator.permutation(len(inputs)).tolist()
    return merge(*(inputs[index] for index in order))


def _gate(generator: Generator, nodes: Sequence[Node], next_layer: NextLayer) -> Node | None:
    """Multiply a result by a gate computed from itself or another result, with one factor per channel or position."""
    node = _draw_node(generator, nodes)
    if len(node.shape) != 3:
        return None
    gate = choice(generator, cr.Sigmoid(), cr.HardSigmoid())
    images = [candidate for candidate in nodes if len(candidate.shape) == 3]
    other: Node = choice(generator, *images)
    if generator.integers(2):
        mean = cr.AveragePool2D(other.shape[1:])(other)
        return cr.Multiply()(node, gate(cr.Conv2D(node.shape[0], 1)(mean)))
    if other.shape[1:] != node.shape[1:]:
        other = node
    return cr.Multiply()(node, gate(cr.Conv2D(1, 3, padding="same")(other)))


def _join(generator: Generator, ends: Sequence[Node]) -> Node:
    """Return a single result: the sum if all shapes are equal, otherwise a concatenation of vectors."""
    if len(ends) == 1:
        return ends[0]
    if len({end.shape for end in ends}) == 1:
        return cr.Add()(*ends)
    vectors = list[Node]()
    for end in ends:
        layer = choice(generator, *TO_VECTOR[len(end.shape)])
        vectors.append(layer()(end))
    return cr.Concatenate()(*vectors)


TO_VECTOR: dict[int, tuple[type[Layer], ...]] = {  # by number of axes
    1: (cr.Flatten,),
    2: (cr.Flatten, cr.GlobalAveragePool1D, cr.GlobalMaxPool1D),
    3: (cr.Flatten, cr.GlobalAveragePool2D, cr.GlobalMaxPool2D),
}


ACTIONS = (*[_apply_layer] * 5, *[_merge] * 2, _reuse_layer, _gate, _concatenate)
