"""ONNX files written by chainrule: names of classes and layers, normalization, loss and task.

`exporter` stores them in the metadata and in the names of nodes. The names of a layer's nodes start with the layer's
name, such as silu1 and silu1.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule._io.budget import Budget
from chainrule._io.files import expect_list, expect_object, parse
from chainrule.data.normalization import Normalization
from chainrule.errors import FormatError, OptionError
from chainrule.interop.onnx import tensors
from chainrule.interop.onnx.graph_writer import INPUT, normalizing_steps
from chainrule.interop.onnx.messages import GraphMessage, ModelMessage
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
    options: Mapping[str, Any]
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
    options: dict[str, Any] = {}
    is_included = metadata.get("normalization_included") == "true" and not normalization.parts  # else they are layers
    inner = _without(normalization, graph) if is_included else None
    if inner is not None:
        options["normalization"] = normalization
    if "classes" in metadata:
        options["classes"] = expect_list(str, parse(metadata["classes"]), "classes")
    loss, task = metadata.get("loss", ""), metadata.get("task", "")
    try:
        if loss.partition("=")[0] in losses.NAMES:
            options["loss"] = losses.find(loss)
        elif loss.startswith("{") and len(graph.outputs) > 1:
            terms = losses.JointLoss.parse(loss).terms  # in the order of the outputs
            named = [replace(term, output=value.name) for term, value in zip(terms, graph.outputs, strict=False)]
            options["loss"] = losses.JointLoss(tuple(named))
    except OptionError as error:
        raise FormatError(str(error)) from None
    thresholds = expect_list(float, parse(metadata.get("thresholds", "[]")), "thresholds")
    known_task = task if {*task.split(",")} <= tasks.NAMED.keys() else None
    invented = expect_list(str, parse(metadata.get("invented", "[]")), "invented")
    return ExportedModel(inner or graph, options, known_task, thresholds, invented)


def _without(normalization: Normalization, graph: GraphMessage) -> GraphMessage | None:
    """Return a graph without the nodes that normalize the input; None if it does not start with them.

    The first nodes must be the expected chain, each with its constant, from the input on. Readers of the last of them
    then read the input.
    """
    constants = {initializer.name: initializer for initializer in graph.initializers}
    types = [value.type.tensor for value in graph.inputs if value.name == INPUT]
    dtype = tensors.dtype_of(types[0].kind) if types and types[0] is not None else np.dtype(np.float32)
    source, expected = INPUT, normalizing_steps(normalization, dtype)
    for (operator, _, numbers), node in zip(expected, graph.nodes, strict=False):
        constant = constants.get(node.inputs[1]) if len(node.inputs) == 2 else None
        if node.operator != operator or node.inputs[0] != source or constant is None or len(node.outputs) != 1:
            return None
        value = tensors.array(constant, None, Budget(0))
        if not np.array_equal(value.reshape(-1), numbers):
            return None
        source = node.outputs[0]
    if len(graph.nodes) <= len(expected):
        return None
    nodes = [
        replace(node, inputs=[INPUT if name == source else name for name in node.inputs])
        for node in graph.nodes[len(expected) :]
    ]
    return replace(graph, nodes=nodes)
