"""ONNX files written by chainrule: names of classes and layers, normalization, loss and task.

`exporter` stores them in the metadata and in the names of nodes. The names of a layer's nodes start with the layer's
name, such as silu1 and silu1.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from chainrule._io.budget import Budget
from chainrule._io.files import expect_list, expect_object, parse
from chainrule.data.normalization import Normalization
from chainrule.errors import FormatError, OptionError
from chainrule.interop.onnx import tensors
from chainrule.interop.onnx.graph_writer import INPUT, normalizing_steps
from chainrule.interop.onnx.messages import GraphMessage, ModelMessage, OnnxNode
from chainrule.network import losses, tasks

PRODUCER = "chainrule"


@dataclass(frozen=True)
class ExportedModel:
    """The description of a model in an ONNX file written by chainrule.

    graph    the graph without the nodes of the normalization
    options  arguments of `model.Graph`: names of classes, normalization and loss
    task     name of the task; None if it is unknown
    thresholds   smallest output that means yes, of each label; empty: ½
    invented     names of layers that were not chosen
    """

    graph: GraphMessage
    options: Mapping[str, object]
    task: str | None
    thresholds: tuple[float, ...]
    invented: tuple[str, ...]


def exported_model(message: ModelMessage, graph: GraphMessage) -> ExportedModel | None:
    """Return the description of a model; None for a file of another program.

    If the file contains the nodes of the normalization, the normalization is an option of the model. Otherwise, the
    model is not normalized: its input is that of the first layer.

    Errors   FormatError for invalid metadata
    """
    metadata = {pair.key: pair.value for pair in message.metadata}
    if message.producer != PRODUCER or "normalization" not in metadata:
        return None
    normalization = Normalization.from_config(expect_object(parse(metadata["normalization"]), "normalization"))
    options: dict[str, object] = {}
    is_included = metadata.get("normalization_included") == "true"
    if is_included and not normalization.parts:  # the normalizations of several inputs are layers
        inner = _without_normalization(normalization, graph)
        if inner is not None:
            graph = inner
            options["normalization"] = normalization
    if "classes" in metadata:
        options["classes"] = expect_list(str, parse(metadata["classes"]), "classes")
    loss = _loss(metadata.get("loss", ""), graph)
    if loss is not None:
        options["loss"] = loss
    thresholds = expect_list(float, parse(metadata.get("thresholds", "[]")), "thresholds")
    task = metadata.get("task", "")
    known_task = task if {*task.split(",")} <= tasks.NAMED.keys() else None
    invented = expect_list(str, parse(metadata.get("invented", "[]")), "invented")
    return ExportedModel(graph, options, known_task, thresholds, invented)


def _loss(text: str, graph: GraphMessage) -> str | losses.JointLoss | None:
    """Return a loss by its name and option, or the losses of several outputs; None for a custom loss."""
    try:
        if text.partition("=")[0] in losses.NAMES:
            return losses.find(text)
        if not text.startswith("{") or len(graph.outputs) < 2:
            return None
        terms = losses.JointLoss.parse(text).terms  # in the order of the outputs
    except OptionError as error:
        raise FormatError(str(error)) from None
    named = [replace(term, output=value.name) for term, value in zip(terms, graph.outputs, strict=False)]
    return losses.JointLoss(tuple(named))


def _without_normalization(normalization: Normalization, graph: GraphMessage) -> GraphMessage | None:
    """Return a graph without the nodes that normalize the input; None if it does not start with them.

    The first nodes must be the expected chain, each with its constant, from the input on. Readers of the last of them
    then read the input.
    """
    constants = graph.constants
    expected = normalizing_steps(normalization, _input_dtype(graph))
    if len(graph.nodes) <= len(expected):
        return None
    source = INPUT
    for (operator, _, numbers), node in zip(expected, graph.nodes, strict=False):
        if node.operator != operator or len(node.inputs) != 2 or len(node.outputs) != 1:
            return None
        x, factor = node.inputs
        if x != source or factor not in constants:
            return None
        value = tensors.array(constants[factor], None, Budget(0))
        if not np.array_equal(value.reshape(-1), numbers):
            return None
        source = node.outputs[0]
    nodes: list[OnnxNode] = []
    for node in graph.nodes[len(expected) :]:
        inputs = [INPUT if name == source else name for name in node.inputs]
        nodes.append(replace(node, inputs=inputs))
    return replace(graph, nodes=nodes)


def _input_dtype(graph: GraphMessage) -> np.dtype[np.generic]:
    """Return the type of the input; float32 if it is not stated."""
    for value in graph.inputs:
        if value.name == INPUT and value.type.tensor is not None:
            return tensors.dtype_of(value.type.tensor.kind)
    return np.dtype(np.float32)
