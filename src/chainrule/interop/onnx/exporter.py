"""Export of a model as an ONNX file: the inference plan, the normalization of the input, and metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule._io.files import as_path, write_atomic
from chainrule.core.options import checked_options
from chainrule.core.plan import Plan
from chainrule.data.normalization import AS_READ, Normalization
from chainrule.errors import OptionError, printable, quoted
from chainrule.interop.onnx import operators
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.messages import MAX_BYTES, ModelMessage, Opset, Pair, serialize
from chainrule.layers.packing import Pack, Unpack
from chainrule.network import losses
from chainrule.network.network import Network
from chainrule.training.target_fitting import folded
from chainrule.version import __version__

if TYPE_CHECKING:
    from chainrule.models.model import Model


@checked_options
def export_onnx(
    model: Model,
    path: str | Path,
    *,
    raw_input: bool = False,
    opset: int | None = None,
    facts: Mapping[str, str] | None = None,
) -> None:
    """Write a model to an ONNX file, atomically: x (N, *input_shape) → y (N, *output_shape), where N is unspecified.

    Several inputs or outputs have their own names.

    raw_input  omit the normalization, so that x is the input of the first layer; otherwise x has the units of the
               training data, such as bytes 0 … 255
    opset      version of the ONNX operators; None: the lowest, from 13, that has all operators the network needs
    facts      additional texts for the file's metadata, by name; class names, task and normalization are always written

    Errors     OptionError for a layer that ONNX, or this opset, cannot express; RunError if the file cannot be written
    """
    if not callable(getattr(model, "about", None)):
        raise OptionError(f"model {quoted(model)}: expected a model, such as cr.Sequential")
    write(model_message(model, facts or {}, raw_input=raw_input, opset=opset), as_path(path))


def model_message(
    model: Model, facts: Mapping[str, str], *, raw_input: bool = False, opset: int | None = None
) -> ModelMessage:
    """Return the content of the file that `export_onnx` writes."""
    metadata = _metadata(model, raw_input) | dict(facts)
    model = folded(model)
    normalization = None if raw_input else model.normalization
    return message_of(model, normalization, opset, metadata, model.name)


def message_of(
    network: Network,
    normalization: Normalization | None = None,
    opset: int | None = None,
    metadata: Mapping[str, str] | None = None,
    name: str = "network",
) -> ModelMessage:
    """Return an ONNX model of a network's inference plan, with an optional normalization of its input."""
    plan = network.plan()
    graph = GraphWriter(network, opset)
    graph.add_input(plan, normalization)
    _add_nodes(graph, plan, normalization.parts if normalization else {})
    pairs = [Pair(printable(key), printable(value)) for key, value in (metadata or {}).items()]
    return ModelMessage(
        graph=graph.message(plan, name),
        opsets=[Opset("", graph.opset)],
        producer="chainrule",
        producer_version=__version__,
        ir_version=graph.ir_version,
        metadata=pairs,
    )


def _add_nodes(graph: GraphWriter, plan: Plan, normalizations: Mapping[str, Normalization]) -> None:
    """Add the nodes for the operations of an inference plan; OptionError for an operation that ONNX cannot express.

    The packing of several inputs and outputs needs no nodes, because an ONNX graph can have several.

    normalizations   normalization of each of several inputs, by name
    """
    layers = dict(zip(graph.network.names, graph.network.layers, strict=True))
    for operation in plan.forward:
        result = operation.result
        graph.layer = result.name.rpartition(".")[0]
        layer = layers[graph.layer]
        if isinstance(layer, Unpack):
            source = GraphResult(layer.label or graph.layer, layer.shape)
            graph.layer += "_normalized"
            graph.store(result, graph.normalized(source, normalizations.get(source.name)))
            continue
        if isinstance(layer, Pack):
            continue
        if operation.name in operators.WRITERS:
            graph.store(result, operators.WRITERS[operation.name](graph, operation))
        elif operation.call is not None:
            custom = f"{operation.name.rpartition('.')[0]} is a custom layer"
            raise OptionError(
                f"layer {graph.layer!r} cannot be exported: {custom}; build it from layers of chainrule, which have "
                "ONNX operators"
            )
        else:
            raise OptionError(f"layer {graph.layer!r} cannot be exported: no ONNX operator computes {operation.name}")


def write(message: ModelMessage, path: Path) -> None:
    """Write an ONNX file, atomically; OptionError if the message is larger than the format allows."""
    content = serialize(message)
    if len(content) >= MAX_BYTES:
        raise OptionError(f"{path}: the network needs {len(content):,} bytes; expected less than {MAX_BYTES:,}")
    write_atomic(path, content)


def _metadata(model: Model, raw_input: bool) -> dict[str, str]:
    """Return facts about the model for users of the file, by name. All are strings; lists and dictionaries are JSON."""
    texts = {
        "input": model.normalization.unit,
        "classes": _json(list(model.classes)),
        "normalization": _json(model.normalization.to_config()),
        "invented": _json(sorted(model.wiring.invented)),
        "normalization_included": _json(not raw_input),
        "loss": str(model.loss),
        "output": f"results of {model.names[-1]}",
    }
    if raw_input:
        texts["input"] = AS_READ
    if model.output_ports:
        texts["output"] = str(model.output_ports)
    elif model.last_layer in losses.PROBABILITIES:
        texts["output"] = "probabilities"
    if model.thresholds:
        texts["thresholds"] = _json(model.thresholds)
    if model.task:
        texts["task"] = model.task.name
    texts["chainrule"] = __version__
    return texts


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
