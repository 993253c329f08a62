"""Constant folding: the results of nodes that read only constants.

Frequent operators are evaluated with NumPy, and all others by the reference implementation in the package onnx. The
size of a result is checked before the result is computed.
"""

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import Any, cast

import numpy as np

from chainrule._io.extras import import_optional
from chainrule.core.arrays import Array, Shape
from chainrule.engines import loader
from chainrule.errors import FormatError, one_line
from chainrule.interop.names import NAMES, inverted
from chainrule.interop.onnx.messages import GraphMessage, ModelMessage, Opset, Value, serialize
from chainrule.interop.onnx.operator_call import Call
from chainrule.interop.onnx.operators.normalization import dropout_rate
from chainrule.interop.onnx.operators.operator import ONNX_DOMAINS
from chainrule.interop.onnx.operators.quantization import default_zero, dequantized, quantized
from chainrule.interop.onnx.operators.shapes import MOVING
from chainrule.interop.onnx.tensors import dtype_of

NUMBERS = {  # attribute of Constant → field of the attribute, and type
    "value_int": ("integer", np.int64),
    "value_ints": ("integers", np.int64),
    "value_float": ("real", np.float32),
    "value_floats": ("reals", np.float32),
}
IR_VERSION = 8  # of the format of the nodes that the package onnx evaluates
COSTS = inverted(NAMES.costs)  # operators that the package onnx may evaluate → bytes charged per byte
LEAST_OPSET = 14  # for BatchNormalization, which the package evaluates as in training before
PRODUCTS = ("Gemm", "MatMul")  # their cost is that of all products


def is_foldable(call: Call) -> bool:
    """Return whether the results of a node that reads only constants can be computed when the file is read.

    The package onnx evaluates Softmax of all opsets along one axis.
    """
    operator = call.operation.operator
    if operator in ("Softmax", "LogSoftmax") and call.opset < 13:
        return False
    return any(operator in table for table in (MOVING, ELEMENTWISE, FOLDED, COSTS))


def fold(call: Call) -> tuple[Array, ...]:
    """Return the results of a node that reads only constants; FormatError for an unsupported or invalid node."""
    operator = call.operation.operator
    try:
        with np.errstate(all="ignore"):
            if operator in MOVING:
                result: object = MOVING[operator](call, call.constant(0))
            elif operator in ELEMENTWISE and not call.operation.attributes and all(call.operation.inputs):
                result = _elementwise(call)
            else:
                result = FOLDED.get(operator, _evaluated)(call)
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise call.unsupported(f"invalid constants ({error})", "valid ones") from None
    if not isinstance(result, tuple | list):
        result = (result,)
    return tuple(map(np.asarray, cast("tuple[object, ...]", result)))


def _evaluated(call: Call) -> tuple[object, ...]:
    """Return the results of a node according to the reference implementation of ONNX, for the listed operators.

    The node is run as a model of its own, with its inputs as constants. The sizes of its results are inferred first and
    charged, so that a small file cannot use much memory or time.
    """
    node = call.operation
    if node.operator not in COSTS or node.domain not in ONNX_DOMAINS:
        raise call.unsupported(
            "it reads only constants", "an element-wise function, a reduction, a product or a selection"
        )
    onnx = import_optional("onnx", "onnx", f"computing the constants of {node.operator}")
    reference = import_optional("onnx.reference", "onnx", f"computing the constants of {node.operator}")
    model = onnx.load_model_from_string(serialize(_single_node_model(call)))
    cost = int(COSTS[node.operator])
    constants: dict[str, Array] = {}
    for index, name in enumerate(node.inputs):
        if name:
            constants[name] = call.constant(index)
    for name, value in constants.items():
        call.charge(cost * value.nbytes)
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True, strict_mode=True).graph.output
        result_sizes = [_inferred_size(call, output.type.tensor_type) for output in inferred]
        input_sizes = [value.size for value in constants.values()]
        products = _product_count(node.operator, input_sizes, result_sizes)
        call.charge(cost * 8 * sum(result_sizes) + products)
        return tuple(reference.ReferenceEvaluator(model).run(None, {}))
    except FormatError:
        raise
    except Exception as error:  # of any class, as the operator's implementation raises it
        raise call.unsupported(
            f"its constants cannot be computed ({one_line(str(error), 200)})", "valid ones"
        ) from None


def _single_node_model(call: Call) -> ModelMessage:
    """Return a model of the node of a call, without its constants."""
    node = call.operation
    outputs = [Value(name) for name in node.outputs[: call.last_used_output + 1] if name]
    opset = call.opset
    if node.operator == "BatchNormalization":
        opset = max(opset, LEAST_OPSET)
    graph = GraphMessage(nodes=[node], name="constants", outputs=outputs)
    return ModelMessage(graph=graph, opsets=[Opset("", opset)], ir_version=IR_VERSION)


def _inferred_size(call: Call, tensor_type: Any) -> int:
    """Return the number of elements of a result of the package onnx; FormatError if it is unknown."""
    if call.operation.operator == "NonZero":  # whose input bounds the size
        return 0
    sizes: list[int] = []
    for size in tensor_type.shape.dim:
        if size.HasField("dim_value"):
            sizes.append(size.dim_value)
    if not tensor_type.HasField("shape") or len(sizes) != len(tensor_type.shape.dim):
        raise call.unsupported("a result of unknown shape", "a shape that follows from the inputs")
    return math.prod(call.allocated(sizes, 0))


def _product_count(operator: str, input_sizes: list[int], result_sizes: list[int]) -> int:
    """Return a bound of the number of products of elements that an operator computes.

    A matrix product has √(m k · k n · m n) products.
    """
    if operator not in PRODUCTS:
        return 0
    return math.isqrt(math.prod((*input_sizes[:2], *result_sizes)))


