"""Translation of the nodes of an ONNX graph: nodes that read only constants are folded, and others become layers."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.errors import FormatError, OptionError, ShapeError, one_line, quoted
from chainrule.interop.assembly import MAX_NAME, Assembly
from chainrule.interop.names import NAMES
from chainrule.interop.onnx import operators
from chainrule.interop.onnx.folding import fold, is_foldable, shape_slice
from chainrule.interop.onnx.graphs import required_nodes
from chainrule.interop.onnx.messages import Attribute, GraphMessage, OnnxNode
from chainrule.interop.onnx.operator_call import Call, Feature, Value, for_one_sample
from chainrule.interop.onnx.operators import quantization
from chainrule.interop.onnx.operators.moved_elements import materialized, samples_apart, samples_merged
from chainrule.interop.onnx.operators.operator import ONNX_DOMAINS
from chainrule.interop.onnx.operators.shapes import MOVING, RESHAPING
from chainrule.interop.onnx.operators.terms import fixed_value

STEPS_PER_NODE = 8


DECISIONS = ("ArgMax", "ArgMin", "TopK", "NonMaxSuppression")  # operators that select some of a network's outputs


def _along_last_axis(node: OnnxNode) -> OnnxNode:
    """Return a node that works along the last axis instead of the axis of its attribute."""
    attributes: list[Attribute] = []
    for attribute in node.attributes:
        if attribute.name == "axis":
            attribute = replace(attribute, integer=-1)
        attributes.append(attribute)
    return replace(node, attributes=attributes)


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
        self._graph = graph
        self._opset = opset
        self._values = values
        self._assembly = assembly
        self._folder = folder
        self._open_batch = open_batch
        self._readers: dict[str, list[int]] = {}  # of each value, the indices of the nodes that read it
        self._outputs = set[str]()
        self._finished = set[int]()
        self._original_names: dict[str, str] = {}  # of constants in another shape
        self.node_names: dict[int, str] = {}

    def outputs(self, names: Sequence[str]) -> dict[str, Value]:
        """Return values by name, after translating all nodes that they depend on."""
        required = required_nodes(self._graph, names)
        self._outputs.update(names)
        for number in required:
            for name in self._graph.nodes[number].inputs:
                self._readers.setdefault(name, []).append(number)
        for number in required:
            if number not in self._finished:
                self._run(number)
        for name in names:
            if name not in self._values:
                raise FormatError(f"output {quoted(name)} is not the result of any node")
        outputs: dict[str, Value] = {}
        for name in names:
            value = self._materialized(name, any_axis=True)
            outputs[name] = quantization.as_stored(self._assembly, value)
        return outputs

    def _run(self, number: int) -> None:
        """Fold or translate a node, and store its results by name.

        A node that treats all rows equally gets rows of several samples (N·k, F) as (N, k, F), and works along the last
        axis. Its results are (N·k, F) again.
        """
        node = self._graph.nodes[number]
        self._finished.add(number)
        self._assembly.budget.visit(STEPS_PER_NODE + len(node.inputs), "its nodes")
        rows = self._separate_rows(node)
        values: list[Value | None] = []
        for name in node.inputs:
            if rows is not None and not values:
                values.append(rows)
            else:
                values.append(self._read(node, name) if name else None)
        if rows is not None:
            node = _along_last_axis(node)
        call = self._call(node, values)
        call.used_outputs = self._used_outputs(node)
        if node.domain not in ONNX_DOMAINS and operators.find(node.operator, node.domain) is None:
            raise call.unsupported(f"an operator of {quoted(node.domain)}", "an operator of ONNX itself")
        for name, result in zip(call.outputs, self._translate(call), strict=False):
            if isinstance(result, Feature) and rows is not None:
                result = samples_merged(result, call)
            if isinstance(result, Feature):
                self.node_names.setdefault(id(result.node), node.name)
            self._values.setdefault(name, result)

    def _used_outputs(self, node: OnnxNode) -> frozenset[int]:
        """Return the indices of the outputs of a node that other nodes read, or that are outputs of the graph."""
        used = set[int]()
        for index, name in enumerate(node.outputs):
            if name and (name in self._readers or name in self._outputs):
                used.add(index)
        return frozenset(used)

    def _separate_rows(self, node: OnnxNode) -> Feature | None:
        """Return the first input of a node, whose rows are those of several samples, as (N, k, F); None for others.

        A row is never mixed with another.
        """
        x = self._values.get(node.inputs[0]) if node.inputs else None
        if not isinstance(x, Feature) or not self._treats_rows_equally(node):
            return None
        apart = samples_apart(x)
        return apart and materialized(apart)

    def _treats_rows_equally(self, node: OnnxNode) -> bool:
        """Return whether a node applies the same function to each row of its first input (N·k, F)."""
        if node.operator not in NAMES.groups["onnx_rowwise"] or self._opset < 13:
            return False
        max_axes = 1
        if node.operator in ("MatMul", "Gemm"):
            max_axes = 2
        for name in node.inputs[1:2]:
            value = self._values.get(name)
            if not isinstance(value, np.ndarray) or value.ndim > max_axes:
                return False
        return all(part.integer in (-1, 1) for part in node.attributes if part.name == "axis")

    def _call(self, node: OnnxNode, values: Sequence[Value | None]) -> Call:
        node = replace(node, inputs=[self._original_names.get(name, name) for name in node.inputs])
        return Call(node, values, self._opset, self._assembly, self._folder, self._fuse_add, self._open_batch)

    def _translate(self, call: Call) -> Sequence[Value]:
        """Return the results of a node.

        They are constants if the node reads only constants, or is a Shape or Size node; otherwise the operator's reader
        computes them.
        """
        operator = call.operation.operator
        features = call.features
        if not features:
            return self._fold(call)
        if operator == "Shape":
            return (shape_slice(call, features[0].shape),)
        if operator == "Size":
            return (np.array(np.prod(features[0].shape), np.int64),)
        if operator in DECISIONS and operators.find(operator, call.operation.domain) is None:
            raise call.unsupported(
                "it selects among scores, and a network returns the scores themselves",
                f"the scores as the output: chainrule import --output {one_line(call.name_of(0), MAX_NAME)}",
            )
        return _results(call)

    def _fold(self, call: Call) -> Sequence[Value]:
        """Return the results of a node that reads only constants, or of layers that read a constant."""
        if not is_foldable(call) and operators.find(call.operation.operator, call.operation.domain) is not None:
            call.values = [self._as_feature(call, call.constant(0)), *call.values[1:]]
            return _results(call)
        if call.operation.operator in RESHAPING:
            self._original_names[call.outputs[0]] = call.operation.inputs[0]
        return fold(call)

    def _as_feature(self, call: Call, value: Array) -> Feature:
        """Return a constant that has equal rows for all samples, as in own files, as the result of a layer."""
        like = next(other for other in self._values.values() if isinstance(other, Feature))
        sample = for_one_sample(value, (like.batch, *value.shape[1:]))
        if value.ndim < 2 or len(value) != like.batch or len(sample) != 1:
            raise call.unsupported(f"a constant of shape {value.shape}", "one that is equal for all samples")
        return fixed_value(call, sample[0], like.with_node(like.node, scalar=False))

    def _read(self, node: OnnxNode, name: str) -> Value:
        """Return an input of a node, after the layers that move its elements unless the node moves them further."""
        if name not in self._values:
            raise FormatError(f"{node.operator} {quoted(node.name)} reads {quoted(name)}; no earlier node computes it")
        value = self._values[name]
        if node.operator in MOVING:
            return value
        return self._materialized(name)

    def _materialized(self, name: str, *, any_axis: bool = False) -> Value:
        """Return a value after the layers that move its elements; they are added once."""
        value = self._values[name]
        if isinstance(value, Feature) and value.indices is not None:
            self._values[name] = materialized(value, any_axis=any_axis)
        return self._values[name]

    def _fuse_add(self, call: Call, shape: Shape) -> Array | None:
        """Return the constant that an Add adds to a call's result, or None if that Add cannot be fused.

        The Add must be the only reader of the result, and the constant must be known and fit `shape`. A fused Add is
        skipped, and the call's result gets the name of the Add's result.

        shape   shape that the constant must fit, with as many axes as the result has in the file
        """
        result = call.outputs[0]
        readers = self._readers.get(result, [])
        if len(readers) != 1 or result in self._outputs:
            return None
        add = self._graph.nodes[readers[0]]
        others = [name for name in add.inputs if name != result]
        if add.operator != "Add" or len(others) != 1 or others[0] in self._assembly.parameters:
            return None
        constant = self._values.get(others[0])
        if not isinstance(constant, np.ndarray) or constant.ndim > len(shape):
            return None
        x = call.feature(call.first_feature)
        if x.batched:
            constant = for_one_sample(constant, (x.batch, *shape[1:]))
        aligned = (1,) * (len(shape) - constant.ndim) + constant.shape
        for size, full_size in zip(aligned, shape, strict=True):
            if size not in (1, full_size):
                return None
        self._finished.add(readers[0])
        call.outputs[0] = add.outputs[0]
        return constant


def _results(call: Call) -> Sequence[Value]:
    """Return what the operator's reader computes; FormatError, with the name of the node, if it cannot."""
    name = call.operation.operator
    operator = operators.find(name, call.operation.domain)
    if operator is None or operator.read is None:
        raise call.unsupported("chainrule has no layer for this operator", "an operator in docs/importing.md")
    try:
        result = quantization.read(call, operator.read)
    except (ShapeError, OptionError, FormatError) as error:
        if isinstance(error, FormatError) and str(error).startswith(name):  # the message already names the node
            raise
        raise call.unsupported(str(error), "what a layer can express") from None
    except (ValueError, IndexError, OverflowError) as error:
        raise call.unsupported(f"invalid constants ({error})", "valid ones") from None
    if isinstance(result, tuple):
        return result
    return (result,)
