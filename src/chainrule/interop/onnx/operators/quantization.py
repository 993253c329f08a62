"""Quantized networks: integers q that represent the numbers scale · (q − zero).

A feature whose values are integers in the file has `QuantizationParameters`. The network computes the numbers that the
integers represent: each layer computes with floats, and FakeQuantize rounds its result to such numbers. An operator
with an integer form, such as QLinearConv, is read as its operator for floats, followed by FakeQuantize.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.core.plan import Operation
from chainrule.interop.assembly import Assembly
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature, QuantizationParameters, Value
from chainrule.interop.onnx.operators import activations, arithmetic, convolution, dense, joining, pooling, reductions
from chainrule.interop.onnx.operators.operator import ONNX_DOMAINS, Operator, Reader, Results
from chainrule.interop.onnx.operators.shapes import MOVING
from chainrule.interop.onnx.operators.terms import rescale
from chainrule.interop.onnx.tensors import dtype_of

V = TypeVar("V", bound=Value)
# Operators that only select or move elements: the result has the quantization parameters of the input.
SELECTING = ("MaxPool", "GlobalMaxPool", "Identity", *MOVING)
WITH_MICROSOFT = (*ONNX_DOMAINS, "com.microsoft")
MAX_BITS = 16
UINT8 = 2  # code of the type in ONNX


def read(call: Call, reader: Reader) -> Results:
    """Return the result of an operator's reader, for inputs that may be integers of a quantized network.

    An operator without an integer form reads the integers as floats, unless it only selects or moves elements.
    """
    parameter_sets = {value.quantization for value in call.features}
    if parameter_sets == {None} or call.operation.operator in INTEGER_FORMS:
        return reader(call)
    if len(parameter_sets) == 1 and call.operation.operator in SELECTING:
        result = reader(call)
        if isinstance(result, Feature):
            return replace(result, quantization=parameter_sets.pop())
        return result
    values: list[Value | None] = []
    for value in call.values:
        values.append(None if value is None else as_stored(call.assembly, value))
    call.values = values
    return reader(call)


def as_stored(assembly: Assembly, x: V) -> V | Feature:
    """Return the values as the file stores them: integers, for a quantized value."""
    if not isinstance(x, Feature) or x.quantization is None:
        return x
    return x.with_node(
        assembly.apply("Rescaling", x.node, scale=1 / x.quantization.scale, shift=float(x.quantization.zero))
    )


def dequantized(x: Array, scale: Array, zero: Array, axis: int = 0) -> Array:
    """Return scale · (x − zero) for integers x.

    scale, zero   one number, or a number for each index of an axis
    """
    numbers = x.astype(np.float64)
    numbers -= _spread(zero, x.shape, axis)
    numbers *= _spread(scale, x.shape, axis)
    return numbers.astype(scale.dtype)


def quantized(x: Array, scale: Array, zero: Array, axis: int = 0) -> Array:
    """Return the integers, of the type of `zero`, that represent numbers x; see `dequantized`."""
    limits = np.iinfo(zero.dtype)
    numbers = x / _spread(scale, x.shape, axis)
    numbers = np.rint(numbers, out=numbers)
    numbers += _spread(zero, x.shape, axis)
    return np.clip(numbers, limits.min, limits.max, out=numbers).astype(zero.dtype)


def default_zero(call: Call, shape: Shape) -> Array:
    """Return the zero points of a QuantizeLinear without an input for them."""
    return np.zeros(shape, dtype_of(call.integer("output_dtype", 0) or UINT8))


def _spread(value: Array, shape: Shape, axis: int) -> Array:
    """Return quantization parameters in a form that can be broadcast to a shape; ValueError if they do not fit."""
    numbers = value.astype(np.float64)
    if value.size == 1:
        return numbers.reshape(())
    if value.size != shape[axis]:
        raise ValueError(f"{value.size} scales along an axis of {shape[axis]}")
    return numbers.reshape(-1, *[1] * (len(shape) - axis - 1))


def _round(call: Call, y: Feature, index: int) -> Feature:
    """Return a value rounded as integers represent it; `index` is that of the scale, which the zero point follows."""
    scale = call.constant(index)
    zero = call.optional_constant(index + 1)
    if zero is None:
        zero = default_zero(call, ())
    if scale.size != 1 or zero.size != 1:
        raise call.unsupported(f"{scale.size} scales of a result", "one")
    if zero.dtype.kind not in "iu" or 8 * zero.dtype.itemsize > MAX_BITS:
        raise call.unsupported(f"a zero point of type {zero.dtype}", f"integers of at most {MAX_BITS} bits")
    parameters = _parameters(scale, zero)
    return replace(call.layer("FakeQuantize", y, **vars(parameters)), quantization=parameters)


def _parameters(scale: Array, zero: Array) -> QuantizationParameters:
    """Return the parameters of a scale and a zero point, whose type is that of the integers."""
    limits = np.iinfo(zero.dtype)
    return QuantizationParameters(float(scale.item()), int(zero.item()), int(limits.min), int(limits.max))


def _represented(call: Call, index: int, axis: int = 0) -> Value:
    """Return the numbers represented by an input, which is followed by the inputs for its scale and zero point.

    A constant is converted. A value already contains the numbers of its own parameters, own_step · (q − own_zero), and
    needs only a change of scale: none if they are equal.

    axis   axis that several scales of a constant belong to
    """
    scale = call.constant(index + 1)
    zero = call.optional_constant(index + 2)
    if zero is None:
        zero = np.zeros(1)
    constant = call.values[index]
    if isinstance(constant, np.ndarray):
        scale_axis = 0
        if scale.size > 1:
            scale_axis = call.normalize_axis(axis, constant.ndim)
        call.allocated(constant.shape, 8)
        return dequantized(constant, scale, zero, scale_axis)
    x = call.feature(index)
    if scale.size > 1:
        raise call.unsupported(f"{scale.size} scales of a value that is computed", "one")
    step = float(scale.item())
    offset = int(zero.item())
    if x.quantization is None:
        return rescale(call, x, step, step * -offset)
    return rescale(
        call, replace(x, quantization=None), step / x.quantization.scale, step * (x.quantization.zero - offset)
    )


def read_quantize(call: Call) -> Feature:
    """Return FakeQuantize, with a scale for the whole tensor."""
    return _round(call, as_stored(call.assembly, call.feature()), 1)


def read_dequantize(call: Call) -> Value:
    """Return the input; Rescaling if the preceding QuantizeLinear has another scale or zero point."""
    return _represented(call, 0, call.integer("axis", 1))


@dataclass(frozen=True)
class IntegerForm:
    """The form of an operator whose inputs and result are integers.

    operator   name of the operator for floats, which the layers compute
    layers     its layers, for the list of operators
    result     index of the scale of the result; without this input, the result is a float
    inputs     indices of its inputs, each followed by a scale and a zero point; None for all from index 2
    bias       index of the bias, whose scale is the product of the scales of both inputs; None if there is none
    axis       axis that the scales of a constant belong to, without transposition
    """

    operator: str
    layers: str
    result: int
    inputs: tuple[int, ...] | None = None
    bias: int | None = None
    axis: int = 0

    def named(self, name: str) -> Operator:
        """Return the operator of this form under its name."""

        def read(call: Call) -> Feature:
            return self._read(call)

        read.__doc__ = f"Return {self.layers}, and FakeQuantize."
        return Operator(name, read, domains=WITH_MICROSOFT)

    def _read(self, call: Call) -> Feature:
        if call.integer("channels_last", 0):
            raise call.unsupported("channels_last 1", "channels on the second axis")
        indices = [*range(2, len(call.values), 3)]
        if self.inputs is not None:
            indices = [*self.inputs]
        axis = self.axis - call.integer("transB", 0)
        values = [_represented(call, index, axis) for index in indices]
        if self.bias is not None and call.has_input(self.bias):
            scales = call.constant(1) * call.constant(4) * call.real("alpha", 1.0)
            values.append(dequantized(call.constant(self.bias), scales.reshape(-1), np.zeros(1)))
            indices.append(self.bias)
        y = _as_floats(call, self.operator, indices, values)
        if not call.has_input(self.result):
            return y
        return _round(call, y, self.result)


def _as_floats(call: Call, operator: str, inputs: Sequence[int], values: Sequence[Value]) -> Feature:
    """Return the result of an operator for floats; see `Call.derived`."""
    y = FLOAT_READERS[operator](call.derived(operator, inputs, values))
    assert isinstance(y, Feature)
    return y


def write_quantize(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return QuantizeLinear and DequantizeLinear for 8-bit integers; Div, Round, Clip and Mul for others."""
    zero = operation.attributes["zero"]
    low = operation.attributes["low"]
    high = operation.attributes["high"]
    x = graph.stored(operation.reads[0])
    scale = graph.constant(graph.scalar(operation.attributes["scale"]), f"{graph.layer}.scale")
    for dtype in (np.int8, np.uint8):
        limits = np.iinfo(dtype)
        if (low, high) == (limits.min, limits.max):
            zero_point = graph.constant(np.array(zero, dtype), f"{graph.layer}.zero_point")
            stored = graph.node("QuantizeLinear", x, scale, zero_point)
            return graph.node("DequantizeLinear", stored, scale, zero_point)
    smallest = graph.constant(graph.scalar(low - zero), f"{graph.layer}.low")
    largest = graph.constant(graph.scalar(high - zero), f"{graph.layer}.high")
    rounded = graph.node("Round", graph.node("Div", x, scale))
    return graph.node("Mul", graph.node("Clip", rounded, smallest, largest), scale)


