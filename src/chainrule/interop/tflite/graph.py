"""The graph of a TensorFlow Lite file: its tensors, and its operators during translation to Keras layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import FormatError, quoted
from chainrule.interop.keras.config import KerasModel, TensorReference
from chainrule.interop.keras.weights import numbered_name
from chainrule.interop.names import NAMES
from chainrule.interop.tflite import shape_arithmetic
from chainrule.interop.tflite.operator import FUNCTIONS, TfliteOperator, Translation
from chainrule.interop.tflite.quantization import QUANTIZED
from chainrule.interop.tflite.tensors import TfliteTensors

FLOAT32 = 0  # TensorType
INTEGERS = (2, 4)  # TensorTypes of whole numbers
DECISIONS = ("ARG_MAX", "ARG_MIN")  # operators that select among the scores of a network
EXPANDING = ("DEQUANTIZE", "DENSIFY")  # operators of constants that are compressed


class TfliteGraph(TfliteTensors):
    """The main graph of a file during translation."""

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
