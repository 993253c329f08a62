"""The tensors of a TensorFlow Lite file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from chainrule._io.budget import Budget
from chainrule.core.arrays import Array, Shape
from chainrule.errors import FormatError
from chainrule.interop.assembly import Assembly
from chainrule.interop.onnx.operator_call import Feature
from chainrule.interop.tflite import quantization

# TensorType → type of numbers
DTYPES = {0: "<f4", 1: "<f2", 2: "<i4", 3: "u1", 4: "<i8", 6: "?", 7: "<i2", 9: "i1", 10: "<f8"}


class TfliteTensors:
    """The tensors of the main graph of a file: its constants, and the values of those that operators compute.

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
        self.assembly = Assembly(budget)
        self.results: dict[int, Feature] = {}  # the value of each tensor that is no constant
        self._constants: dict[int, Array] = {}
        self._shapes: dict[int, Shape] = {}  # of results where the file states 1 as a placeholder
        # Results between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND, which distribute the elements of some axes to as many
        # samples as the axis has blocks, are not distributed in the network: {tensor: {axis: number of blocks}}.
        self.blocks: dict[int, dict[int, int]] = {}
        # Results (N·k, C) of a file whose rows are the k positions of N samples (N, …, C), as they are in the network:
        # {tensor: N}
        self.rows: dict[int, int] = {}

    def grid(self, index: int) -> dict[str, float] | None:
        """Return the options of FakeQuantize for a tensor; None if it does not contain quantized numbers."""
        return quantization.grid(self._graph.Tensors(index), index, self.budget)

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
            raise FormatError(f"tensor {index} is sparse; expected a dense one")
        return array.reshape(shape)
