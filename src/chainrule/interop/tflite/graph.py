"""Translation of the graph of a TensorFlow Lite file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Imported
from chainrule.interop.names import NAMES
from chainrule.interop.onnx.node_builder import BATCH, NodeBuilder
from chainrule.interop.onnx.operator_call import Feature
from chainrule.interop.onnx.operators.moved_elements import materialized
from chainrule.interop.tflite import shape_arithmetic
from chainrule.interop.tflite.operator import TfliteOperator, Translation
from chainrule.interop.tflite.quantization import QUANTIZED, is_rounded
from chainrule.interop.tflite.tensors import TfliteTensors
from chainrule.layers import Input, Node

FLOAT32 = 0  # TensorType
INTEGERS = (2, 4)  # TensorTypes of whole numbers
DECISIONS = ("ARG_MAX", "ARG_MIN")  # operators that select among the scores of a network


class TfliteGraph(TfliteTensors):
    """The main graph of a file during translation."""

    def translate(self, translations: Mapping[str, Translation], names: Sequence[str] | None = None) -> Imported:
        """Return the network of the graph.

        translations   functions that return the results of an operator, by the operator's name
        names          names of the outputs to import; None: all outputs

        Errors         FormatError for an unsupported operator or an unknown output
        """
        graph = self._graph
        self.budget.visit(graph.OutputsLength() + graph.InputsLength(), "the inputs and outputs")
        if self._model.SubgraphsLength() > 1:  # which no operator of the first refers to
            count = self._model.SubgraphsLength()
            raise FormatError(f"it has {count} graphs, such as several signatures; expected one")
        inputs = self._add_inputs([graph.Inputs(number) for number in range(graph.InputsLength())])
        outputs = self._chosen_outputs(names)
        for operator in self._required_operators([*outputs.values()]):
            if operator.code in DECISIONS or self.kind(operator.output) not in INTEGERS:
                self._translate_operator(operator, translations)
            else:
                self._compute(operator)
        results = {name: self._output(name, tensor) for name, tensor in outputs.items()}
        return self.assembly.finish(inputs, results, "float32")

    def _chosen_outputs(self, names: Sequence[str] | None) -> dict[str, int]:
        """Return the tensors of the outputs to import, by name."""
        graph = self._graph
        tensors = [graph.Outputs(number) for number in range(graph.OutputsLength())]
        outputs = self._named(tensors, "Outputs", "output")
        if names is None:
            return outputs
        for name in names:
            if name not in outputs:
                raise FormatError(f"it has no output {quoted(name)}; expected one of {', '.join(outputs)}")
        return {name: outputs[name] for name in names}

    def _required_operators(self, outputs: Sequence[int]) -> list[TfliteOperator]:
        """Return the operators that outputs depend on, in the order of the file."""
        operators: list[TfliteOperator] = []
        required = {*outputs}
        for number in reversed(range(self._graph.OperatorsLength())):
            operator = TfliteOperator(self, self._library, self._graph.Operators(number), number)
            if required.intersection(operator.outputs):
                required.update(operator.inputs)
                operators.insert(0, operator)
        return operators

    def _output(self, name: str, tensor: int) -> Node:
        """Return an output of the graph; FormatError for a constant, or for a result whose samples are rearranged."""
        if tensor not in self.results or tensor in self.blocks or tensor in self.rows:
            raise FormatError(f"its output, tensor {tensor}, is not the result of an operator")
        y = self.results[tensor]
        output = NodeBuilder("output", name, name, self.assembly)
        return materialized(output.moved_axis(y, -1, 1)).node

    def _add_inputs(self, tensors: Sequence[int]) -> dict[str, Input]:
        """Add the inputs of the graph, and return them by name. Images of raw bytes are numbers from 0 to 255."""
        inputs: dict[str, Input] = {}
        for name, index in self._named(tensors, "Inputs", "input").items():
            if self.kind(index) not in (FLOAT32, *QUANTIZED):
                raise FormatError(f"its input {quoted(name)} contains neither float32 numbers nor quantized ones")
            _, *sizes = self.shape(index) or (0,)
            if not 1 <= len(sizes) <= 3 or min(sizes) < 1:
                raise FormatError(
                    f"its input {quoted(name)} has shape {self.shape(index)}; expected (N, H, W, C), (N, W, C) or "
                    "(N, F)"
                )
            inputs[name] = Input((sizes[-1], *sizes[:-1]))
            builder = NodeBuilder("input", name, name, self.assembly)
            x = builder.moved_axis(Feature(inputs[name], BATCH), 1, -1)
            grid = self.grid(index)
            self.results[index] = x if grid is None else builder.layer(x, "FakeQuantize", **grid)
        return inputs

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
        shapes: list[Shape] = [self.shape(index) for index in operator.inputs if index >= 0]
        is_elementwise = operator.is_elementwise or operator.code in NAMES.groups["tflite_rowwise"]
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
        with operator.named_errors():
            results = translations[operator.code](operator)
            if isinstance(results, np.ndarray):  # computed of constants
                self._constants[operator.output] = results
                return
            if not isinstance(results, list):
                results = [results]
            is_selecting = operator.code in NAMES.groups["tflite_selecting"]
            for index, result in zip(operator.outputs, results, strict=True):
                self.results[index] = result
            if is_selecting and self._same_grid(operator):
                return
            for index in operator.outputs:
                grid = self.grid(index)
                if grid is not None and not is_rounded(self.results[index].node, grid):
                    self.results[index] = operator.layer(self.results[index], "FakeQuantize", **grid)
                elif grid is None and self.kind(index) in QUANTIZED:
                    raise operator.unsupported("a result of integers without a scale", "one scale")

    def _named(self, tensors: Sequence[int], kind: str, only: str) -> dict[str, int]:
        """Return the inputs or outputs of the graph by their names in the signature, or else by those of the tensors.

        FormatError if names are empty or not different.

        kind   "Inputs" or "Outputs"
        only   name of a single one
        """
        if len(tensors) == 1:
            return {only: tensors[0]}
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

    def _same_grid(self, operator: TfliteOperator) -> bool:
        """Return whether all inputs that are results have the scale and the zero point of the operator's result."""
        grid = self.grid(operator.output)
        for index in (*operator.inputs, *operator.outputs):
            is_constant = index in operator.inputs and index not in self.results
            if not is_constant and self.grid(index) != grid:
                return False
        return True
