"""Constant folding: NumPy evaluates arithmetic on constants and shapes that exporters leave in files.

Each function takes a `Call` whose inputs are constants. It checks the size of the result before computing the result.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, cast

import numpy as np

from chainrule.errors import FormatError
from chainrule.interop.onnx.operator_call import Array, Call
from chainrule.interop.onnx.operators.normalization import dropout_rate
from chainrule.interop.onnx.operators.quantization import default_zero, dequantized, quantized
from chainrule.interop.onnx.operators.shapes import target_shape
from chainrule.interop.onnx.tensors import dtype_of

MAX_ELEMENTS = 2**27  # of a result; the largest weight of VGG-19 has 10⁸


def fold(call: Call) -> tuple[Array, ...]:
    """Return the results of a node that reads only constants; FormatError for an unsupported or invalid node."""
    operator = call.operation.operator
    if operator not in FOLDED:
        raise call.unsupported(
            "it reads only constants", f"an input that depends on the network's, or one of {', '.join(sorted(FOLDED))}"
        )
    try:
        with np.errstate(all="ignore"):
            result: Any = FOLDED[operator](call)
    except FormatError:
        raise
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError) as error:
        raise call.unsupported(f"invalid constants ({error})", "valid ones") from None
    results = cast("tuple[Any, ...]", result) if isinstance(result, tuple) else (result,)
    return tuple(np.asarray(value) for value in results)


def check_size(call: Call, shape: Sequence[int]) -> tuple[int, ...]:
    """Check and return the shape of a result; FormatError for negative sizes or more than `MAX_ELEMENTS` elements."""
    if any(size < 0 for size in shape) or math.prod(shape) > MAX_ELEMENTS or len(shape) > 32:
        raise call.unsupported(f"a constant of shape {tuple(shape)[:8]}", f"at most {MAX_ELEMENTS:,} elements")
    return tuple(shape)


def _elementwise(function: Callable[..., Any]) -> Callable[[Call], Any]:
    """Return a function that applies an element-wise function to the constants of a `Call`."""

    def folded(call: Call) -> Any:
        inputs = [call.constant(index) for index in range(len(call.values))]
        if call.opset < 7 and call.attribute("axis"):
            raise call.unsupported(
                "constants aligned by axis, as before version 7", "constants aligned by their last axes"
            )
        check_size(call, np.broadcast_shapes(*(value.shape for value in inputs)))
        return function(*inputs)

    return folded


def _variadic(function: Callable[[Any, Any], Any]) -> Callable[[Call], Any]:
    """Return a function that combines all constants of a `Call`, in order, with a function of two arguments."""
    return _elementwise(lambda *inputs: reduce(function, inputs))


def _divide(a: Array, b: Array) -> Any:
    """Return a / b; quotients of integers are rounded toward zero."""
    if a.dtype.kind not in "iu":
        return a / b
    if not np.all(b):
        raise ZeroDivisionError("division by zero")
    return a // b + ((a % b != 0) & ((a < 0) != (b < 0)))


def _power(a: Array, b: Array) -> Any:
    return np.power(a, b).astype(a.dtype)


def _mod(call: Call) -> Any:
    a, b = call.constant(0), call.constant(1)
    check_size(call, np.broadcast_shapes(a.shape, b.shape))
    if a.dtype.kind in "iu" and not np.all(b):
        raise ZeroDivisionError("division by zero")
    return np.fmod(a, b) if call.integer("fmod", 0) else np.mod(a, b)


def _constant(call: Call) -> Any:
    for name in ("value_int", "value_float", "value_ints", "value_floats"):
        attribute = call.attribute(name)
        if attribute is not None:
            scalar = attribute.integer if "int" in name else attribute.real
            values = attribute.integers if "int" in name else attribute.reals
            return np.array(values if name.endswith("s") else scalar, np.int64 if "int" in name else np.float32)
    value = call.tensor("value")
    if value is None:
        raise call.unsupported("no value", "a tensor, numbers or a number")
    return value


def _constant_of_shape(call: Call) -> Any:
    shape, value = check_size(call, call.integer_input(0)), call.tensor("value")
    if value is not None and value.size != 1:
        raise call.unsupported(f"a value of shape {value.shape}", "one number")
    return np.broadcast_to(np.float32(0) if value is None else value.reshape(()), shape)


def _expand(call: Call) -> Any:
    x, shape = call.constant(0), call.integer_input(1)
    return np.broadcast_to(x, check_size(call, np.broadcast_shapes(x.shape, check_size(call, shape))))


def _gather(call: Call) -> Any:
    x, numbers = call.constant(0), call.constant(1)
    axis = call.axis("axis", 0, x.ndim)
    check_size(call, (*x.shape[:axis], *numbers.shape, *x.shape[axis + 1 :]))
    return np.take(x, numbers, axis=axis)


def _axes(call: Call, index: int, since: int, rank: int) -> list[int] | None:
    axes = call.input_or_attribute("axes", index, since)
    return None if axes is None else [call.normalize_axis(axis, rank) for axis in axes]


def _squeeze(call: Call) -> Any:
    x = call.constant(0)
    axes = _axes(call, 1, 13, x.ndim)
    return np.squeeze(x, None if axes is None else tuple(axes))


def _unsqueeze(call: Call) -> Any:
    x, axes = call.constant(0), call.input_or_attribute("axes", 1, 13) or []
    return np.expand_dims(x, tuple(axes))


def _reshape(call: Call) -> Any:
    x = call.constant(0)
    shape = call.integer_input(1) if call.opset >= 5 else call.integers("shape")
    return x.reshape(target_shape(call, x.shape, shape))


def _flatten(call: Call) -> Any:
    x, axis = call.constant(0), call.integer("axis", 1)
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))


def _slice(call: Call) -> Any:
    x = call.constant(0)
    starts, ends = (call.input_or_attribute(name, index, 10) or [] for index, name in ((1, "starts"), (2, "ends")))
    axes = call.input_or_attribute("axes", 3, 10) or [*range(len(starts))]
    steps = call.integer_input(4) if call.opset >= 10 and call.has_input(4) else [1] * len(starts)
    cuts = [slice(None)] * x.ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cuts[call.normalize_axis(axis, x.ndim)] = slice(start, end if step > 0 or end >= -x.shape[axis] else None, step)
    return x[tuple(cuts)]


def _split(call: Call) -> Any:
    x, count = call.constant(0), len(call.operation.outputs)
    axis = call.axis("axis", 0, x.ndim)
    sizes = call.input_or_attribute("split", 1, 13)
    size = -(-x.shape[axis] // max(count, 1))
    ends = np.cumsum(sizes)[:-1] if sizes else [size * index for index in range(1, count)]
    return tuple(np.split(x, ends, axis))


def _dequantize(call: Call) -> Any:
    """Return (x − zero point) · scale, where a scale belongs to all elements, to an index of an axis, or to a block."""
    x, scale, (axis, block) = call.constant(0), call.constant(1), _blocks(call)
    zero = call.constant(2) if call.has_input(2) else np.zeros(scale.shape, x.dtype)
    return dequantized(x, scale, zero, axis, block)


def _quantize(call: Call) -> Any:
    """Return the integers that represent a constant."""
    x, scale, (axis, block) = call.constant(0), call.constant(1), _blocks(call)
    zero = call.constant(2) if call.has_input(2) else default_zero(call, scale.shape)
    return quantized(x, scale, zero, axis, block)


def _blocks(call: Call) -> tuple[int, int]:
    """Return the axis and the length of the blocks to which the scales of a constant belong."""
    axis = call.normalize_axis(call.integer("axis", 1), call.constant(0).ndim) if call.constant(1).size > 1 else 0
    return axis, call.integer("block_size", 0)


def _concat(call: Call) -> Any:
    inputs = [call.constant(index) for index in range(len(call.values))]
    axis = call.axis("axis", 0, inputs[0].ndim)
    check_size(call, (sum(value.size for value in inputs),))
    return np.concatenate(inputs, axis)


def _range(call: Call) -> Any:
    start, stop, step = (call.constant(index).reshape(()).item() for index in range(3))
    (count,) = check_size(call, (max(math.ceil((stop - start) / step), 0),))
    return (start + np.arange(count) * step).astype(call.constant(0).dtype)


def _tile(call: Call) -> Any:
    x, all_repeats = call.constant(0), call.integer_input(1)
    check_size(call, [size * repeats for size, repeats in zip(x.shape, all_repeats, strict=True)])
    return np.tile(x, all_repeats)


def _reduction(function: Callable[..., Any], since: int = 18) -> Callable[[Call], Any]:
    """Return a function that reduces the constant of a `Call` over the node's axes.

    since   first opset where the axes are an input; before, they are an attribute
    """

    def folded(call: Call) -> Any:
        x = call.constant(0)
        axes = _axes(call, 1, since, x.ndim)
        if not axes and call.integer("noop_with_empty_axes", 0):
            return x
        result = function(x, axis=tuple(axes) if axes else None, keepdims=bool(call.integer("keepdims", 1)))
        return np.asarray(result).astype(x.dtype)

    return folded


def shape_slice(call: Call, shape: Sequence[int]) -> Array:
    """Return the result of a Shape node: the sizes from its attribute `start` to `end` (exclusive), by default all."""
    end = call.attribute("end")
    return np.array(shape[call.integer("start", 0) : end.integer if end else None], np.int64)


def _dropout(call: Call) -> Any:
    dropout_rate(call)
    return call.constant(0)


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "And": np.logical_and,
    "Ceil": np.ceil,
    "Div": _divide,
    "Equal": np.equal,
    "Exp": np.exp,
    "Floor": np.floor,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Log": np.log,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Pow": _power,
    "Reciprocal": np.reciprocal,
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Where": np.where,
    "Xor": np.logical_xor,
}
FOLDED: dict[str, Callable[[Call], Any]] = {
    **{name: _elementwise(function) for name, function in ELEMENTWISE.items()},
    "Max": _variadic(np.maximum),
    "Min": _variadic(np.minimum),
    "Sum": _variadic(np.add),
    "Mod": _mod,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Expand": _expand,
    "Gather": _gather,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Slice": _slice,
    "Split": _split,
    "Cast": lambda call: call.constant(0).astype(dtype_of(call.integer("to"))),
    "DequantizeLinear": _dequantize,
    "QuantizeLinear": _quantize,
    "CastLike": lambda call: call.constant(0).astype(call.constant(1).dtype),
    "Concat": _concat,
    "Transpose": lambda call: call.constant(0).transpose(call.integers("perm", range(call.constant(0).ndim)[::-1])),
    "Range": _range,
    "Tile": _tile,
    "Shape": lambda call: shape_slice(call, call.constant(0).shape),
    "Size": lambda call: np.int64(call.constant(0).size),
    "Identity": lambda call: call.constant(0),
    "Dropout": _dropout,
    "ReduceProd": _reduction(np.prod),
    "ReduceSum": _reduction(np.sum, 13),
    "ReduceMax": _reduction(np.max),
    "ReduceMin": _reduction(np.min),
    "ReduceMean": _reduction(np.mean),
}
