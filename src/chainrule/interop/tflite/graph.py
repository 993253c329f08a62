"""The graph of a TensorFlow Lite file: its tensors, and its operators during translation to Keras layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule._io.budget import Budget
from chainrule.core.arrays import Array, Shape
from chainrule.errors import FormatError, quoted
from chainrule.interop.keras.config import KerasLayer, KerasModel, Source, TensorReference
from chainrule.interop.keras.layers import LAYERS
from chainrule.interop.keras.weights import WeightShapes, numbered_name
from chainrule.interop.names import NAMES
from chainrule.interop.tflite import quantization, shape_arithmetic, sparsity
from chainrule.interop.tflite.operator import FUNCTIONS, TfliteOperator, Translation
from chainrule.interop.tflite.quantization import QUANTIZED

# TensorType → type of numbers
DTYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 6: "?", 7: "<i2", 9: "i1", 10: "<f8"}
FLOAT32 = 0  # TensorType
INTEGERS = (2, 4)  # TensorTypes of whole numbers
DECISIONS = ("ARG_MAX", "ARG_MIN")  # operators that select among the scores of a network
EXPANDING = ("DEQUANTIZE", "DENSIFY")  # operators of constants that are compressed


class TfliteGraph:
    """The main graph of a file during translation.

    library   the package tflite
    model     root of the file
    budget    budget of the file
    """

    def __init__(self, library: Any, model: Any, budget: Budget) -> None:
        if not model.SubgraphsLength():
            raise FormatError("it has no graph")
        self._library = library
        self._model = model
        self.budget = budget
        self._graph: Any = model.Subgraphs(0)
        self._layers: dict[str, KerasLayer] = {}
        self._arrays: dict[str, Mapping[str, Array]] = {}
        self.results: dict[int, TensorReference] = {}  # the Keras result of each tensor that is no constant
        self._constants: dict[int, Array] = {}
        self._shapes: dict[int, Shape] = {}  # of results where the file states 1 as a placeholder
        # Results between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, which distribute the elements of some axes to as many
        # samples as the axis has blocks, are not distributed in the network: {tensor: {axis: number of blocks}}.
        self.blocks: dict[int, dict[int, int]] = {}
        # Results (N·k, C) of a file whose rows are the k positions of N samples (N, …, C), as they are in the network:
        # {tensor: N}
        self.rows: dict[int, int] = {}

    def translate(self, translations: Mapping[str, Translation]) -> KerasModel:
        """Return the graph as a Keras model.

        translations   functions that add the layers of an operator, by the operator's name
        """
        graph = self._graph
        self.budget.visit(graph.OutputsLength() + graph.InputsLength(), "the inputs and outputs")
        outputs = [graph.Outputs(number) for number in range(graph.OutputsLength())]
        inputs = self._add_inputs([graph.Inputs(number) for number in range(graph.InputsLength())])
        for number in range(graph.OperatorsLength()):
            operator = TfliteOperator(self, self._library, graph.Operators(number), number)
            if operator.code in EXPANDING and operator.constant(0) is not None:  # compressed weights
                self._constants[operator.output] = operator.required(0).astype(np.float32)
            elif operator.code in DECISIONS or self.kind(operator.output) not in INTEGERS:
                self._translate_operator(operator, translations)
            else:
                self._compute(operator)
        graph_count = self._model.SubgraphsLength()
        if graph_count > 1:  # which no operator of the first refers to
            raise FormatError(f"it has {graph_count} graphs, such as several signatures; expected one")
        results = [self._output(output) for output in outputs]
        names = None
        if len(outputs) > 1:
            names = tuple(self._named(outputs, "Outputs"))
        return KerasModel(self._layers, tuple(inputs), tuple(results), names)

    def _output(self, tensor: int) -> TensorReference:
        """Return an output of the graph; FormatError for a constant, or for a result whose samples are rearranged."""
        if tensor not in self.results or tensor in self.blocks or tensor in self.rows:
            raise FormatError(f"its output, tensor {tensor}, is not the result of an operator")
        return self.results[tensor]

    def _add_inputs(self, tensors: Sequence[int]) -> list[TensorReference]:
        """Add the inputs of the graph, and return their references."""
        references: list[TensorReference] = []
        for name, index in self._named(tensors, "Inputs").items():
            if self.kind(index) not in (FLOAT32, *QUANTIZED):
                raise FormatError(f"its input {quoted(name)} contains neither float32 numbers nor quantized ones")
            self.add(name, "InputLayer", {"batch_shape": [None, *self.shape(index)[1:]]}, [], [index])
            references.append(self.results[index])
            self._quantize(name, index)
        return references

    def _compute(self, operator: TfliteOperator) -> None:
        """Compute whole numbers from shapes and constants, such as the target of a RESHAPE; others are not needed."""
        if operator.code == "SHAPE":
            self._constants[operator.output] = np.array(self.shape(operator.input(0)), np.int64)
            return
        values: list[Array] = []
        for index in operator.inputs:
            value = self.constant(index)
            if value is None:
                return
            values.append(value)
        self.budget.visit(sum(value.size for value in values), operator.name)
        result = shape_arithmetic.computed(operator.code, operator.options, *values)
        if result is not None:
            self._constants[operator.output] = np.asarray(result)

    def _infer_shape(self, operator: TfliteOperator) -> None:
        """Record the shape of a result that depends on computed sizes, where the file states 1."""
        target = None
        if operator.code == "RESHAPE":
            target = self._constants.get(operator.input(1))
        if target is None and not any(index in self._shapes for index in operator.inputs):
            return
        shapes = [self.shape(index) for index in operator.inputs if index >= 0]
        is_elementwise = operator.code in FUNCTIONS or operator.code in NAMES.groups["tflite_rowwise"]
        shape = shape_arithmetic.result_shape(operator.code, shapes, target, is_elementwise=is_elementwise)
        if shape is not None:
            self._shapes[operator.output] = shape

    def _translate_operator(self, operator: TfliteOperator, translations: Mapping[str, Translation]) -> None:
        """Add the layers of an operator, and round its results as their tensors state."""
        self._infer_shape(operator)
        operator.follow_blocks()
        operator.follow_rows()
        if operator.code not in translations:
            problem = "it selects among scores" if operator.code in DECISIONS else "there is no translation"
            raise operator.unsupported(problem, "an operator in docs/importing.md")
        translations[operator.code](operator)
        if operator.code in NAMES.groups["tflite_selecting"] and self._same_grid(operator):
            return
        for number, output in enumerate(operator.outputs):
            self._quantize(numbered_name(operator.name, number), output)

    def weights(self, layer: KerasLayer, shapes: WeightShapes) -> dict[str, Array]:
        """Return the weights of a layer by name; FormatError if the shapes differ from the expected ones."""
        arrays = self._arrays[layer.name]
        for name, shape in shapes.items():
            if shape is None or arrays[name].shape != tuple(shape):
                raise FormatError(f"{name} has shape {arrays[name].shape}; expected {shape}")
        return {name: arrays[name] for name in shapes}

    def _named(self, tensors: Sequence[int], kind: str) -> dict[str, int]:
        """Return the inputs or outputs of the graph by their names in the signature, or else by those of the tensors.

        A single one needs no name of the file. FormatError if names are empty or not different.

        kind   "Inputs" or "Outputs"
        """
        if len(tensors) == 1:
            return {"input": tensors[0]}
        names = self._names_in_signature(kind)
        for index in tensors:
            names.setdefault(index, self._text(self._graph.Tensors(index).Name()))
        named = {names[index]: index for index in tensors}
        if len(named) < len(tensors) or "" in named:
            shown = ", ".join(map(quoted, names.values()))
            raise FormatError(f"its {kind.lower()} {shown} do not have different names")
        return named

    def _names_in_signature(self, kind: str) -> dict[int, str]:
        """Return the names of tensors in the only signature of the file; none if it has several."""
        if self._model.SignatureDefsLength() != 1:
            return {}
        signature = self._model.SignatureDefs(0)
        count = getattr(signature, f"{kind}Length")()
        self.budget.visit(count, f"the {kind.lower()} of its signature")
        names: dict[int, str] = {}
        for number in range(count):
            entry = getattr(signature, kind)(number)
            names[entry.TensorIndex()] = self._text(entry.Name())
        return names

    def _text(self, name: bytes | None) -> str:
        self.budget.visit(len(name or b""), "the names of its inputs and outputs")
        return (name or b"").decode(errors="replace")

    def _quantize(self, name: str, index: int) -> None:
        """Round a result to the numbers that the tensor's integers represent, if it contains integers."""
        grid = self.grid(index)
        if grid is not None:
            self.add(f"{name}_quantized", "FakeQuantize", grid, [self.results[index]], [index])

    def _same_grid(self, operator: TfliteOperator) -> bool:
        """Return whether all inputs that are results have the scale and the zero point of the operator's result."""
        grid = self.grid(operator.output)
        for index in (*operator.inputs, *operator.outputs):
            is_constant = index in operator.inputs and index not in self.results
            if not is_constant and self.grid(index) != grid:
                return False
        return True

    def grid(self, index: int) -> dict[str, float] | None:
        """Return the options of FakeQuantize for a tensor; None if it does not contain quantized numbers."""
        return quantization.grid(self._graph.Tensors(index), index, self.budget)

    def add(
        self,
        name: str,
        kind: str,
        options: Mapping[str, Any],
        sources: Sequence[Source],
        results: Sequence[int] = (),
        arrays: Mapping[str, Array] | None = None,
    ) -> TensorReference:
        """Add a Keras layer or a function of keras.ops, and return its first result.

        results   tensors of its results
        arrays    its weights, by Keras' names
        """
        if name in self._layers:
            raise FormatError(f"two layers are called {quoted(name)}")
        if arrays is not None:
            self._arrays[name] = arrays
            options = {"use_bias": "bias" in arrays, **options}
        is_operation = kind not in LAYERS
        self._layers[name] = KerasLayer(kind, name, options, (tuple(sources),), (name,), is_operation)
        for number, index in enumerate(results):
            self.results[index] = TensorReference(name, 0, number)
        return TensorReference(name, 0, 0)

    def shape(self, index: int) -> Shape:
        """Return the shape of a tensor."""
        if index in self._shapes:
            return self._shapes[index]
        tensor = self._graph.Tensors(index)
        return tuple(int(tensor.Shape(axis)) for axis in range(min(tensor.ShapeLength(), 16)))

    def kind(self, index: int) -> int:
        """Return the TensorType of a tensor."""
        return int(self._graph.Tensors(index).Type())

    def code(self, index: int) -> str:
        """Return the name of an operator, such as CONV_2D."""
        code = self._model.OperatorCodes(index)
        number = max(code.DeprecatedBuiltinCode(), code.BuiltinCode())
        try:
            return str(self._library.opcode2name(number))
        except (KeyError, ValueError):
            return f"operator {number}"

    def constant(self, index: int) -> Array | None:
        """Return a constant tensor, dequantized if it has a scale; None for a result.

        Errors   FormatError for a damaged constant, or an unknown type of numbers
        """
        if index < 0 or index in self.results:
            return None
        if index not in self._constants:
            tensor = self._graph.Tensors(index)
            data = self._model.Buffers(tensor.Buffer())
            if not data.DataLength():
                return None
            array = self._stored(tensor, data, index)
            self._constants[index] = quantization.dequantized(tensor, index, array, self.budget)
        return self._constants[index]

    def _stored(self, tensor: Any, data: Any, index: int) -> Array:
        """Return the numbers that a file stores for a constant tensor."""
        shape = self.shape(index)
        kind = self.kind(index)
        if kind not in DTYPES:
            raise FormatError(f"tensor {index} has type {kind}; expected floats or integers of at least 8 bits")
        dtype = np.dtype(DTYPES[kind])
        self.budget.write(8 * math.prod(shape), f"tensor {index}")
        count, rest = divmod(data.DataLength(), dtype.itemsize)
        places = tensor.Sparsity()
        if rest or (places is None and count != math.prod(shape)):
            raise FormatError(f"tensor {index} of shape {shape} has {data.DataLength()} bytes")
        array = np.frombuffer(data.DataAsNumpy().tobytes(), dtype)
        if places is not None:
            array = sparsity.densified(self._library, places, array, shape, self.budget)
        return array.reshape(shape)