FLOAT_READERS: dict[str, Reader] = {}
for family in (activations, arithmetic, convolution, dense, joining, pooling, reductions):
    for operator in family.OPERATORS:
        if operator.read is not None:
            FLOAT_READERS[operator.name] = operator.read
OPERATORS = (
    Operator("QuantizeLinear", read_quantize, {"fake_quantize": write_quantize}, WITH_MICROSOFT),
    Operator("DequantizeLinear", read_dequantize, domains=WITH_MICROSOFT),
    IntegerForm("Conv", "Conv2D or Conv1D", 6, (0, 3), bias=8).named("QLinearConv"),
    IntegerForm("MatMul", "Dense or a 1×1 convolution", 6, (0, 3), axis=-1).named("QLinearMatMul"),
    IntegerForm("Gemm", "Dense", 7, (0, 3), bias=6, axis=-1).named("QGemm"),
    IntegerForm("Add", "Add", 6, (0, 3)).named("QLinearAdd"),
    IntegerForm("Mul", "Multiply", 6, (0, 3)).named("QLinearMul"),
    IntegerForm("Concat", "Concatenate", 0).named("QLinearConcat"),
    IntegerForm("AveragePool", "AveragePool2D", 3, (0,)).named("QLinearAveragePool"),
    IntegerForm("GlobalAveragePool", "GlobalAveragePool2D", 3, (0,)).named("QLinearGlobalAveragePool"),
    IntegerForm("LeakyRelu", "LeakyReLU", 3, (0,)).named("QLinearLeakyRelu"),
    IntegerForm("Sigmoid", "Sigmoid", 3, (0,)).named("QLinearSigmoid"),
    IntegerForm("Softmax", "Softmax", 3, (0,)).named("QLinearSoftmax"),
)
INTEGER_FORMS = {operator.name for operator in OPERATORS}
