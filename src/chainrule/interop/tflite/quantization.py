"""Scales and zero points of the tensors of a TensorFlow Lite file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule._io.budget import Budget
from chainrule.core.arrays import Array
from chainrule.errors import FormatError
from chainrule.interop.onnx.operators import quantization
from chainrule.layers import FakeQuantize, Node

QUANTIZED = {
    3: (0, 255),
    7: (-(2**15), 2**15 - 1),
    9: (-128, 127),
}  # TensorType → range of integers that represent reals


def grid(tensor: Any, index: int, budget: Budget) -> dict[str, float] | None:
    """Return the options of FakeQuantize for a tensor; None if its numbers represent themselves."""
    if int(tensor.Type()) not in QUANTIZED:
        return None
    scales, zeros = _scales_and_zeros(tensor, index, budget)
    if not len(scales):
        return None
    if len(scales) != 1:
        raise FormatError(f"tensor {index} contains integers with {len(scales)} scales; expected one for a result")
    low, high = QUANTIZED[int(tensor.Type())]
    return {"scale": float(scales[0]), "zero": int(zeros[0]), "low": low, "high": high}


def _scales_and_zeros(tensor: Any, index: int, budget: Budget) -> tuple[Array, Array]:
    """Return the scales and zero points of a tensor, one for each; empty if its integers represent themselves."""
    parameters = tensor.Quantization()
    if not parameters or not parameters.ScaleLength():
        if parameters and parameters.ZeroPointLength():
            raise FormatError(f"tensor {index} has 0 scales and {parameters.ZeroPointLength()} zero points")
        return np.zeros(0), np.zeros(0, np.int64)
    count = parameters.ScaleLength()
    budget.write(16 * count, f"the scales of tensor {index}")
    if parameters.ZeroPointLength() not in (0, count):
        raise FormatError(f"tensor {index} has {count} scales and {parameters.ZeroPointLength()} zero points")
    zeros = np.zeros(count, np.int64)
    if parameters.ZeroPointLength():
        zeros = parameters.ZeroPointAsNumpy()
    return parameters.ScaleAsNumpy().astype(np.float64), zeros


def is_rounded(x: Node, grid: Mapping[str, float]) -> bool:
    """Return whether a value was rounded to the same numbers, perhaps as integers of another type.

    Files whose inputs or outputs are uint8 convert them from and to int8, which moves the zero point.
    """
    layer = x.layer
    if not isinstance(layer, FakeQuantize) or layer.scale != grid["scale"]:
        return False
    return (layer.low - layer.zero, layer.high - layer.zero) == (
        grid["low"] - grid["zero"],
        grid["high"] - grid["zero"],
    )


def rounded(x: Array, grid: Mapping[str, float]) -> Array:
    """Return the numbers, nearest to those of a constant, that integers of a tensor represent."""
    integers = np.rint(x / np.float32(grid["scale"])) + grid["zero"]
    integers = np.clip(integers, grid["low"], grid["high"])
    return ((integers - grid["zero"]) * grid["scale"]).astype(np.float32)


def dequantized(tensor: Any, index: int, array: Array, budget: Budget) -> Array:
    """Return scale · (q − zero) for the integers q of a constant; an array without scales is returned unchanged."""
    scales, zeros = _scales_and_zeros(tensor, index, budget)
    if not len(scales):
        if int(tensor.Type()) in QUANTIZED:
            raise FormatError(f"tensor {index} contains quantized numbers without a scale")
        return array
    axis = 0
    if array.ndim > 1:
        axis = int(tensor.Quantization().QuantizedDimension())
    if len(scales) > 1 and not (0 <= axis < array.ndim and array.shape[axis] == len(scales)):
        raise FormatError(f"tensor {index} of shape {array.shape} has {len(scales)} scales along axis {axis}")
    return quantization.dequantized(array, scales.astype(np.float32), zeros, axis)