def _inputs(call: Call) -> list[Array]:
    return [call.constant(index) for index in range(len(call.values))]


def _elementwise(call: Call) -> Array:
    """Return an element-wise function of the constants of a node. Its result has their type, or is a truth value."""
    inputs = _inputs(call)
    dtype = inputs[0].dtype
    cost = max(int(COSTS[call.operation.operator]), len(inputs))
    shape = np.broadcast_shapes(*(value.shape for value in inputs))
    call.allocated(shape, cost * dtype.itemsize)
    result = np.asarray(ELEMENTWISE[call.operation.operator](*inputs))
    if result.dtype.kind == "b" or dtype.kind == "b":
        return result
    return result.astype(dtype, copy=False)


def divide(a: Array, b: Array) -> Array:
    """Return a / b; quotients of integers are rounded toward zero."""
    if a.dtype.kind not in "iu":
        return a / b
    if not np.all(b):
        raise ZeroDivisionError("division by zero")
    return a // b + ((a % b != 0) & ((a < 0) != (b < 0)))


def of_engine(operation: str) -> Callable[[Array], Array]:
    """Return an element-wise operation of the NumPy engine as a function of one array, in float64."""
    return lambda x: loader.find("numpy").run(operation, (x.astype(np.float64),), {})[0]


def _clip(x: Array, low: Array | float = -math.inf, high: Array | float = math.inf) -> Array:
    return np.clip(x, low, high)


def _combined(function: Callable[..., Array]) -> Callable[..., Array]:
    """Return a function that combines any number of arrays."""
    return lambda *inputs: reduce(function, inputs)


def _constant(call: Call) -> Array:
    for name, (field, dtype) in NUMBERS.items():
        attribute = call.attribute(name)
        if attribute is not None:
            return np.array(getattr(attribute, field), dtype)
    value = call.tensor("value")
    if value is None:
        raise call.unsupported("no value", "a tensor, numbers or a number")
    return value


def _constant_of_shape(call: Call) -> Array:
    number = call.tensor("value")
    if number is None:
        number = np.zeros(1, np.float32)
    if number.size != 1:
        raise call.unsupported(f"a value of shape {number.shape}", "one number")
    shape = call.allocated(call.integer_input(0), number.itemsize)
    return np.broadcast_to(number.reshape(()), shape)


def _quantization(convert: Callable[..., Array], call: Call) -> Array:
    """Return a constant converted to or from integers by scales of all elements, or of an index of an axis.

    convert   `quantized` or `dequantized`
    """
    if call.integer("block_size", 0):
        raise call.unsupported(f"block_size {call.integer('block_size')}", "a scale for all elements, or along an axis")
    x = call.constant(0)
    scale = call.constant(1)
    call.allocated(x.shape, 8)
    axis = 0
    if scale.size > 1:
        axis = call.axis("axis", 1, x.ndim)
    if call.has_input(2):
        zero = call.constant(2)
    elif convert is quantized:
        zero = default_zero(call, scale.shape)
    else:
        zero = np.zeros(scale.shape)
    return convert(x, scale, zero, axis)


def _concat(call: Call) -> Array:
    inputs = _inputs(call)
    axis = call.axis("axis", 0, inputs[0].ndim)
    call.charge(sum(value.nbytes for value in inputs))
    return np.concatenate(inputs, axis)


def _range(call: Call) -> object:
    start, stop, step = (call.constant(index).reshape(()).item() for index in range(3))
    (count,) = call.allocated((max(math.ceil((stop - start) / step), 0),), 8)
    return (start + np.arange(count) * step).astype(call.constant(0).dtype)


def shape_slice(call: Call, shape: Shape) -> Array:
    """Return the result of a Shape node: the sizes from its attribute `start` to `end` (exclusive), by default all."""
    end_attribute = call.attribute("end")
    end = end_attribute.integer if end_attribute else None
    return np.array(shape[call.integer("start", 0) : end], np.int64)


def _cast(call: Call, dtype: np.dtype[np.generic]) -> Array:
    x = call.constant(0)
    call.allocated(x.shape, dtype.itemsize)
    return x.astype(dtype)


def _where(call: Call) -> Array:
    test, a, b = _inputs(call)
    call.allocated(np.broadcast_shapes(test.shape, a.shape, b.shape), a.itemsize)
    return np.where(test, a, b)


def _dropout(call: Call) -> Array:
    dropout_rate(call)
    return call.constant(0)


ELEMENTWISE: dict[str, Callable[..., Array]] = {
    **{operator: getattr(np, function) for operator, function in NAMES.numpy.items()},
    "Clip": _clip,
    "Div": divide,
    "Erf": of_engine("erf"),
    "Identity": np.asarray,
    "Max": _combined(np.maximum),
    "Min": _combined(np.minimum),
    "Relu": of_engine("relu"),
    "Sigmoid": of_engine("sigmoid"),
    "Softplus": of_engine("softplus"),
    "Sum": _combined(np.add),
}


def _cast_to(call: Call) -> Array:
    return _cast(call, dtype_of(call.integer("to")))


def _cast_like(call: Call) -> Array:
    return _cast(call, call.constant(1).dtype)


FOLDED: dict[str, Callable[[Call], object]] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Cast": _cast_to,
    "DequantizeLinear": partial(_quantization, dequantized),
    "QuantizeLinear": partial(_quantization, quantized),
    "CastLike": _cast_like,
    "Concat": _concat,
    "Range": _range,
    "Shape": lambda call: shape_slice(call, call.constant(0).shape),
    "Size": lambda call: np.int64(call.constant(0).size),
    "Dropout": _dropout,
    "Where": _where,
}
