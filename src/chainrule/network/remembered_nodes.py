"""Nodes of a graph remember the networks that were trained with them.

>>> model = Graph(x, Softmax()(Dense(10)(hidden)))
>>> model.fit(images, labels)
>>> features = Graph(x, hidden).predict(images)  # with the weights of the model
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chainrule.core.arrays import Array
from chainrule.data.normalization import JointNormalization, Normalization
from chainrule.errors import OptionError
from chainrule.layers.base import PACK, UNPACK
from chainrule.layers.node import Connectable, Input, Node, NodesLike, Wiring, ordered, trace
from chainrule.layers.packing import pack_graph
from chainrule.network.fitted import UNFITTED
from chainrule.network.flat_buffers import Origin

if TYPE_CHECKING:
    from chainrule.network.network import Network

ADVICE = "pass weights=, or create the nodes again"


@dataclass(eq=False)
class NodeUse:
    """A network, as its nodes remember it. They list it with the name of the layer, or of the input, in it.

    outputs    the lists `uses` of its output nodes
    reference  weak reference to the network
    kept       the network, if it is trained or the last one over its nodes
    """

    outputs: tuple[list[tuple[NodeUse, str]], ...]
    reference: weakref.ref[Network]
    kept: Network | None

    @property
    def trained(self) -> Network | None:
        """The network if it was trained, or if its weights were set; otherwise None."""
        network = self.reference()
        if network is None or network.untrained is not False:
            return None
        return network


class TracedGraph(NamedTuple):
    """The nodes of a graph with one input and one output: several are packed.

    layers, wiring   the layers of all nodes except the source
    """

    source: Input
    output: Node
    layers: tuple[Connectable, ...]
    wiring: Wiring


def remember(network: Network, graph: TracedGraph) -> None:
    """Let the nodes of a graph remember a network."""
    use = NodeUse(_ends(graph.output), weakref.ref(network), network)
    nodes = _results(graph.source, graph.output)
    names = [network.names[owner] for owner in graph.wiring.owners]
    for node, name in ((graph.source, network.input_names[0]), *zip(nodes, names, strict=True)):
        for earlier, _ in node.uses:
            earlier.kept = earlier.trained
        if _is_unpacked(node):
            name = getattr(node.layer, "label", None) or name
        node.uses.append((use, name))


def recall(x: NodesLike, y: NodesLike, options: Mapping[str, Any]) -> tuple[TracedGraph, dict[str, Any]]:
    """Return a graph whose layers know their weights in trained networks, and the options with their normalization.

    Errors   OptionError if layers or inputs differ in several trained networks, for all outputs of one, and for outputs
             whose units only the trained network knows
    """
    source, output = pack_graph(x, y)
    layers, wiring = trace(source, output)
    graph = TracedGraph(source, output, layers, wiring)
    if options.get("weights") is not None:
        return graph, {**options}
    nodes = _results(source, output)
    _check_outputs(output)
    nodes_of_layer: dict[int, list[Node]] = {}
    for layer, node in zip(layers, nodes, strict=True):
        nodes_of_layer.setdefault(id(layer), []).append(node)
    origins = {layer: _origin(layer_nodes) for layer, layer_nodes in nodes_of_layer.items()}
    traced = list[Connectable]()
    for layer in layers:
        traced.append(_with_origin(layer, origins[id(layer)]))
    normalization = options.get("normalization")
    if normalization is None:
        inputs = list(filter(_is_unpacked, nodes)) or [source]
        normalization = _normalization(inputs)
    return graph._replace(layers=tuple(traced)), {**options, "normalization": normalization}


def _results(source: Input, output: Node) -> list[Node]:
    return [node for node in ordered(output) if node is not source]


def _is_unpacked(node: Node) -> bool:
    """Return whether a node is one of several inputs."""
    return node.layer is not None and node.layer.kind == UNPACK


def _ends(output: Node) -> tuple[list[tuple[NodeUse, str]], ...]:
    """Return the lists `uses` of a graph's output nodes."""
    ends: Iterable[Node] = (output,)
    if output.layer is not None and output.layer.kind == PACK:
        ends = output.inputs
    return tuple(node.uses for node in ends)


def _trained(nodes: Iterable[Node]) -> list[tuple[Network, str]]:
    """Return the trained networks that nodes are part of, each with the name of the layer or the input in it."""
    networks: dict[int, tuple[Network, str]] = {}
    for node in nodes:
        for use, name in node.uses:
            network = use.trained
            if network is not None:
                networks.setdefault(id(network), (network, name))
    return [*networks.values()]


def _check_outputs(output: Node) -> None:
    """Raise OptionError if the outputs are those of a trained network, or standardized by one."""
    ends = {id(end): end for end in _ends(output)}
    for end in ends.values():
        for use, _ in end:
            theirs = {id(result) for result in use.outputs}
            network = use.trained
            if network is None or id(end) not in theirs:
                continue
            if theirs == ends.keys():
                advice = "for its weights, pass weights=model.weights; for new ones, create the nodes again"
                raise OptionError(f"these nodes are those of a trained network; {advice}")
            if network.target_scaling is not None:
                raise OptionError("an output is that of a trained network; only its own predict returns it in its unit")


def _origin(nodes: Sequence[Node]) -> Origin | None:
    """Return where the weights of a layer are, from all nodes that apply it; None if no trained network has it."""
    candidates = _trained(nodes)
    if not candidates:
        return None
    network, name = candidates[0]
    weights = _weights_of(network, name)
    if not weights:
        return None
    for other_network, other_name in candidates[1:]:
        other_weights = _weights_of(other_network, other_name)
        for own, value in weights.items():
            if not np.array_equal(value, other_weights[own]):
                raise OptionError(f"layer {name!r} has different weights in trained networks over its nodes; {ADVICE}")
    return replace(network.layers[network.names.index(name)].origin, channels=0)


def _weights_of(network: Network, layer: str) -> dict[str, Array]:
    """Return the weights of a layer by their names within it."""
    weights = dict[str, Array]()
    for name in network.table:
        owner, _, own = name.rpartition(".")
        if owner == layer:
            weights[own] = network.weights[name]
    return weights


def _with_origin(layer: Connectable, origin: Origin | None) -> Connectable:
    if origin is None:
        return layer
    duplicate = copy.copy(layer)
    vars(duplicate)["origin"] = origin
    return duplicate


def _normalization(inputs: Sequence[Node]) -> Normalization | None:
    """Return the normalization of inputs in trained networks; None if one of them is in none."""
    parts = dict[str | None, Normalization]()
    for node in inputs:
        candidates = list[Normalization]()
        for network, name in _trained([node]):
            candidates.append(network.normalization.parts.get(name, network.normalization))
        if not candidates or UNFITTED in candidates:
            return None
        for candidate in candidates[1:]:
            if candidate != candidates[0]:
                raise OptionError(f"an input has different normalizations in trained networks over its node; {ADVICE}")
        parts[getattr(node.layer, "label", None) or node.name] = candidates[0]
    if len(parts) > 1:
        return JointNormalization.of({str(name): part for name, part in parts.items()})
    return next(iter(parts.values()))
