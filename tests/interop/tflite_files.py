"""TensorFlow Lite files, written with the package tflite, and their results in LiteRT."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

tflite: Any = pytest.importorskip("tflite", reason="needs tflite")
interpreter: Any = pytest.importorskip("ai_edge_litert.interpreter", reason="needs ai-edge-litert")
flatbuffers: Any = pytest.importorskip("flatbuffers", reason="needs flatbuffers")

Array = NDArray[Any]
TYPES = {"float32": 0, "float16": 1, "int32": 2, "int8": 9}


class Writer:
    """Writes a file with one graph.

    shape   shape of the input, with the batch axis
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self._builder = flatbuffers.Builder(1024)
        self._tensors: list[tuple[Sequence[int], int, Array | None]] = [(shape, 0, None)]
        self._operators: list[tuple[int, list[int], int, str, Mapping[str, Any]]] = []

    def constant(self, array: Any, dtype: str = "float32") -> int:
        """Add a constant and return its index."""
        value = np.asarray(array, dtype)
        self._tensors.append((value.shape, TYPES[dtype], value))
        return len(self._tensors) - 1

    def add(self, code: str, inputs: Sequence[int], shape: Sequence[int], options: str = "", **values: Any) -> int:
        """Add an operator and return the index of its result.

        shape     shape of the result
        options   name of the table of options
        """
        self._tensors.append((shape, 0, None))
        result = len(self._tensors) - 1
        self._operators.append((getattr(tflite.BuiltinOperator, code), [*inputs], result, options, values))
        return result

    def finish(self, result: int) -> bytes:
        """Return the file."""
        builder = self._builder
        buffers = [self._table("Buffer")]
        tensors: list[int] = []
        for shape, dtype, array in self._tensors:
            if array is not None:
                buffers.append(self._table("Buffer", Data=builder.CreateByteVector(array.tobytes())))
            index = len(buffers) - 1 if array is not None else 0
            tensors.append(self._table("Tensor", Shape=self._integers(shape), Type=dtype, Buffer=index))
        codes = [
            self._table(
                "OperatorCode",
                DeprecatedBuiltinCode=min(code, 127),
                BuiltinCode=code,
                Version=3 if code == tflite.BuiltinOperator.DEQUANTIZE else 1,  # the first version with float16
            )
            for code, *_ in self._operators
        ]
        operators: list[int] = []
        for number, (_, inputs, output, options, values) in enumerate(self._operators):
            named: dict[str, Any] = {"OpcodeIndex": number}
            if options:
                named |= {
                    "BuiltinOptionsType": getattr(tflite.BuiltinOptions, options),
                    "BuiltinOptions": self._table(options, **values),
                }
            operators.append(
                self._table("Operator", Inputs=self._integers(inputs), Outputs=self._integers([output]), **named)
            )
        ends = {"Inputs": self._integers([0]), "Outputs": self._integers([result])}
        graph = self._table("SubGraph", Tensors=self._offsets(tensors), Operators=self._offsets(operators), **ends)
        lists = {
            "OperatorCodes": self._offsets(codes),
            "Subgraphs": self._offsets([graph]),
            "Buffers": self._offsets(buffers),
        }
        builder.Finish(self._table("Model", Version=3, **lists), b"TFL3")
        return bytes(builder.Output())

    def _table(self, kind: str, **values: Any) -> int:
        getattr(tflite, f"{kind}Start")(self._builder)
        for name, value in values.items():
            getattr(tflite, f"{kind}Add{name}")(self._builder, value)
        return getattr(tflite, f"{kind}End")(self._builder)

    def _integers(self, values: Sequence[int]) -> int:
        return self._builder.CreateNumpyVector(np.array(values, np.int32))

    def _offsets(self, values: Sequence[int]) -> int:
        self._builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self._builder.PrependUOffsetTRelative(value)
        return self._builder.EndVector()


def computed(content: bytes, x: Array) -> Array:
    """Return the result of LiteRT for each sample of a batch."""
    runner = interpreter.Interpreter(model_content=content)
    runner.allocate_tensors()
    results: list[Array] = []
    for sample in x:
        runner.set_tensor(runner.get_input_details()[0]["index"], sample[None])
        runner.invoke()
        results.append(runner.get_tensor(runner.get_output_details()[0]["index"])[0])
    return np.array(results)
