"""An ONNX graph under construction: its nodes, its constants, and the graph's value for each tensor of the plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core.arrays import Array, Shape
from chainrule.core.plan import Plan, Tensor
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError, quoted
from chainrule.interop.onnx.messages import (
    MAX_OPSET,
    Attribute,
    Dimension,
    GraphMessage,
    OnnxNode,
    ShapeMessage,
    TensorMessage,
    TensorType,
    Value,
    ValueType,
)
from chainrule.interop.onnx.tensors import DTYPES
from chainrule.layers import PEERED
from chainrule.network.network import Network

INPUT, OUTPUT, BATCH = "x", "y", "N"
MIN_OPSET = 13  # lowest opset whose operators have the inputs and attributes written here
ADDED_IN_OPSET = {  # operators that MIN_OPSET lacks
    "LayerNormalization": 17,
    **{kind.peers.onnx.name: kind.peers.onnx.opset for kind in PEERED if kind.peers.onnx and kind.peers.onnx.opset},
}
# Versions of the file format (IR): the first opset that was released with each, and the version.
IR_VERSIONS = ((28, 14), (25, 13), (24, 12), (23, 11), (21, 10), (19, 9), (15, 8), (MIN_OPSET, 7))
# Operators that normalize inputs, the names of their constants, and the values that have no effect
FACTORS = (("Sub", "origin", 0), ("Sub", "rest", 0), ("Mul", "gain", 1))
TYPE_CODES = {dtype: kind for kind, dtype in DTYPES.items() if dtype.kind in "fiu"}
REAL, INTEGER, TEXT, INTEGERS = 1, 2, 3, 7  # AttributeProto.AttributeType


@dataclass(frozen=True)
class GraphResult:
    """A value of the graph: its name, and its shape without the batch axis."""

    name: str
    shape: Shape


def normalizing_steps(normalization: Normalization, dtype: DTypeLike, axes: int = 2) -> list[tuple[str, str, Array]]:
    """Return the operators that normalize an input with ``axes`` axes, with names and values of their constants."""
    steps: list[tuple[str, str, Array]] = []
    for (operator, name, neutral), values in zip(FACTORS, normalization.rounded(axes, dtype), strict=True):
        if (values != neutral).any():
            steps.append((operator, name, values))
    return steps


class GraphWriter:
    """Collects the nodes of a network and the constants that they read.

    network  network whose weights are the constants
    opset    version of the ONNX operators; None: the lowest, from `MIN_OPSET`, that has all operators in use
    layer    name of the layer whose nodes are being added; the names of the nodes begin with it
    inputs   shapes of the graph's inputs by name; several inputs have their own names
    """

    def __init__(self, network: Network, opset: int | None = None) -> None:
        if opset is not None and not MIN_OPSET <= opset <= MAX_OPSET:
            raise OptionError(f"opset {quoted(opset)}: expected a whole number from {MIN_OPSET} to {MAX_OPSET}")
        self.network = network
        self.inputs = network.input_ports.shapes if network.input_ports else {INPUT: network.input_shape}
        self.layer = INPUT
        self.opset = opset or MIN_OPSET
        self._requested_opset = opset
        self._nodes: list[OnnxNode] = []
        self._constants: dict[str, Array] = {}
        self._counts: dict[str, int] = {}
        self._values: dict[tuple[str, Shape], GraphResult] = {}
        self._stored: dict[str, GraphResult] = {}
        self._shapes: dict[str, Shape] = {}  # of the tensors of stored values

    # ------------------------------------------------------------------ results of the plan

    def add_input(self, plan: Plan, normalization: Normalization | None) -> None:
        """Add the input of a plan. Several inputs are added with the layers that read them."""
        self.store(plan.input, self.normalized(GraphResult(INPUT, plan.input.shape), normalization))

    def normalized(self, x: GraphResult, normalization: Normalization | None) -> GraphResult:
        """Return an input of the graph as ((x − origin) − rest) · gain, with the bits of `Normalization.apply`."""
        if normalization is None:
            return x
        source = x.name
        for operator, name, values in normalizing_steps(normalization, self.network.dtype, len(x.shape) + 1):
            x = self.node(operator, x, self.constant(values, f"{source}.{name}"))
        return x

    def store(self, tensor: Tensor, value: GraphResult) -> None:
        """Record the graph's value for a tensor of the plan."""
        self._stored[tensor.storage] = value
        self._shapes[tensor.storage] = tensor.shape

    def stored(self, tensor: Tensor | None) -> GraphResult:
        """Return the graph's value for a tensor of the plan, in the shape that its node computed.

        A value that is not yet repeated along axes of size 1 becomes the result of an Expand.
        """
        assert tensor is not None
        value, shape = self._stored[tensor.storage], self._shapes[tensor.storage]
        if math.prod(value.shape) < math.prod(shape):
            value = self.node("Expand", value, self.integer_constant((1, *shape)), shape=shape)
            self._stored[tensor.storage] = value
        return value

    def repeatable(self, tensor: Tensor | None) -> GraphResult:
        """Return the graph's value for a tensor of the plan, for an operator that repeats it along axes of size 1."""
        assert tensor is not None
        value = self._stored[tensor.storage]
        is_single = math.prod(value.shape) < tensor.size and self._shapes[tensor.storage] == tensor.shape
        return value if is_single else self.view(tensor)

    def view(self, tensor: Tensor | None) -> GraphResult:
        """Return the graph's value for a tensor of the plan, reshaped to the shape of the tensor."""
        assert tensor is not None
        return self.reshaped(self.stored(tensor), tensor.shape)

    def channels(self, tensor: Tensor | None) -> GraphResult:
        """Return the graph's value for a tensor of the plan, with the same first axis as the tensor.

        The value is reshaped only if its first axis differs; its other axes may differ from those of the tensor.
        """
        assert tensor is not None
        value = self.stored(tensor)
        return value if value.shape[0] == tensor.shape[0] else self.view(tensor)

    def reshaped(self, value: GraphResult, shape: Shape) -> GraphResult:
        """Return a value in another shape. Nodes that need the same shape share one Reshape."""
        if value.shape == shape:
            return value
        if (value.name, shape) not in self._values:
            if len(shape) == 1:
                result = self.node("Flatten", value, shape=shape, axis=1)
            else:
                result = self.node("Reshape", value, self.integer_constant((0, *shape)), shape=shape)
            self._values[value.name, shape] = result
        return self._values[value.name, shape]

    # ------------------------------------------------------------------ nodes and constants

    def node(
        self, operator: str, *inputs: GraphResult | str, shape: Shape | None = None, **options: Any
    ) -> GraphResult:
        """Append a node and return its result.

        inputs   results, and names of constants; "" for an optional input that is omitted
        shape    shape of the result; None: that of the first input

        Errors   OptionError if the requested opset lacks the operator
        """
        since = ADDED_IN_OPSET.get(operator, MIN_OPSET)
        if self._requested_opset is not None and self._requested_opset < since:
            raise OptionError(
                f"{self.layer}: {operator} is an operator since opset {since}; opset {self._requested_opset} lacks it"
            )
        self.opset = max(self.opset, since)
        first = inputs[0]
        count = self._counts[self.layer] = self._counts.get(self.layer, 0) + 1
        name = self.layer if count == 1 else f"{self.layer}.{count}"
        output = f"{name}.y"
        while output in self.inputs:
            output += "_"
        result = GraphResult(output, shape or (first.shape if isinstance(first, GraphResult) else ()))
        names = [operand.name if isinstance(operand, GraphResult) else operand for operand in inputs]
        attributes = [attribute(option, value) for option, value in options.items()]
        self._nodes.append(OnnxNode(names, [result.name], name, operator, attributes=attributes))
        return result

    def prevent_pad_fusion(self, value: GraphResult) -> None:
        """Prevent ONNX Runtime from fusing pooling of a value with the Pad node that computes the value.

        After this fusion, max pooling ignores the zeros, and average pooling rejects padding larger than its window.
        A padding value of −0 prevents it. If another node computes the value, nothing is done.
        """
        producer = next((node for node in self._nodes if value.name in node.outputs), None)
        if producer is not None and producer.operator == "Pad" and len(producer.inputs) == 2:
            producer.inputs.append(self.constant(self.scalar(-0.0), f"{producer.name}.zero"))

    def constant(self, array: Array, name: str) -> str:
        """Add a constant and return its name, with a number appended if another array already has the name."""
        unique_name, count = name, 1
        while unique_name in self.inputs or (
            unique_name in self._constants and not _identical(self._constants[unique_name], array)
        ):
            count += 1
            unique_name = f"{name}.{count}"
        self._constants[unique_name] = array
        return unique_name

    def integer_constant(self, numbers: Sequence[int]) -> str:
        """Add integers as a constant, such as a shape, and return its name."""
        return self.constant(np.array(numbers, np.int64), f"{self.layer}.numbers")

    def scalar(self, value: float) -> Array:
        """Return a number as an array with the dtype of the network."""
        return np.array(value, self.network.dtype)

    def weight(self, tensor: Tensor | None, shape: Shape | None = None) -> str:
        """Add a parameter or running statistic as a constant, and return its name.

        shape   shape of the constant; None: the shape of the tensor
        """
        assert tensor is not None
        return self.constant(self.network.weights[tensor.storage].reshape(shape or tensor.shape), tensor.storage)

    def channel_weight(self, tensor: Tensor | None, x: GraphResult) -> str:
        """Add a parameter with a number for each channel of x (C, …) as a constant, and return its name."""
        return self.weight(tensor, (x.shape[0], *(1,) * (len(x.shape) - 1)))

    # ------------------------------------------------------------------ graph

    def message(self, plan: Plan, name: str) -> GraphMessage:
        """Return the finished graph. Several inputs or outputs have their names; single ones are called x and y.

        The result of a layer is renamed in all nodes if it is an output. An output that is also an input, or another
        output, needs a name of its own, and becomes the result of an Identity.

        name   name of the graph
        """
        outputs = self.network.output_ports
        tensors = plan.forward[-1].reads if outputs else (plan.output,)
        names, new_names = [*(outputs.names if outputs else (OUTPUT,))], dict[str, str]()
        for place, (output_name, tensor) in enumerate(zip(names, tensors, strict=True)):
            assert tensor is not None
            self.layer = tensor.name.rpartition(".")[0] or INPUT
            shape = outputs.shapes[output_name] if outputs else tensor.shape
            result = self.reshaped(self.stored(tensor), shape)
            if result.name in self.inputs or result.name in new_names:
                result = self.node("Identity", result)
            names[place] = new_names[result.name] = self._unused_name(output_name, {*self.inputs, *new_names.values()})
        for node in self._nodes:
            node.inputs = [new_names.get(tensor_name, tensor_name) for tensor_name in node.inputs]
            node.outputs = [new_names.get(tensor_name, tensor_name) for tensor_name in node.outputs]
        output_shapes = outputs.shapes.values() if outputs else [plan.output.shape]
        return GraphMessage(
            name=name,
            nodes=self._nodes,
            initializers=[_tensor_message(name, array) for name, array in self._constants.items()],
            inputs=[self._value_info(*pair) for pair in self.inputs.items()],
            outputs=[self._value_info(*pair) for pair in zip(names, output_shapes, strict=True)],
        )

    def _unused_name(self, name: str, used: set[str]) -> str:
        """Return a name for an output that no other value has: the name itself, or the name with _output appended."""
        used = used | self._constants.keys() | {output for node in self._nodes for output in node.outputs}
        while name in used:
            name += "_output"
        return name

    @property
    def ir_version(self) -> int:
        """Return the version of the file format that was released with the opset."""
        return next(version for opset, version in IR_VERSIONS if self.opset >= opset)

    def _value_info(self, name: str, shape: Shape) -> Value:
        sizes = [Dimension(name=BATCH), *map(Dimension, shape)]
        return Value(name, ValueType(TensorType(TYPE_CODES[self.network.dtype], ShapeMessage(sizes))))


def attribute(name: str, value: Any) -> Attribute:
    """Return an attribute of a node: a text, a number or whole numbers."""
    if isinstance(value, str):
        return Attribute(name, TEXT, text=value.encode())
    if isinstance(value, float):
        return Attribute(name, REAL, real=value)
    if isinstance(value, int):
        return Attribute(name, INTEGER, integer=value)
    return Attribute(name, INTEGERS, integers=[int(number) for number in value])


def _tensor_message(name: str, array: Array) -> TensorMessage:
    stored = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return TensorMessage([*array.shape], TYPE_CODES[array.dtype], name, stored.tobytes())


def _identical(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def pads(padding: Sequence[tuple[int, int]]) -> list[int]:
    """Return padding in ONNX's order: before each axis, then after each axis."""
    return [before for before, _ in padding] + [after for _, after in padding]
