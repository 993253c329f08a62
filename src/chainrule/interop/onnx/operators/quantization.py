"""Quantized networks: integers q that represent the numbers scale · (q − zero).

A feature whose values are integers in the file has a `QuantizationGrid`. The network computes the numbers that the
integers represent: each layer computes with floats, and FakeQuantize rounds its result to the numbers of the grid. An
operator with an integer form, such as QLinearConv, is read as its operator for floats, followed by FakeQuantize.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.plan import Operation
from chainrule.errors import FormatError, quoted
from chainrule.interop.assembly import Assembly
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.messages import GraphMessage
from chainrule.interop.onnx.operator_call import Array, Call, Feature, QuantizationGrid, Value
from chainrule.interop.onnx.operators import activations, arithmetic, convolution, dense, joining, pooling, reductions
from chainrule.interop.onnx.operators.constants import rescale, scale_and_shift
from chainrule.interop.onnx.operators.operator import Operator, Reader
from chainrule.interop.onnx.operators.shapes import MOVING
from chainrule.interop.onnx.tensors import dtype_of

# Operators that only select or move elements: if an input is on a grid, the result is on the same grid.
SELECTING = ("MaxPool", "GlobalMaxPool", "Identity", *MOVING)
MICROSOFT = ("com.microsoft",)
WITH_MICROSOFT = ("", "ai.onnx", *MICROSOFT)
MAX_BITS = 16
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
    call.values = [as_stored(call.assembly, value) if isinstance(value, Feature) else value for value in call.values]
    return reader(call)


def as_stored(assembly: Assembly, x: Feature) -> Feature:
    """Return the values as the file stores them: integers, for a value with a grid."""
    if x.grid is None:
        return x
    return x.with_node(assembly.apply("Rescaling", x.node, scale=1 / x.grid.scale, shift=float(x.grid.zero)))


def dequantized(x: Array, scale: Array, zero: Array, axis: int = 0, block: int = 0) -> Array:
    """Return scale · (x − zero) for integers x.

    scale, zero   one number, a number for each index of an axis, or a number for each block of an axis
    block         length of a block; 0: there are no blocks
    """
    factors, offsets = (_spread(value.astype(np.float64), x.shape, axis, block) for value in (scale, zero))
    return ((x.astype(np.float64) - offsets) * factors).astype(scale.dtype)


def quantized(x: Array, scale: Array, zero: Array, axis: int = 0, block: int = 0) -> Array:
    """Return the integers, of the type of `zero`, that represent numbers x; see `dequantized`."""
    factors, offsets = (_spread(value.astype(np.float64), x.shape, axis, block) for value in (scale, zero))
    limits = np.iinfo(zero.dtype)
    return np.clip(np.rint(x / factors) + offsets, limits.min, limits.max).astype(zero.dtype)


def default_zero(call: Call, shape: tuple[int, ...]) -> Array:
    """Return the zero points of a QuantizeLinear without an input for them."""
    return np.zeros(shape, dtype_of(call.integer("output_dtype", 0) or UINT8))


def _spread(value: Array, shape: tuple[int, ...], axis: int, block: int) -> Array:
    """Return quantization parameters in a form that can be broadcast to a shape."""
    if value.size == 1:
        return value.reshape(())
    if block:
        return np.take(np.repeat(value, block, axis), np.arange(shape[axis]), axis)
    return value.reshape(-1, *[1] * (len(shape) - axis - 1))


def _round(call: Call, y: Feature, scale: Array, zero: Array | None) -> Feature:
    """Return a value rounded to the numbers of a grid."""
    zero = default_zero(call, ()) if zero is None else zero
    if scale.size != 1 or zero.size != 1:
        raise call.unsupported(f"{scale.size} scales of a result", "one")
    if zero.dtype.kind not in "iu" or 8 * zero.dtype.itemsize > MAX_BITS:
        raise call.unsupported(f"a zero point of type {zero.dtype}", f"integers of at most {MAX_BITS} bits")
    limits = np.iinfo(zero.dtype)
    grid = QuantizationGrid(float(scale.reshape(())), int(zero.reshape(())), int(limits.min), int(limits.max))
    return replace(call.layer("FakeQuantize", y, **vars(grid)), grid=grid)


def _optional(call: Call, index: int) -> Array | None:
    return call.constant(index) if call.has_input(index) else None


def _represented(call: Call, index: int, axis: int = 0) -> Value:
    """Return the numbers represented by an input, which is followed by the inputs for its scale and zero point.

    axis   axis of a constant that the scales belong to
    """
    scale, zero = call.constant(index + 1), _optional(call, index + 2)
    if call.has_input(index) and not isinstance(call.values[index], Feature):
        return dequantized(call.constant(index), scale, np.zeros(1) if zero is None else zero, axis)
    x, zero = call.feature(index), np.array(0) if zero is None else zero
    if scale.size > 1:
        x, axis = as_stored(call.assembly, x), call.normalize_axis(axis, len(x.shape))
        factors, zeros = (_spread(value.astype(np.float64), x.shape, axis, 0) for value in (scale, zero))
        return scale_and_shift(call, x, factors, -factors * zeros)
    step, offset = float(scale.reshape(())), int(zero.reshape(()))
    if x.grid is None:
        return rescale(call, x, step, -step * offset)
    return rescale(call, replace(x, grid=None), step / x.grid.scale, step * (x.grid.zero - offset))


def quantized_input(assembly: Assembly, graph: GraphMessage, name: str, values: Mapping[str, Value]) -> Feature:
    """Return an input of 8-bit integers that a DequantizeLinear converts to numbers; FormatError for other readers.

    The input of the network are the numbers that the integers represent.
    """
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
    return _round(call, as_stored(call.assembly, call.feature()), call.constant(1), _optional(call, 2))


def read_dequantize(call: Call) -> Value:
    """Return the input; Rescaling if the preceding QuantizeLinear has another scale or zero point."""
    return _represented(call, 0, call.integer("axis", 1))


def read_qlinear_conv(call: Call) -> Feature:
    """Return Conv2D or Conv1D, and FakeQuantize."""
    x, w, inputs = _represented(call, 0), _represented(call, 3), [0, 3]
    values: list[Value] = [x, w]
    if call.has_input(8):
        scales = call.constant(1) * call.constant(4)
        values.append(dequantized(call.constant(8), scales.reshape(-1), np.zeros(1)))
        inputs.append(8)
    return _round(call, convolution.read_conv(call.derived("Conv", inputs, values)), call.constant(6), call.constant(7))


def read_qlinear_matmul(call: Call) -> Feature:
    """Return Dense or a 1×1 convolution, and FakeQuantize."""
    axis = len(call.values[3].shape) - 1 if call.values[3] is not None else 0
    values = [_represented(call, 0), _represented(call, 3, axis)]
    return _round(call, dense.read_matmul(call.derived("MatMul", [0, 3], values)), call.constant(6), call.constant(7))


def read_qgemm(call: Call) -> Feature:
    """Return Dense, and FakeQuantize unless the result is a float."""
    axis = 0 if call.integer("transB", 0) else 1
    inputs, values = [0, 3], [_represented(call, 0), _represented(call, 3, axis)]
    if call.has_input(6):
        scales = call.constant(1) * call.constant(4) * call.real("alpha", 1.0)
        inputs.append(6)
        values.append(dequantized(call.constant(6), scales.reshape(-1), np.zeros(1)))
    y = dense.read_gemm(call.derived("Gemm", inputs, values))
    return _round(call, y, call.constant(7), _optional(call, 8)) if call.has_input(7) else y


def binary(operator: str, reader: Reader, layers: str) -> Reader:
    """Return the reader of an element-wise operator of two quantized tensors."""

    def read_binary(call: Call) -> Feature:
        y = reader(call.derived(operator, [0, 3], [_represented(call, 0), _represented(call, 3)]))
        return _round(call, y, call.constant(6), _optional(call, 7))

    read_binary.__doc__ = f"Return {layers}, and FakeQuantize."
    return read_binary


def unary(operator: str, reader: Reader, layers: str) -> Reader:
    """Return the reader of an operator of one quantized tensor."""

    def read_unary(call: Call) -> Feature:
        if call.integer("channels_last", 0):
            raise call.unsupported("channels_last 1", "channels on the second axis")
        y = reader(call.derived(operator, [0], [_represented(call, 0)]))
        return _round(call, y, call.constant(3), _optional(call, 4))

    read_unary.__doc__ = f"Return {layers}, and FakeQuantize."
    return read_unary


def read_qlinear_concat(call: Call) -> Feature:
    """Return Concatenate, and FakeQuantize."""
    inputs = [*range(2, len(call.values), 3)]
    y = joining.read_concat(call.derived("Concat", inputs, [_represented(call, index) for index in inputs]))
    return _round(call, y, call.constant(0), call.constant(1))


def integer_product(operator: str, reader: Callable[[Call], Feature], layers: str) -> Reader:
    """Return the reader of a product of integers, whose result are integers."""

    def read_product(call: Call) -> Feature:
        x, w, zero = as_stored(call.assembly, call.feature(0)), call.constant(1).astype(np.float32), _optional(call, 2)
        if call.has_input(3):
            offset = call.constant(3).astype(np.float32)
            is_by_filter = operator == "Conv" and offset.ndim == 1
            w = w - (offset.reshape(-1, *[1] * (w.ndim - 1)) if is_by_filter else offset)
        x = x if zero is None else scale_and_shift(call, x, np.array(1.0), -zero.astype(np.float64))
        return reader(call.derived(operator, [0, 1], [x, w]))

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


INTEGER_OPERATORS = (
    Operator("QuantizeLinear", read_quantize, {"fake_quantize": write_quantize}, WITH_MICROSOFT),
    Operator("DequantizeLinear", read_dequantize, domains=WITH_MICROSOFT),
    Operator("QLinearConv", read_qlinear_conv, domains=WITH_MICROSOFT),
    Operator("QLinearMatMul", read_qlinear_matmul),
    Operator("ConvInteger", integer_product("Conv", convolution.read_conv, "Conv2D or Conv1D")),
    Operator("MatMulInteger", integer_product("MatMul", dense.read_matmul, "Dense or a 1×1 convolution")),
    Operator("QGemm", read_qgemm, domains=MICROSOFT),
    Operator("QLinearAdd", binary("Add", arithmetic.read_add, "Add"), domains=MICROSOFT),
    Operator("QLinearMul", binary("Mul", arithmetic.read_mul, "Multiply"), domains=MICROSOFT),
    Operator("QLinearConcat", read_qlinear_concat, domains=MICROSOFT),
    Operator("QLinearAveragePool", unary("AveragePool", pooling.read_average_pool, "AveragePool2D"), domains=MICROSOFT),
    Operator(
        "QLinearGlobalAveragePool",
        unary("GlobalAveragePool", reductions.read_global("AveragePool2D"), "GlobalAveragePool2D"),
        domains=MICROSOFT,
    ),
    Operator("QLinearSigmoid", unary("Sigmoid", activations.READERS["Sigmoid"], "Sigmoid"), domains=MICROSOFT),
    Operator("QLinearLeakyRelu", unary("LeakyRelu", activations.READERS["LeakyRelu"], "LeakyReLU"), domains=MICROSOFT),
    Operator("QLinearSoftmax", unary("Softmax", activations.read_softmax, "Softmax"), domains=MICROSOFT),
)
INTEGER_FORMS = {operator.name for operator in INTEGER_OPERATORS}
OPERATORS = INTEGER_OPERATORS
