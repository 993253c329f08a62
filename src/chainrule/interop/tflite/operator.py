"""An operator of a TensorFlow Lite file during translation to Keras layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.errors import FormatError, quoted
from chainrule.interop.keras.config import Source, TensorReference
from chainrule.interop.names import NAMES, inverted
from chainrule.interop.tflite.tensors import TfliteTensors

Translation: TypeAlias = "Callable[[TfliteOperator], None]"

STEPS_PER_OPERATOR = 64
WEIGHTED = ("FULLY_CONNECTED", "RESHAPE")  # operators that treat rows equally and have constants of any shape
NO_ACTIVATION = 0  # ActivationFunctionType
ACTIVATIONS = {1: "relu", 2: "hard_tanh", 3: "relu6", 4: "tanh"}  # ActivationFunctionType → Keras
FUNCTIONS = inverted(NAMES.tflite)  # operators of results and constants without options → function of keras.ops


class TfliteOperator:
    """An operator of a graph.

    code     name of the operator, such as CONV_2D
    name     unique name
    inputs   indices of all input tensors; −1 for a missing one
    outputs  indices of the tensors with the results
    output   index of the tensor with the first result
    """

    def __init__(self, graph: TfliteTensors, library: Any, operator: Any, number: int) -> None:
        self.graph = graph
        self._library = library
        self._operator = operator
        self.code = graph.code(operator.OpcodeIndex())
        self.name = f"{self.code.lower()}_{number}"
        graph.budget.visit(STEPS_PER_OPERATOR + operator.InputsLength() + operator.OutputsLength(), self.name)
        self.inputs: list[int] = operator.InputsAsNumpy().tolist() if operator.InputsLength() else []
        self.outputs: list[int] = operator.OutputsAsNumpy().tolist() if operator.OutputsLength() else []
        if not self.outputs:
            raise self.unsupported("no outputs", "one")
        self.output = self.outputs[0]

    @property
    def activation(self) -> str | None:
        """Keras' name of the fused activation; None if there is none."""
        options = self.options
        code = NO_ACTIVATION
        if hasattr(options, "FusedActivationFunction"):
            code = options.FusedActivationFunction()
        if code == NO_ACTIVATION:
            return None
        if code not in ACTIVATIONS:
            raise self.unsupported(f"fused activation {code}", f"one of {', '.join(ACTIVATIONS.values())}")
        return ACTIVATIONS[code]

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
        is_rowwise = self.code in FUNCTIONS or self.code in NAMES.groups["tflite_rowwise"]
        if len(batches) > 1 or is_aligned or not is_rowwise:
            raise self.unsupported("it combines the positions of samples, which are rows", "a RESHAPE before it")
        (batch,) = batches
        assert batch is not None
        self.graph.rows[self.output] = batch

    def required_result(self, index: int) -> TensorReference:
        """Return an input that is the network's input or the result of an operator; FormatError for other inputs."""
        result = self.graph.results.get(self.input(index))
        if result is None:
            raise self.unsupported(f"input {index + 1} is a constant", "a result")
        return result

    def alias(self) -> None:
        """Add no layer: the result is the first input."""
        self.graph.results[self.output] = self.required_result(0)

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

    def results(self) -> list[Source]:
        """Return the inputs that are results, as operands of a Keras layer."""
        return [self.graph.results[index] for index in self.inputs if index in self.graph.results]

    def sources(self) -> list[Source]:
        """Return all inputs, results and constants, as operands of a Keras layer."""
        sources: list[Source] = []
        for number, index in enumerate(self.inputs):
            if index in self.graph.results:
                sources.append(self.graph.results[index])
            else:
                sources.append(self._reals(number))
        return sources

    def _reals(self, index: int) -> Array:
        array = self.required(index)
        self.graph.budget.write(8 * array.size, self.name)
        return array.astype(np.float64)

    def add(
        self,
        kind: str,
        arrays: Mapping[str, Array] | None = None,
        sources: Sequence[Source] | None = None,
        **options: Any,
    ) -> None:
        """Add a Keras layer or a function of keras.ops instead of the operator, with the fused activation.

        arrays    weights of the layer, by Keras' names
        sources   operands; None: the inputs that are results
        options   options of the layer
        """
        activation = self.activation
        if activation is not None:
            options["activation"] = activation
        if sources is None:
            sources = self.results()
        self.graph.add(self.name, kind, options, sources, self.outputs, arrays)

    def add_after(self, kind: str, **options: Any) -> None:
        """Add a Keras layer that reads the result and replaces it."""
        source = self.graph.results[self.output]
        self.graph.add(f"{source.layer}_{kind.lower()}", kind, options, [source], self.outputs)

    def shape(self, index: int) -> Shape:
        """Return the shape of an input, with the batch axis."""
        return self.graph.shape(self.input(index))

    def unsupported(self, actual: str, expected: str) -> FormatError:
        """Return the error for an unsupported operator."""
        return FormatError(f"{self.code} {quoted(self.name)}: {actual}; expected {expected}")


def _longer_axes(shape: Shape) -> dict[int, int]:
    """Return the sizes above 1 by axis, without the batch axis."""
    return {axis: size for axis, size in enumerate(shape) if axis > 0 and size > 1}
