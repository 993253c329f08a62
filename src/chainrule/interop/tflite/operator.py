"""An operator of a TensorFlow Lite file during translation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.interop.names import NAMES
from chainrule.interop.onnx.node_builder import NodeBuilder
from chainrule.interop.onnx.operator_call import Feature, Value
from chainrule.interop.tflite.tensors import TfliteTensors

Results = Feature | list[Feature] | Array
Translation: TypeAlias = "Callable[[TfliteOperator], Results]"

STEPS_PER_OPERATOR = 64
WEIGHTED = ("FULLY_CONNECTED", "RESHAPE")  # operators that treat rows equally and have constants of any shape
NO_ACTIVATION = 0  # ActivationFunctionType
# ActivationFunctionType → operator
ACTIVATIONS = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "TANH"}
LIMITS = {"RELU_N1_TO_1": (-1.0, 1.0), "RELU_0_TO_1": (0.0, 1.0), "RELU6": (0.0, 6.0)}


class TfliteOperator(NodeBuilder):
    """An operator of a graph.

    code     name of the operator, such as CONV_2D
    inputs   indices of all input tensors; −1 for a missing one
    outputs  indices of the tensors with the results
    output   index of the tensor with the first result
    """

    def __init__(self, graph: TfliteTensors, library: Any, operator: Any, number: int) -> None:
        self.graph = graph
        self._library = library
        self._operator = operator
        self.code = graph.code(operator.OpcodeIndex())
        name = f"{self.code.lower()}_{number}"
        super().__init__(self.code, name, name, graph.assembly)
        graph.budget.visit(STEPS_PER_OPERATOR + operator.InputsLength() + operator.OutputsLength(), self.name)
        self.inputs: list[int] = operator.InputsAsNumpy().tolist() if operator.InputsLength() else []
        self.outputs: list[int] = operator.OutputsAsNumpy().tolist() if operator.OutputsLength() else []
        if not self.outputs:
            raise self.unsupported("no outputs", "one")
        self.output = self.outputs[0]

    @property
    def is_elementwise(self) -> bool:
        """Whether each element of the result depends on one element of each input."""
        return self.code in NAMES.tflite or self.code in LIMITS

    @property
    def options(self) -> Any:
        """The options of the operator; None if there are none."""
        table = self._operator.BuiltinOptions()
        kind = self._operator.BuiltinOptionsType()
        names: Any = self._library.BuiltinOptions
        for name in dir(names):
            if getattr(names, name) == kind and name != "NONE" and table is not None:
                options = getattr(self._library, name)()
                options.Init(table.Bytes, table.Pos)
                return options
        return None

    def input(self, index: int) -> int:
        """Return the index of an input tensor; −1 if it is missing."""
        if index >= len(self.inputs):
            return -1
        return self.inputs[index]

    @property
    def blocks(self) -> dict[int, int]:
        """The number of blocks along each axis of the first input that is distributed to several samples."""
        return self.graph.blocks.get(self.input(0), {})

    def follow_blocks(self) -> None:
        """Record that the result has the blocks of the input; FormatError for an operator that mixes blocks.

        A dilated convolution is often stored as SPACE_TO_BATCH_ND, a plain convolution of the blocks, and
        BATCH_TO_SPACE_ND. In between, axes of size 1 may be added or removed, which renumbers the axes in blocks.
        """
        if not any(index in self.graph.blocks for index in self.inputs):
            return
        if self.code not in NAMES.groups["tflite_blockwise"]:
            raise self.unsupported(
                "it reads the blocks of SPACE_TO_BATCH_ND", "a convolution between the two operators"
            )
        new_axes = {axis: axis for axis in self.blocks}
        if self.code in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
            new_axes = self._renumbered_axes()
        blocks: dict[int, int] = {}
        for axis, count in self.blocks.items():
            if axis not in new_axes:
                raise self.unsupported("an axis of size 1 in blocks", "a longer one")
            blocks[new_axes[axis]] = count
        self.graph.blocks[self.output] = blocks

    def _renumbered_axes(self) -> dict[int, int]:
        """Return the axis of the result for each longer axis of the input, between which axes of size 1 change."""
        before = self.graph.shape(self.input(0))
        after = self.graph.shape(self.output)
        longer_before = _longer_axes(before)
        longer_after = _longer_axes(after)
        if [*longer_before.values()] != [*longer_after.values()]:
            problem = f"from {[*before[1:]]} to {[*after[1:]]} between SPACE_TO_BATCH_ND"
            raise self.unsupported(problem, "only axes of size 1 added")
        return dict(zip(longer_before, longer_after, strict=True))

    def follow_rows(self) -> None:
        """Record that the rows of the result are those of the inputs; FormatError for an operator that mixes rows."""
        batches = {self.graph.rows.get(index) for index in self.inputs if index in self.graph.results}
        if batches <= {None}:
            return
        is_aligned = False
        for index in range(len(self.inputs)):
            constant = self.constant(index)
            if constant is not None and constant.ndim > 1 and self.code not in WEIGHTED:
                is_aligned = True
        is_rowwise = self.is_elementwise or self.code in NAMES.groups["tflite_rowwise"]
        if len(batches) > 1 or is_aligned or not is_rowwise:
            raise self.unsupported("it combines the positions of samples, which are rows", "a RESHAPE before it")
        (batch,) = batches
        assert batch is not None
        self.graph.rows[self.output] = batch

    @property
    def x(self) -> Feature:
        """The first input that is the network's input or the result of an operator."""
        for index in self.inputs:
            if index in self.graph.results:
                return self.graph.results[index]
        raise self.unsupported("only constant inputs", "a result of another operator")

    def constant(self, index: int) -> Array | None:
        """Return an input that is a constant; None for other inputs."""
        return self.graph.constant(self.input(index))

    def required(self, index: int) -> Array:
        """Return an input that is a constant; FormatError for other inputs."""
        array = self.constant(index)
        if array is None:
            raise self.unsupported(f"input {index + 1} is not a constant", "a constant")
        return array

    def numbers(self, index: int) -> list[Any]:
        """Return the numbers of an input that is a constant; FormatError for other inputs."""
        return self.required(index).reshape(-1).tolist()

    def operands(self) -> list[Value]:
        """Return all inputs: results, and constants as float64 numbers."""
        operands: list[Value] = []
        for number, index in enumerate(self.inputs):
            if index in self.graph.results:
                operands.append(self.graph.results[index])
                continue
            constant = self.required(number)
            self.graph.budget.write(8 * constant.size, self.name)
            operands.append(constant.astype(np.float64))
        return operands

    def activated(self, y: Feature) -> Feature:
        """Return a result after the fused activation."""
        code = NO_ACTIVATION
        if hasattr(self.options, "FusedActivationFunction"):
            code = self.options.FusedActivationFunction()
        if code == NO_ACTIVATION:
            return y
        if code not in ACTIVATIONS:
            raise self.unsupported(f"fused activation {code}", f"one of {', '.join(ACTIVATIONS.values())}")
        name = ACTIVATIONS[code]
        if name in LIMITS:
            return self.clipped(y, *LIMITS[name])
        return self.op(NAMES.tflite[name], y)

    def shape(self, index: int) -> Shape:
        """Return the shape of an input, with the batch axis."""
        return self.graph.shape(self.input(index))


def _longer_axes(shape: Shape) -> dict[int, int]:
    """Return the sizes above 1 by axis, without the batch axis."""
    return {axis: size for axis, size in enumerate(shape) if axis > 0 and size > 1}
