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
from chainrule.interop.onnx.integer_weights import integer_weights
from chainrule.interop.onnx.messages import (
    INTEGER,
    INTEGERS,
    MAX_OPSET,
    REAL,
    TEXT,
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
from chainrule.layers import PEERED, FakeQuantize
from chainrule.network.network import Network

INPUT, OUTPUT, BATCH = "x", "y", "N"
SELECTING = ("MaxPool", "Reshape", "Flatten", "Transpose", "Slice", "Pad", "Expand")  # whose results are inputs, or 0
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
        self._reshaped: dict[tuple[str, Shape], GraphResult] = {}
        self._stored: dict[str, GraphResult] = {}
        self._kernels: dict[str, GraphResult] = {}
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
        value = self._stored[tensor.storage]
        shape = self._shapes[tensor.storage]
        if math.prod(value.shape) < math.prod(shape):
            value = self.node("Expand", value, self.integer_constant((1, *shape)), shape=shape)
            self._stored[tensor.storage] = value
        return value

    def repeatable(self, tensor: Tensor | None) -> GraphResult:
        """Return the graph's value for a tensor of the plan, for an operator that repeats it along axes of size 1."""
        assert tensor is not None
        value = self._stored[tensor.storage]
        is_single = math.prod(value.shape) < tensor.size
        if is_single and self._shapes[tensor.storage] == tensor.shape:
            return value
        return self.view(tensor)

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
        if value.shape[0] == tensor.shape[0]:
            return value
        return self.view(tensor)

    def reshaped(self, value: GraphResult, shape: Shape) -> GraphResult:
        """Return a value in another shape. Nodes that need the same shape share one Reshape."""
        if value.shape == shape:
            return value
        key = (value.name, shape)
        if key not in self._reshaped:
            if len(shape) == 1:
                self._reshaped[key] = self.node("Flatten", value, shape=shape, axis=1)
            else:
                target = self.integer_constant((0, *shape))
                self._reshaped[key] = self.node("Reshape", value, target, shape=shape)
        return self._reshaped[key]

    # ------------------------------------------------------------------ nodes and constants

    def node(
        self,
        operator: str,
        *inputs: GraphResult | str | None,
        shape: Shape | None = None,
        **options: object,
    ) -> GraphResult:
        """Append a node and return its result.

        inputs   results, and names of constants; None for an optional input that is omitted
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
        if shape is None:
            shape = first.shape if isinstance(first, GraphResult) else ()
        name = self._node_name()
        output = f"{name}.y"
        while output in self.inputs:
            output += "_"
        names: list[str] = []
        for operand in inputs:
            if isinstance(operand, GraphResult):
                names.append(operand.name)
            else:
                names.append(operand or "")  # ONNX writes omitted inputs as empty names
        attributes = [attribute(option, value) for option, value in options.items()]
        self._nodes.append(OnnxNode(names, [output], name, operator, attributes=attributes))
        return GraphResult(output, shape)

    def _node_name(self) -> str:
        """Return the name of the layer's next node: that of the layer, and a number from the second node on."""
        count = self._counts.get(self.layer, 0) + 1
        self._counts[self.layer] = count
        if count == 1:
            return self.layer
        return f"{self.layer}.{count}"

    def prevent_pad_fusion(self, value: GraphResult) -> None:
        """Prevent ONNX Runtime from fusing pooling of a value with the Pad node that computes the value.

        After this fusion, max pooling ignores the zeros, and average pooling rejects padding larger than its window.
        A padding value of −0 prevents it. If another node computes the value, nothing is done.
        """
        for node in self._nodes:
            if value.name in node.outputs and node.operator == "Pad" and len(node.inputs) == 2:
                node.inputs.append(self.constant(self.scalar(-0.0), f"{node.name}.zero"))

    def constant(self, array: Array, name: str) -> str:
        """Add a constant and return its name, with a number appended if another array already has the name."""
        unique_name = name
        count = 1
        while not self._is_free(unique_name, array):
            count += 1
            unique_name = f"{name}.{count}"
        self._constants[unique_name] = array
        return unique_name

    def _is_free(self, name: str, array: Array) -> bool:
        """Return whether a constant may have a name, which no input and no other array has."""
        if name in self.inputs:
            return False
        return name not in self._constants or _identical(self._constants[name], array)

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

    def kernel(self, array: Array, name: str, x: GraphResult, b: Tensor | None = None) -> GraphResult | str:
        """Add the weights of a layer; those of a quantized network as integers, if these represent them exactly.

        Runtimes would quantize the floats again, with other scales.

        x, b   input of the layer, and its bias
        """
        if not any(isinstance(layer, FakeQuantize) for layer in self.network.layers):
            return self.constant(array, name)
        if name in self._kernels:
            return self._kernels[name]
        scale = self._scale_of(x.name)
        bias = None
        if b is not None and scale is not None:
            bias = self.network.weights[b.storage].astype(np.float64) / scale
        weights = integer_weights(array, bias)
        if weights is None:
            return self.constant(array, name)
        constants = [
            self.constant(weights.integers, f"{name}.integers"),
            self.constant(weights.scale, f"{name}.scale"),
            self.constant(weights.zero, f"{name}.zero_point"),
        ]
        self.node("DequantizeLinear", *constants, axis=weights.axis)
        self._nodes[-1].outputs = [name]
        self._kernels[name] = GraphResult(name, array.shape)
        return self._kernels[name]

    def _scale_of(self, name: str) -> float | None:
        """Return the scale of the integers that a value represents; None if it is unknown."""
        for node in reversed(self._nodes):
            if name not in node.outputs:
                continue
            if node.operator == "DequantizeLinear":
                return float(self._constants[node.inputs[1]])
            if node.operator not in SELECTING:
                return None
            name = node.inputs[0]
        return None

    def channel_weight(self, tensor: Tensor | None, x: GraphResult) -> str:
        """Add a parameter with a number for each channel of x (C, …) as a constant, and return its name."""
        return self.weight(tensor, (x.shape[0], *(1,) * (len(x.shape) - 1)))

    # ------------------------------------------------------------------ graph

    def message(self, plan: Plan, name: str) -> GraphMessage:
        """Return the finished graph. Several inputs or outputs have their names; single ones are called x and y.

        name   name of the graph
        """
        outputs = self._name_outputs(plan)
        graph = GraphMessage(name=name, nodes=self._nodes)
        for constant, array in self._constants.items():
            graph.initializers.append(_tensor_message(constant, array))
        for input_name, shape in self.inputs.items():
            graph.inputs.append(self._value_info(input_name, shape))
        for output_name, shape in outputs.items():
            graph.outputs.append(self._value_info(output_name, shape))
        return graph

    def _name_outputs(self, plan: Plan) -> dict[str, Shape]:
        """Give the outputs their names, and return the shapes by name.

        The result of a layer is renamed in all nodes if it is an output. An output that is also an input, or another
        output, needs a name of its own, and becomes the result of an Identity.
        """
        ports = self.network.output_ports
        if ports:
            shapes = ports.shapes
            tensors = plan.forward[-1].reads
        else:
            shapes = {OUTPUT: plan.output.shape}
            tensors = (plan.output,)
        new_names: dict[str, str] = {}
        output_shapes: dict[str, Shape] = {}
        for (output_name, shape), tensor in zip(shapes.items(), tensors, strict=True):
            assert tensor is not None
            self.layer = tensor.name.rpartition(".")[0] or INPUT
            result = self.reshaped(self.stored(tensor), shape)
            if result.name in self.inputs or result.name in new_names:
                result = self.node("Identity", result)
            unused_name = self._unused_name(output_name, {*self.inputs, *output_shapes})
            new_names[result.name] = unused_name
            output_shapes[unused_name] = shape
        for node in self._nodes:
            node.inputs = [new_names.get(tensor_name, tensor_name) for tensor_name in node.inputs]
            node.outputs = [new_names.get(tensor_name, tensor_name) for tensor_name in node.outputs]
        return output_shapes

    def _unused_name(self, name: str, used: set[str]) -> str:
        """Return a name for an output that no other value has: the name itself, or the name with _output appended."""
        used = used | self._constants.keys()
        for node in self._nodes:
            used.update(node.outputs)
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
    return Attribute(name, INTEGERS, integers=[*map(int, value)])


def _tensor_message(name: str, array: Array) -> TensorMessage:
    stored = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return TensorMessage([*array.shape], TYPE_CODES[array.dtype], name, stored.tobytes())


def _identical(a: Array, b: Array) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def pads(padding: Sequence[tuple[int, int]]) -> list[int]:
    """Return padding in ONNX's order: before each axis, then after each axis."""
    before, after = zip(*padding, strict=True)
    return [*before, *after]
