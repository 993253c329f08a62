"""Quantized networks: integers q that represent the numbers scale · (q − zero).

A feature whose values are integers in the file has a `QuantizationGrid`. The network computes the numbers that the
integers represent: each layer computes with floats, and FakeQuantize rounds its result to the numbers of the grid. An
operator with an integer form, such as QLinearConv, is read as its operator for floats, followed by FakeQuantize.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from chainrule.core.arrays import Shape
from chainrule.core.plan import Operation
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Assembly
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.messages import GraphMessage
from chainrule.interop.onnx.operator_call import Array, Call, Feature, QuantizationGrid, Value
from chainrule.interop.onnx.operators import activations, arithmetic, convolution, dense, joining, pooling, reductions
from chainrule.interop.onnx.operators.operator import ONNX_DOMAINS, Operator, Reader
from chainrule.interop.onnx.operators.positions import settled
from chainrule.interop.onnx.operators.shapes import MOVING
from chainrule.interop.onnx.operators.terms import ScaledTerm, rescale
from chainrule.interop.onnx.tensors import dtype_of

V = TypeVar("V", bound=Value)
# Operators that only select or move elements: if an input is on a grid, the result is on the same grid.
SELECTING = ("MaxPool", "GlobalMaxPool", "Identity", *MOVING)
WITH_MICROSOFT = (*ONNX_DOMAINS, "com.microsoft")
MAX_BITS = 16
MISSING = 1 << 31  # index of an input that an operator does not have
UINT8 = 2  # code of the type in ONNX


def read(call: Call, reader: Reader) -> Any:
    """Return the result of an operator's reader, for inputs that may be integers of a quantized network.

    An operator without an integer form reads the integers as floats, unless it only selects or moves elements.
    """
    grids = {value.grid for value in call.values if isinstance(value, Feature)}
    if grids == {None} or call.operation.operator in INTEGER_FORMS:
        return reader(call)
    if len(grids) == 1 and call.operation.operator in SELECTING:
        result = reader(call)
        return replace(result, grid=grids.pop()) if isinstance(result, Feature) else result
    call.values = [None if value is None else as_stored(call.assembly, value) for value in call.values]
    return reader(call)


def as_stored(assembly: Assembly, x: V) -> V | Feature:
    """Return the values as the file stores them: integers, for a value with a grid."""
    if not isinstance(x, Feature) or x.grid is None:
        return x
    return x.with_node(assembly.apply("Rescaling", x.node, scale=1 / x.grid.scale, shift=float(x.grid.zero)))


def dequantized(x: Array, scale: Array, zero: Array, axis: int = 0, block: int = 0) -> Array:
    """Return scale · (x − zero) for integers x.

    scale, zero   one number, a number for each index of an axis, or a number for each block of an axis
    block         length of a block; 0: there are no blocks
    """
    numbers = x.astype(np.float64)
    numbers -= _spread(zero, x.shape, axis, block)
    numbers *= _spread(scale, x.shape, axis, block)
    return numbers.astype(scale.dtype)


def quantized(x: Array, scale: Array, zero: Array, axis: int = 0, block: int = 0) -> Array:
    """Return the integers, of the type of `zero`, that represent numbers x; see `dequantized`."""
    limits, numbers = np.iinfo(zero.dtype), x / _spread(scale, x.shape, axis, block)
    numbers = np.rint(numbers, out=numbers)
    numbers += _spread(zero, x.shape, axis, block)
    return np.clip(numbers, limits.min, limits.max, out=numbers).astype(zero.dtype)


def default_zero(call: Call, shape: Shape) -> Array:
    """Return the zero points of a QuantizeLinear without an input for them."""
    return np.zeros(shape, dtype_of(call.integer("output_dtype", 0) or UINT8))


def _spread(value: Array, shape: Shape, axis: int, block: int) -> Array:
    """Return quantization parameters in a form that can be broadcast to a shape; ValueError if they do not fit."""
    numbers = value.astype(np.float64)
    if value.size == 1:
        return numbers.reshape(())
    if block:
        return np.take(numbers, np.arange(shape[axis]) // block, axis)
    if value.size != shape[axis]:
        raise ValueError(f"{value.size} scales along an axis of {shape[axis]}")
    return numbers.reshape(-1, *[1] * (len(shape) - axis - 1))


def _round(call: Call, y: Feature, index: int) -> Feature:
    """Return a value rounded to the numbers of a grid; `index` is that of the scale, which the zero point follows."""
    scale = call.constant(index)
    zero = call.constant(index + 1) if call.has_input(index + 1) else default_zero(call, ())
    if scale.size != 1 or zero.size != 1:
        raise call.unsupported(f"{scale.size} scales of a result", "one")
    if zero.dtype.kind not in "iu" or 8 * zero.dtype.itemsize > MAX_BITS:
        raise call.unsupported(f"a zero point of type {zero.dtype}", f"integers of at most {MAX_BITS} bits")
    limits = np.iinfo(zero.dtype)
    grid = QuantizationGrid(float(scale.reshape(())), int(zero.reshape(())), int(limits.min), int(limits.max))
    return replace(call.layer("FakeQuantize", y, **vars(grid)), grid=grid)


def _represented(call: Call, index: int, axis: int = 0) -> Value:
    """Return the numbers represented by an input, which is followed by the inputs for its scale and zero point.

    A constant is converted. A value with one scale per channel is first divided into its integers. A value already
    contains the numbers of its own grid, own_step · (q − own_zero), and needs only a change of scale: none if the grids
    are equal.

    axis   axis that several scales belong to
    """
    scale, zero = call.constant(index + 1), call.constant(index + 2) if call.has_input(index + 2) else np.zeros(1)
    x = call.constant(index) if isinstance(call.values[index], np.ndarray) else call.feature(index)
    scale_axis = call.normalize_axis(axis, len(x.shape)) if scale.size > 1 else 0
    if not isinstance(x, Feature):
        call.allocated(x.shape, 8)
        return dequantized(x, scale, zero, scale_axis)
    if scale.size > 1:
        stored = as_stored(call.assembly, x)
        factors, zeros = (_spread(value, x.shape, scale_axis, 0) for value in (scale, zero))
        return ((ScaledTerm(call, stored) - zeros) * factors).feature
    step, offset = float(scale.reshape(())), int(zero.reshape(()))
    own_step, own_zero = (x.grid.scale, x.grid.zero) if x.grid else (1.0, 0)
    return rescale(call, replace(x, grid=None), step / own_step, step * (own_zero - offset))


def quantized_input(assembly: Assembly, graph: GraphMessage, name: str, values: Mapping[str, Value]) -> Feature:
    """Return an input of 8-bit integers that a DequantizeLinear converts to numbers; FormatError for other readers.

    The input of the network are the numbers that the integers represent. FakeQuantize rounds them to the grid of these
    integers, scale · (q − zero), as the file's runtime does.
    """
    assembly.budget.visit(len(graph.nodes), f"input {quoted(name)}")
    x, parameters = values[name], {tuple(node.inputs[1:]) for node in graph.nodes if name in node.inputs}
    readers = {node.operator for node in graph.nodes if name in node.inputs}
    constants = [values.get(parameter) for parameter in next(iter(parameters))]
    numbers = [value.item() for value in constants if isinstance(value, np.ndarray) and value.size == 1]
    if readers != {"DequantizeLinear"} or len(parameters) > 1 or len(numbers) < 2 or not isinstance(x, Feature):
        raise FormatError(f"input {quoted(name)} has integers; expected floats, or one DequantizeLinear of them")
    limits = np.iinfo(constants[1].dtype if isinstance(constants[1], np.ndarray) else np.int8)
    grid = QuantizationGrid(float(numbers[0]), int(numbers[1]), int(limits.min), int(limits.max))
    return replace(x.with_node(assembly.apply("FakeQuantize", x.node, **vars(grid))), grid=grid)


def read_quantize(call: Call) -> Feature:
    """Return FakeQuantize, with a scale for the whole tensor."""
    return _round(call, as_stored(call.assembly, call.feature()), 1)


def read_dequantize(call: Call) -> Value:
    """Return the input; Rescaling if the preceding QuantizeLinear has another scale or zero point."""
    return _represented(call, 0, call.integer("axis", 1))


def integer_form(
    name: str, operator: str, layers: str, inputs: Sequence[int], result: int, bias: int = MISSING, axis: int = 0
) -> Operator:
    """Return the form of an operator whose inputs and result are integers.

    operator   name of the operator for floats, which the layers compute
    layers     its layers, for the list of operators
    inputs     indices of its inputs, each followed by a scale and a zero point; empty for all from index 2
    result     index of the scale of the result; without this input, the result is a float
    bias       index of the bias, whose scale is the product of the scales of both inputs
    axis       axis that the scales of a constant belong to, without transposition
    """

    def read(call: Call) -> Feature:
        if call.integer("channels_last", 0):
            raise call.unsupported("channels_last 1", "channels on the second axis")
        own = [*(inputs or range(2, len(call.values), 3))]
        values = [_represented(call, index, axis - call.integer("transB", 0)) for index in own]
        if call.has_input(bias):
            scales = call.constant(1) * call.constant(4) * call.real("alpha", 1.0)
            values.append(dequantized(call.constant(bias), scales.reshape(-1), np.zeros(1)))
            own.append(bias)
        y = settled(FLOAT_READERS[operator](call.derived(operator, own, values)))
        return _round(call, y, result) if call.has_input(result) else y

    read.__doc__ = f"Return {layers}, and FakeQuantize."
    return Operator(name, read, domains=WITH_MICROSOFT)


def integer_product(operator: str, layers: str) -> Reader:
    """Return the reader of a product of integers, whose result are integers."""

    def read_product(call: Call) -> Feature:
        x, w = ScaledTerm(call, as_stored(call.assembly, call.feature(0))), call.constant(1).astype(np.float32)
        if call.has_input(3):
            offset = call.constant(3).astype(np.float32)
            is_by_filter = operator == "Conv" and offset.ndim == 1
            w = w - (offset.reshape(-1, *[1] * (w.ndim - 1)) if is_by_filter else offset)
        x = x - call.constant(2).astype(np.float64) if call.has_input(2) else x
        return FLOAT_READERS[operator](call.derived(operator, [0, 1], [x.feature, w]))

    read_product.__doc__ = f"Return {layers}, for integers."
    return read_product


def write_quantize(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return QuantizeLinear and DequantizeLinear for 8-bit integers; Div, Round, Clip and Mul for others."""
    step, zero, low, high = (operation.attributes[name] for name in ("scale", "zero", "low", "high"))
    x, scale = graph.stored(operation.reads[0]), graph.constant(graph.scalar(step), f"{graph.layer}.scale")
    for dtype in (np.int8, np.uint8):
        if (low, high) == (np.iinfo(dtype).min, np.iinfo(dtype).max):
            parameters = (scale, graph.constant(np.array(zero, dtype), f"{graph.layer}.zero_point"))
            return graph.node("DequantizeLinear", graph.node("QuantizeLinear", x, *parameters), *parameters)
    limits = [
        graph.constant(graph.scalar(end - zero), f"{graph.layer}.{name}")
        for end, name in ((low, "low"), (high, "high"))
    ]
    return graph.node("Mul", graph.node("Clip", graph.node("Round", graph.node("Div", x, scale)), *limits), scale)


