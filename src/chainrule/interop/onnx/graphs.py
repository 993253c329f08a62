"""The parts of an ONNX graph before translation: its inputs, constants and outputs, and the order of its nodes."""

import heapq
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple, cast

from chainrule._io.budget import Budget
from chainrule.core.arrays import Shape
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Sizes, complete_shape
from chainrule.interop.onnx import messages, tensors
from chainrule.interop.onnx.messages import (
    MAX_OPSET,
    MIN_IMPORT_OPSET,
    ONNX_DOMAINS,
    Dimension,
    GraphMessage,
    ModelFunction,
    ModelMessage,
    OnnxNode,
)
from chainrule.interop.onnx.operator_call import Value
from chainrule.interop.onnx.protobuf import MAX_DEPTH


def inputs_used_by(graph: GraphMessage, names: Sequence[str], constants: Collection[str]) -> list[messages.Value]:
    """Return the inputs of a graph that values depend on; older files list the constants among the inputs."""
    used = set(names)
    for number in required_nodes(graph, names):
        used.update(graph.nodes[number].inputs)
    return [value for value in graph.inputs if value.name in used and value.name not in constants]


def constants_of(graph: GraphMessage, folder: Path | None, budget: Budget) -> dict[str, Value]:
    """Return the constants of a graph by name."""
    constants: dict[str, Value] = {}
    for name, initializer in graph.constants.items():
        constants[name] = tensors.array(initializer, folder, budget)
    return constants


def checked_outputs(graph: GraphMessage, names: Sequence[str] | None) -> Sequence[str]:
    """Return the names of the outputs to import; FormatError for a name that the file does not have.

    names   names of outputs, or of results of nodes; None: all outputs
    """
    available = graph.output_names
    if names is None:
        return list(dict.fromkeys(available))
    results = set[str]()
    for node in graph.nodes:
        results.update(node.outputs)
    for name in names:
        if name not in results:
            raise FormatError(f"it has no output {quoted(name)}; expected one of {', '.join(available[:20])}")
    return list(dict.fromkeys(names))


def required_nodes(graph: GraphMessage, names: Sequence[str]) -> list[int]:
    """Return the indices of the nodes that values depend on, each after the nodes whose results it reads.

    Among the nodes whose inputs are available, those without inputs are first, then the first in the file.

    Errors   FormatError if a node depends on its own result
    """
    sorter = TopologicalSorter(_dependencies(graph, names))
    try:
        sorter.prepare()
    except CycleError as error:
        node = graph.nodes[min(cast("list[int]", error.args[1]))]
        raise FormatError(f"{node.operator} {quoted(node.name)} depends on its own result") from None
    available: list[tuple[bool, int]] = []  # a heap of (whether the node has inputs, its index)
    order: list[int] = []
    while sorter.is_active():
        for number in sorter.get_ready():
            heapq.heappush(available, (any(graph.nodes[number].inputs), number))
        _, number = heapq.heappop(available)
        order.append(number)
        sorter.done(number)
    return order


def _dependencies(graph: GraphMessage, names: Sequence[str]) -> dict[int, set[int]]:
    """Return the indices of the nodes that values depend on, and for each of the nodes whose results it reads."""
    producers: dict[str, int] = {}
    for number, node in enumerate(graph.nodes):
        for output in node.outputs:
            if output:
                producers.setdefault(output, number)
    dependencies: dict[int, set[int]] = {}
    pending = [producers[name] for name in names if name in producers]
    while pending:
        number = pending.pop()
        if number in dependencies:
            continue
        sources = set[int]()
        for name in graph.nodes[number].inputs:
            if name in producers:
                sources.add(producers[name])
        dependencies[number] = sources
        pending += sources
    return dependencies


