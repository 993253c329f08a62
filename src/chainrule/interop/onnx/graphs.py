"""The parts of an ONNX graph before translation: its inputs, constants and outputs, and the order of its nodes."""

import heapq
from collections.abc import Collection, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import cast

from chainrule._io.budget import Budget
from chainrule._io.reading import read_bytes
from chainrule.core.arrays import Shape
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import complete_shape
from chainrule.interop.onnx import messages, tensors
from chainrule.interop.onnx.messages import MAX_BYTES, MAX_OPSET, MIN_IMPORT_OPSET, GraphMessage, ModelMessage
from chainrule.interop.onnx.operator_call import Value


def used_inputs(path: Path) -> list[str]:
    """Return the names of the inputs that the outputs of a file depend on."""
    content = memoryview(read_bytes(path, MAX_BYTES, FormatError))
    graph, _ = checked_graph(messages.parse(content, Budget(len(content))))
    constants = [initializer.name for initializer in graph.initializers]
    return [value.name for value in inputs_used_by(graph, checked_outputs(graph, ()), constants)]


def inputs_used_by(graph: GraphMessage, names: Sequence[str], constants: Collection[str]) -> list[messages.Value]:
    """Return the inputs of a graph that values depend on; older files list the constants among the inputs."""
    used = {*names, *(name for number in required_nodes(graph, names) for name in graph.nodes[number].reads)}
    return [value for value in graph.inputs if value.name in used and value.name not in constants]


def constants_of(graph: GraphMessage, folder: Path | None, budget: Budget) -> dict[str, Value]:
    return {initializer.name: tensors.array(initializer, folder, budget) for initializer in graph.initializers}


def checked_outputs(graph: GraphMessage, names: Sequence[str]) -> Sequence[str]:
    """Return the names of the outputs to import; FormatError for a name that the file does not have."""
    available = [value.name for value in graph.outputs]
    results = {output for node in graph.nodes for output in node.outputs}
    if unknown := [name for name in names if name not in results]:
        raise FormatError(f"it has no output {quoted(unknown[0])}; expected one of {', '.join(available[:20])}")
    return list(dict.fromkeys(names or available))


def required_nodes(graph: GraphMessage, names: Sequence[str]) -> list[int]:
    """Return the indices of the nodes that values depend on, each after the nodes whose results it reads.

    Among the nodes whose inputs are available, those without inputs are first, then the first in the file.

    Errors   FormatError if a node depends on its own result
    """
    nodes = reversed([*enumerate(graph.nodes)])
    producers = {output: number for number, node in nodes for output in node.outputs if output}
    sources, pending = dict[int, set[int]](), [producers[name] for name in names if name in producers]
    while pending:
        if (number := pending.pop()) not in sources:
            sources[number] = {producers[name] for name in graph.nodes[number].reads if name in producers}
            pending += sources[number]
    sorter, available, order = TopologicalSorter(sources), list[tuple[bool, int]](), list[int]()
    try:
        sorter.prepare()
    except CycleError as error:
        node = graph.nodes[min(cast("list[int]", error.args[1]))]
        raise FormatError(f"{node.operator} {quoted(node.name)} depends on its own result") from None
    while sorter.is_active():
        for number in sorter.get_ready():
            heapq.heappush(available, (any(graph.nodes[number].inputs), number))
        order.append(heapq.heappop(available)[1])
        sorter.done(order[-1])
    return order


def checked_graph(message: ModelMessage) -> tuple[GraphMessage, int]:
    """Return the graph of a message and the version of the ONNX operators; FormatError if there is no valid graph."""
    if message.graph is None or not message.graph.nodes:
        raise FormatError("it is not an ONNX file, or has no graph")
    if message.graph.sparse:
        raise FormatError("it has sparse constants; expected dense ones")
    versions = [opset_import.version for opset_import in message.opsets if opset_import.domain in ("", "ai.onnx")]
    opset = max(versions, default=1)
    if not MIN_IMPORT_OPSET <= opset <= MAX_OPSET:
        raise FormatError(f"it uses version {opset} of the operators; expected {MIN_IMPORT_OPSET} to {MAX_OPSET}")
    return message.graph, opset


def is_quantized(value: messages.Value) -> bool:
    tensor_type = value.type.tensor
    return tensor_type is not None and tensors.dtype_of(tensor_type.kind).name in ("int8", "uint8")


def input_type(value: messages.Value, shape: Sequence[int] | None = None) -> tuple[int, Shape, str]:
    """Return the batch size of an input (0: unspecified), the shape of a sample, and the network's dtype.

    shape   shape of a sample, for an input with unknown sizes
    """
    tensor_type, name = value.type.tensor, quoted(value.name)
    if tensor_type is None or tensor_type.shape is None:
        raise FormatError(f"input {name} has no shape; expected (N, C, H, W), (N, C, W) or (N, F)")
    sizes = tensor_type.shape.dimensions
    if not 2 <= len(sizes) <= 4:
        raise FormatError(f"input {name} has {len(sizes)} axes; expected (N, C, H, W), (N, C, W) or (N, F)")
    sample = complete_shape(name, [size.value if size.value > 0 else size.name or "?" for size in sizes[1:]], shape)
    if tensors.dtype_of(tensor_type.kind).kind != "f" and not is_quantized(value):
        raise FormatError(f"input {name} has type {tensors.dtype_of(tensor_type.kind)}; expected floats")
    return max(sizes[0].value, 0), sample, "float64" if tensor_type.kind == 11 else "float32"
