"""Import of ONNX files: nodes that read only constants are folded, and all others are translated into layers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from chainrule._io.budget import Budget
from chainrule._io.reading import read_bytes
from chainrule.core.arrays import Array, Shape
from chainrule.errors import FormatError, OptionError, ShapeError, one_line, quoted
from chainrule.interop.assembly import MAX_NAME, Assembly, Imported
from chainrule.interop.names import NAMES
from chainrule.interop.onnx import messages, own_files
from chainrule.interop.onnx.batch_sizes import for_any_batch
from chainrule.interop.onnx.folding import fold, shape_slice
from chainrule.interop.onnx.function_recognition import FunctionRecognizer
from chainrule.interop.onnx.graphs import (
    checked_graph,
    checked_outputs,
    constants_of,
    input_type,
    inputs_used_by,
    is_quantized,
    required_nodes,
)
from chainrule.interop.onnx.messages import MAX_BYTES, GraphMessage, ModelMessage, OnnxNode
from chainrule.interop.onnx.normalization_recognition import NormalizationRecognizer
from chainrule.interop.onnx.operator_call import Call, Feature, Value, for_one_sample
from chainrule.interop.onnx.operators import OPERATORS, READERS, quantization
from chainrule.interop.onnx.operators.operator import ONNX_DOMAINS
from chainrule.interop.onnx.operators.positions import batch_axis, settled, unmerged, with_rows
from chainrule.interop.onnx.operators.shapes import MOVING, RESHAPING
from chainrule.interop.onnx.weight_names import is_parameter
from chainrule.layers import Input, Node, Reshape
from chainrule.layers.node import ordered

STEPS_PER_NODE = 8
OUTPUT = -1  # stands for the index of a node, as the reader of an output
DECISIONS = ("ArgMax", "ArgMin", "TopK", "NonMaxSuppression")  # operators that select some of a network's outputs


def read_onnx(path: Path, outputs: Sequence[str] = (), shape: Sequence[int] | None = None) -> Imported:
    """Return the network of an ONNX file.

    outputs   names of the outputs, or of results of nodes, to import; empty: all outputs of the file
    shape     shape of a sample, for inputs with unknown sizes

    Errors    FormatError for a damaged file or a node that chainrule cannot express
    """
    content = memoryview(read_bytes(path, MAX_BYTES, FormatError))
    budget = Budget(len(content))
    return network(messages.parse(content, budget), path.parent, budget, outputs, shape)


def network(
    message: ModelMessage,
    folder: Path | None,
    budget: Budget,
    output_names: Sequence[str] = (),
    shape: Sequence[int] | None = None,
) -> Imported:
    """Return the network in a parsed file.

    folder               folder of the files with external tensors; None: external tensors are refused
    budget               budget of the file
    output_names, shape  as in `read_onnx`
    """
    graph, opset = checked_graph(message)
    exported = own_files.exported_model(message, graph)
    graph = exported.graph if exported else graph
    constants, names = constants_of(graph, folder, budget), checked_outputs(graph, output_names)
    types = {value.name: input_type(value, shape) for value in inputs_used_by(graph, names, constants)}
    if not types:
        raise FormatError("its output does not depend on its input")
    batches = {name: batch for name, (batch, _, _) in types.items() if batch}
    if len(set(batches.values())) > 1:
        raise FormatError(f"its inputs have different batch sizes ({batches}); expected the same")
    batch, dtype = next(iter(batches.values()), 0), max(dtype for _, _, dtype in types.values())

    is_own = message.producer == own_files.PRODUCER  # whose constants are named after options of layers
    parameters = frozenset[str]() if is_own else frozenset(filter(is_parameter, constants))

    def for_batch(size: int, values: dict[str, Value]) -> Imported:
        inputs, assembly = {name: Input(shape) for name, (_, shape, _) in types.items()}, Assembly(budget)
        assembly.parameters = parameters
        values |= {**constants, **{name: Feature(x, size) for name, x in inputs.items()}}
        quantized = [value.name for value in graph.inputs if value.name in inputs and is_quantized(value)]
        values |= {name: quantization.quantized_input(assembly, graph, name, values) for name in quantized}
        translator = GraphTranslator(graph, opset, values, assembly, folder, open_batch=not batch)
        outputs = {name: _output_node(name, value) for name, value in translator.outputs(names).items()}
        result = assembly.finish(inputs, outputs, dtype, translator.node_names if exported else None)
        if exported is None:
            return result
        for node in ordered(result.y):
            node.invented = node.name in exported.invented
        if names != [value.name for value in graph.outputs]:  # the loss and the task are those of all outputs
            return replace(result, options={"normalization": exported.options.get("normalization")})
        return replace(result, options=exported.options, task=exported.task, thresholds=exported.thresholds)

    one_differs = any(
        node.operator == "Squeeze" and len(node.inputs) < 2 and not node.attributes for node in graph.nodes
    )
    return for_batch(batch, {}) if batch else for_any_batch(for_batch, 3 if one_differs else 2)


def _output_node(name: str, value: Value) -> Node:
    """Return the node of an output; an input that is an output itself gets a layer."""
    if not isinstance(value, Feature):
        raise FormatError(f"its output {quoted(name)} does not depend on its input")
    return value.node if value.node.layer is not None else Reshape(value.node.shape)(value.node)


class GraphTranslator:
    """Translates the nodes that a value depends on, each once and in the order of the file.

    values       values by name: the network's input and the constants; results are added
    open_batch   whether the batch size is unspecified in the file

    The attribute `node_names` contains the name in the file for each node of the network, by the identity of the node.
    """

    def __init__(
        self,
        graph: GraphMessage,
        opset: int,
        values: dict[str, Value],
        assembly: Assembly,
        folder: Path | None = None,
        *,
        open_batch: bool = False,
    ) -> None:
        self._open_batch = open_batch
        self._graph, self._opset, self._assembly, self._folder = graph, opset, assembly, folder
        self._values = values
        self._readers: dict[str, list[int]] = {}
        self._finished: set[int] = set()
        self._original_names: dict[str, str] = {}  # of constants in another shape
        self.node_names: dict[int, str] = {}
        self._functions = FunctionRecognizer()
        producers = {output: node for node in graph.nodes for output in node.outputs if output}
        self._normalizations = NormalizationRecognizer(producers, values)

    def outputs(self, names: Sequence[str]) -> dict[str, Value]:
        """Return values by name, after translating all nodes that they depend on."""
        required = required_nodes(self._graph, names)
        reading = [*((name, number) for number in required for name in self._graph.nodes[number].reads)]
        for name, number in (*reading, *((name, OUTPUT) for name in names)):
            self._readers.setdefault(name, []).append(number)
        for number in required:
            if number not in self._finished:
                self._run(number)
        if missing := [name for name in names if name not in self._values]:
            raise FormatError(f"output {quoted(missing[0])} is not the result of any node")
        return {name: quantization.as_stored(self._assembly, self._settled(name, any_axis=True)) for name in names}

    def _run(self, number: int) -> None:
        """Fold or translate a node, and store its results by name.

        A node that treats all rows equally (see `_row_axis`) gets its input with the samples first, and works along the
        last axis. Its results get their axes back in the order of the file.
        """
        node = self._graph.nodes[number]
        self._finished.add(number)
        self._assembly.budget.visit(STEPS_PER_NODE + len(node.inputs), "its nodes")
        axis = self._row_axis(node)
        settle = node.operator not in MOVING and not axis
        values = [self._read(node, name, settle=settle) if name else None for name in node.inputs]
        if axis:
            values = [settled(unmerged(v, axis), any_axis=True) if isinstance(v, Feature) else v for v in values]
            attributes = [replace(part, integer=-1) if part.name == "axis" else part for part in node.attributes]
            node = replace(node, attributes=attributes)
        call = self._recognized(self._call(node, values))
        call.used_outputs = max(
            (k for k, name in enumerate(node.outputs, 1) if name and name in self._readers), default=1
        )
        operator = OPERATORS.get(node.operator)
        if node.domain not in (operator.domains if operator else ONNX_DOMAINS):
            raise call.unsupported(f"an operator of {quoted(node.domain)}", "an operator of ONNX itself")
        results = self._translate(call)
        if axis:
            results = [
                replace(y, positions=with_rows(y.places(y.shape), axis), mover=call)
                for y in results
                if isinstance(y, Feature)
            ]
        for name, result in zip(call.outputs, results, strict=False):
            if isinstance(result, Feature):
                self.node_names.setdefault(id(result.node), node.name)
            self._values.setdefault(name, result)

    def _row_axis(self, node: OnnxNode) -> int:
        """Return the axis of the samples in the input of a node that treats all rows equally; 0 for other nodes.

        Rows are the elements along the last axis, and no row is mixed with another. −1: the samples are merged with the
        second axis, as in (N·k, F).
        """
        x = self._values.get(node.inputs[0]) if node.inputs else None
        if not isinstance(x, Feature) or x.positions is None or x.batch == 1:
            return 0
        rank = len(x.shape)
        if not self._treats_rows_equally(node, rank):
            return 0
        axis = batch_axis(x)
        if axis is None and rank == 2 and len(x.positions) % x.batch == 0 and batch_axis(unmerged(x, -1)) == 0:
            return -1
        return axis if axis and axis < rank - 1 and node.operator != "Gemm" else 0

    def _treats_rows_equally(self, node: OnnxNode, rank: int) -> bool:
        """Return whether a node applies the same function to each row of its first input, which has `rank` axes."""
        others = [self._values.get(name) for name in node.inputs[1:2]]
        axes = [part.integer for part in node.attributes if part.name == "axis"]
        limit = 2 if node.operator in ("MatMul", "Gemm") else 1
        return (
            node.operator in NAMES.groups["onnx_rowwise"]
            and self._opset >= 13
            and all(isinstance(value, np.ndarray) and value.ndim <= limit for value in others)
            and all(number in (-1, rank - 1) for number in axes)
        )

    def _call(self, node: OnnxNode, values: Sequence[Value | None]) -> Call:
        node = replace(node, inputs=[self._original_names.get(name, name) for name in node.inputs])
        return Call(node, values, self._opset, self._assembly, self._folder, self._fuse_add, self._open_batch)

    def _recognized(self, call: Call) -> Call:
        """Return a call of one operator instead of the last of several nodes that compute the same."""
        if not any(isinstance(value, Feature) for value in call.values) or call.operation.domain not in ("", "ai.onnx"):
            return call
        if (function := self._functions.follow(call)) is not None:
            return self._call(function, [self._settled(function.inputs[0])])
        if (normalization := self._normalizations.match(call)) is not None:
            node, values = normalization
            return self._call(node, [self._settled(node.inputs[0]), *values[1:]])
        return call

    def _translate(self, call: Call) -> Sequence[Value]:
        """Return the results of a node.

        They are constants if the node reads only constants, or is a Shape or Size node; otherwise the operator's reader
        computes them.
        """
        operator, features = call.operation.operator, [value for value in call.values if isinstance(value, Feature)]
        if operator == "If":
            return self._branch(call)
        if not features:
            return self._fold(call)
        if operator == "Shape":
            return (shape_slice(call, features[0].shape),)
        if operator == "Size":
            return (np.array(np.prod(features[0].shape), np.int64),)
        if operator in DECISIONS and operator not in READERS:
            raise call.unsupported(
                "it selects among scores, and a network returns the scores themselves",
                f"the scores as the output: chainrule import --output {one_line(call.name_of(0), MAX_NAME)}",
            )
        return _results(call)

    def _branch(self, call: Call) -> Sequence[Value]:
        """Return the results of the graph that an If node with a constant condition selects."""
        attribute = call.attribute("then_branch" if call.constant(0).any() else "else_branch")
        if attribute is None or attribute.graph is None:
            raise call.unsupported("a branch is missing", "two branches")
        graph = attribute.graph
        values = {name: self._values[name] for name in graph.captured if name in self._values}
        values |= constants_of(graph, self._folder, self._assembly.budget)
        inner = GraphTranslator(graph, self._opset, values, self._assembly, self._folder, open_batch=self._open_batch)
        return [*inner.outputs([value.name for value in graph.outputs]).values()]

    def _fold(self, call: Call) -> Sequence[Value]:
        """Return the results of a node that reads only constants."""
        if call.operation.operator in RESHAPING:
            self._original_names[call.outputs[0]] = call.operation.inputs[0]
        return fold(call)

    def _read(self, node: OnnxNode, name: str, *, settle: bool) -> Value:
        if name not in self._values:
            raise FormatError(f"{node.operator} {quoted(node.name)} reads {quoted(name)}; no earlier node computes it")
        return self._settled(name) if settle else self._values[name]

    def _settled(self, name: str, *, any_axis: bool = False) -> Value:
        """Return a value after the layers that move its elements; they are added once."""
        value = self._values[name]
        if isinstance(value, Feature) and value.positions is not None:
            self._values[name] = settled(value, any_axis=any_axis)
        return self._values[name]

    def _fuse_add(self, call: Call, shape: Shape) -> Array | None:
        """Return the constant that an Add adds to a call's result, or None if that Add cannot be fused.

        The Add must be the only reader of the result, and the constant must be known and fit `shape`. Before opset 7,
        no Add is fused. A fused Add is skipped, and the call's result gets the name of the Add's result.

        shape   shape that the constant must fit, with as many axes as the result has in the file
        """
        readers = self._readers.get(call.outputs[0], [])
        if len(readers) != 1 or readers[0] < 0 or self._opset < 7:
            return None
        node = self._graph.nodes[readers[0]]
        names = [name for name in node.inputs if name != call.outputs[0]]
        if not self._assembly.parameters.isdisjoint(names):
            return None
        others = [self._values.get(name) for name in names]
        constant = others[0] if node.operator == "Add" and len(others) == 1 else None
        if not isinstance(constant, np.ndarray) or constant.ndim > len(shape):
            return None
        x = next(operand for operand in call.values if isinstance(operand, Feature))
        constant = for_one_sample(constant, (x.batch, *shape[1:])) if x.batched else constant
        aligned = (1,) * (len(shape) - constant.ndim) + constant.shape
        if any(size not in (1, full_size) for size, full_size in zip(aligned, shape, strict=True)):
            return None
        self._finished.add(readers[0])
        call.outputs[0] = node.outputs[0]
        return constant


def _results(call: Call) -> Sequence[Value]:
    """Return what the operator's reader computes; FormatError, with the name of the node, if it cannot."""
    operator = call.operation.operator
    if operator not in READERS:
        raise call.unsupported("chainrule has no layer for this operator", "an operator in docs/importing.md")
    try:
        result = quantization.read(call, READERS[operator])
    except (ShapeError, OptionError, FormatError) as error:
        if isinstance(error, FormatError) and str(error).startswith(operator):  # the message already names the node
            raise
        raise call.unsupported(str(error), "what a layer can express") from None
    except (ValueError, IndexError, OverflowError) as error:
        raise call.unsupported(f"invalid constants ({error})", "valid ones") from None
    return cast("tuple[Value, ...]", result) if isinstance(result, tuple) else (result,)