FLOAT_READERS = {
    operator.name: operator.read
    for family in (activations, arithmetic, convolution, dense, joining, pooling, reductions)
    for operator in family.OPERATORS
    if operator.read
}
OPERATORS = (
    Operator("QuantizeLinear", read_quantize, {"fake_quantize": write_quantize}, WITH_MICROSOFT),
    Operator("DequantizeLinear", read_dequantize, domains=WITH_MICROSOFT),
    Operator("ConvInteger", integer_product("Conv", "Conv2D or Conv1D")),
    Operator("MatMulInteger", integer_product("MatMul", "Dense or a 1×1 convolution")),
    integer_form("QLinearConv", "Conv", "Conv2D or Conv1D", (0, 3), 6, bias=8),
    integer_form("QLinearMatMul", "MatMul", "Dense or a 1×1 convolution", (0, 3), 6, axis=-1),
    integer_form("QGemm", "Gemm", "Dense", (0, 3), 7, bias=6, axis=-1),
    integer_form("QLinearAdd", "Add", "Add", (0, 3), 6),
    integer_form("QLinearMul", "Mul", "Multiply", (0, 3), 6),
    integer_form("QLinearConcat", "Concat", "Concatenate", (), 0),
    *(
        integer_form(f"QLinear{operator}", operator, layer, (0,), 3)
        for operator, layer in (
            ("AveragePool", "AveragePool2D"),
            ("GlobalAveragePool", "GlobalAveragePool2D"),
            ("LeakyRelu", "LeakyReLU"),
            ("Sigmoid", "Sigmoid"),
            ("Softmax", "Softmax"),
        )
    ),
)
INTEGER_FORMS = {operator.name for operator in OPERATORS}