def checked_graph(message: ModelMessage) -> tuple[GraphMessage, int]:
    """Return the graph of a message and the version of the ONNX operators; FormatError if there is no valid graph."""
    if message.graph is None or not message.graph.nodes:
        raise FormatError("it is not an ONNX file, or has no graph")
    if message.graph.sparse:
        raise FormatError("it has sparse constants; expected dense ones")
    opset = 1
    for entry in message.opsets:
        if entry.domain in ONNX_DOMAINS:
            opset = max(opset, entry.version)
    if not MIN_IMPORT_OPSET <= opset <= MAX_OPSET:
        raise FormatError(f"it uses version {opset} of the operators; expected {MIN_IMPORT_OPSET} to {MAX_OPSET}")
    return message.graph, opset


def inline_functions(message: ModelMessage, graph: GraphMessage, budget: Budget) -> None:
    """Replace nodes that call functions of the file by the nodes of these functions."""
    functions = {(function.domain, function.name): function for function in message.functions}
    if functions:
        nodes: list[OnnxNode] = []
        for node in graph.nodes:
            nodes += _inlined(node, functions, budget, 0)
        graph.nodes = nodes


def _inlined(
    node: OnnxNode, functions: Mapping[tuple[str, str], ModelFunction], budget: Budget, depth: int
) -> Iterator[OnnxNode]:
    """Yield the nodes of the function that a node calls; the node itself if it is an operator.

    depth   number of functions around this node

    Errors  FormatError for a function that calls itself
    """
    function = functions.get((node.domain, node.operator))
    if function is None:
        yield node
        return
    if depth > MAX_DEPTH:
        raise FormatError(f"function {quoted(node.operator)}: calls nested more than {MAX_DEPTH} deep")
    budget.visit(len(function.nodes), f"function {quoted(node.operator)}")
    names = {"": "", **dict.fromkeys(function.inputs, "")}
    names |= zip(function.inputs, node.inputs, strict=False)
    names |= zip(function.outputs, node.outputs, strict=False)
    attributes = {attribute.name: attribute for attribute in (*function.defaults, *node.attributes)}
    for inner in function.nodes:
        for name in (*inner.inputs, *inner.outputs):
            names.setdefault(name, f"{depth}:{node.outputs[0]}/{name}")
        options = [
            attribute if not attribute.reference else replace(attributes[attribute.reference], name=attribute.name)
            for attribute in inner.attributes
            if not attribute.reference or attribute.reference in attributes
        ]
        inputs = [names[name] for name in inner.inputs]
        outputs = [names[name] for name in inner.outputs]
        call = replace(inner, inputs=inputs, outputs=outputs, attributes=options)
        yield from _inlined(call, functions, budget, depth + 1)


class InputType(NamedTuple):
    """The type of an input: the batch size (None if it is unspecified), the shape of a sample, and whether the numbers
    are float64.
    """

    batch: int | None
    sample: Shape
    is_double: bool


def input_type(value: messages.Value, shape: Sizes | None = None) -> InputType:
    """Return the type of an input.

    shape   shape of a sample, or sizes by name, for an input with unknown sizes
    """
    tensor_type = value.type.tensor
    name = quoted(value.name)
    if tensor_type is None or tensor_type.shape is None:
        raise FormatError(f"input {name} has no shape; expected (N, C, H, W), (N, C, W) or (N, F)")
    dimensions = tensor_type.shape.dimensions
    if not 2 <= len(dimensions) <= 4:
        raise FormatError(f"input {name} has {len(dimensions)} axes; expected (N, C, H, W), (N, C, W) or (N, F)")
    batch, *sizes = [_size(dimension) for dimension in dimensions]
    sample = complete_shape(name, sizes, shape)
    dtype = tensors.dtype_of(tensor_type.kind)
    if dtype.kind != "f":
        raise FormatError(f"input {name} has type {dtype}; expected floats")
    return InputType(batch if isinstance(batch, int) else None, sample, dtype.name == "float64")


def _size(dimension: Dimension) -> int | str:
    """Return a size, or the name of an unknown one."""
    if dimension.value > 0:
        return dimension.value
    return dimension.name or "?"
