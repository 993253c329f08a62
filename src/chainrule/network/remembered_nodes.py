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

from chainrule.data.normalization import JointNormalization, Normalization
from chainrule.errors import OptionError
from chainrule.layers.base import PACK, UNPACK
from chainrule.layers.node import Input, Node, NodesLike, Wiring, ordered, trace
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
        return network if network is not None and network.untrained is False else None


class TracedGraph(NamedTuple):
    """The nodes of a graph with one input and one output: several are packed.

    layers, wiring   the layers of all nodes except the source
    """

    source: Input
    output: Node
    layers: tuple[Any, ...]
    wiring: Wiring


def remember(network: Network, graph: TracedGraph) -> None:
    """Let the nodes of a graph remember a network."""
    use = NodeUse(_ends(graph.output), weakref.ref(network), network)
    nodes = _results(graph.source, graph.output)
    names = [network.names[owner] for owner in graph.wiring.owners]
    for node, name in ((graph.source, network.input_names[0]), *zip(nodes, names, strict=True)):
        for earlier, _ in node.uses:
            earlier.kept = earlier.trained
        label = getattr(node.layer, "label", "") if _is_unpacked(node) else ""
        node.uses.append((use, label or name))


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
    groups: dict[int, list[Node]] = {}
    for layer, node in zip(layers, nodes, strict=True):
        groups.setdefault(id(layer), []).append(node)
    origins = {key: _origin(group) for key, group in groups.items()}
    traced = tuple(_with_origin(layer, origins[id(layer)]) for layer in layers)
    normalization = options.get("normalization")
    if normalization is None:
        normalization = _normalization([node for node in nodes if _is_unpacked(node)] or [source])
    return graph._replace(layers=traced), {**options, "normalization": normalization}


def _results(source: Input, output: Node) -> list[Node]:
    return [node for node in ordered(output) if node is not source]


def _is_unpacked(node: Node) -> bool:
    """Return whether a node is one of several inputs."""
    return node.layer is not None and node.layer.kind == UNPACK


def _ends(output: Node) -> tuple[list[tuple[NodeUse, str]], ...]:
    """Return the lists `uses` of a graph's output nodes."""
    is_packed = output.layer is not None and output.layer.kind == PACK
    return tuple(node.uses for node in (output.inputs if is_packed else (output,)))


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
    weights = [_weights_of(network, name) for network, name in candidates]
    if not candidates or not weights[0]:
        return None
    network, name = candidates[0]
    for other in weights[1:]:
        if any(not np.array_equal(value, other[own]) for own, value in weights[0].items()):
            raise OptionError(f"layer {name!r} has different weights in trained networks over its nodes; {ADVICE}")
    return replace(network.layers[network.names.index(name)].origin, channels=0)


def _weights_of(network: Network, layer: str) -> dict[str, Any]:
    """Return the weights of a layer by their names within it."""
    parts = {name: name.rpartition(".") for name in network.table}
    return {own: network.weights[name] for name, (owner, _, own) in parts.items() if owner == layer}


def _with_origin(layer: Any, origin: Origin | None) -> Any:
    if origin is None:
        return layer
    duplicate = copy.copy(layer)
    vars(duplicate)["origin"] = origin
    return duplicate


def _normalization(inputs: Sequence[Node]) -> Normalization | None:
    """Return the normalization of inputs in trained networks; None if one of them is in none."""
    parts = dict[str, Normalization]()
    for node in inputs:
        candidates = list[Normalization]()
        for network, name in _trained([node]):
            candidates.append(network.normalization.parts.get(name, network.normalization))
        if not candidates or UNFITTED in candidates:
            return None
        if any(candidate != candidates[0] for candidate in candidates):
            raise OptionError(f"an input has different normalizations in trained networks over its node; {ADVICE}")
        parts[getattr(node.layer, "label", "") or node.name] = candidates[0]
    return JointNormalization.of(parts) if len(parts) > 1 else next(iter(parts.values()))
