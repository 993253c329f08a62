"""Constant folding: the results of nodes that read only constants.

Operators that occur in the arithmetic of shapes and weights are evaluated with NumPy. The size of a result is checked
before the result is computed.
"""

import math
from collections.abc import Callable
from functools import partial, reduce
from typing import cast

import numpy as np

from chainrule.core.arrays import Array, Shape
from chainrule.engines import loader
from chainrule.interop.names import NAMES
from chainrule.interop.onnx.operator_call import Call
from chainrule.interop.onnx.operators.normalization import check_inference
from chainrule.interop.onnx.operators.quantization import default_zero, dequantized, quantized
from chainrule.interop.onnx.operators.shapes import MOVING
from chainrule.interop.onnx.tensors import dtype_of

NUMBERS = {  # attribute of Constant → field of the attribute, and type
    "value_int": ("integer", np.int64),
    "value_ints": ("integers", np.int64),
    "value_float": ("real", np.float32),
    "value_floats": ("reals", np.float32),
}
ELEMENT_COST = 4  # bytes charged per byte of the result of an element-wise function, which may need copies


def is_foldable(call: Call) -> bool:
    """Return whether the results of a node that reads only constants can be computed when the file is read."""
    node = call.operation
    if node.operator in ELEMENTWISE:
        return not node.attributes and all(node.inputs)
    return node.operator in MOVING or node.operator in FOLDED


def fold(call: Call) -> tuple[Array, ...]:
    """Return the results of a node that reads only constants; FormatError for an unsupported or invalid node."""
    operator = call.operation.operator
    if not is_foldable(call):
        raise call.unsupported(
            "it reads only constants", "an element-wise function, a reduction or a selection; simplify the file"
        )
    try:
        with np.errstate(all="ignore"):
            if operator in MOVING:
                result: object = MOVING[operator](call, call.constant(0))
            elif operator in ELEMENTWISE:
                result = _elementwise(call)
            else:
                result = FOLDED[operator](call)
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise call.unsupported(f"invalid constants ({error})", "valid ones") from None
    if not isinstance(result, tuple | list):
        result = (result,)
    return tuple(map(np.asarray, cast("tuple[object, ...]", result)))


def _inputs(call: Call) -> list[Array]:
    return [call.constant(index) for index in range(len(call.values))]


def _elementwise(call: Call) -> Array:
    """Return an element-wise function of the constants of a node. Its result has their type, or is a truth value."""
    inputs = _inputs(call)
    dtype = inputs[0].dtype
    cost = max(ELEMENT_COST, len(inputs))
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


def _reduction(function: Callable[..., Array], since: int, call: Call) -> Array:
    """Return a constant reduced over axes, which are an input since an opset, and an attribute before."""
    axes = call.input_or_attribute("axes", 1, since)
    x = call.constant(0)
    if not axes and call.integer("noop_with_empty_axes", 0):
        return x
    return function(x, axis=tuple(axes) if axes else None, keepdims=bool(call.integer("keepdims", 1)))


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
    check_inference(call)
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


FOLDED: dict[str, Callable[[Call], object]] = {
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Cast": _cast_to,
    "DequantizeLinear": partial(_quantization, dequantized),
    "QuantizeLinear": partial(_quantization, quantized),
    "ReduceMax": partial(_reduction, np.max, 18),
    "ReduceMin": partial(_reduction, np.min, 18),
    "ReduceProd": partial(_reduction, np.prod, 18),
    "ReduceSum": partial(_reduction, np.sum, 13),
    "Concat": _concat,
    "Range": _range,
    "Shape": lambda call: shape_slice(call, call.constant(0).shape),
    "Size": lambda call: np.int64(call.constant(0).size),
    "Dropout": _dropout,
    "Where": _where,
}
