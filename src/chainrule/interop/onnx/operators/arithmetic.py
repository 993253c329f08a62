"""Sums, products, and limits (Clip, Max, Min) of features and constants.

Multiplication by a constant and addition of a constant become a 1×1 depthwise Conv2D: its weights are the factors, and
its bias is the constant that is added.
"""

import itertools
from collections.abc import Callable

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.assembly import first_axis_last, last_axis_first
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter, is_broadcast
from chainrule.interop.onnx.operator_call import Array, Call, Feature, for_one_sample
from chainrule.interop.onnx.operators.operator import Operator

ONE = np.array(1.0)
LARGEST = float(np.finfo(np.float32).max)


def scale_and_shift(call: Call, x: Feature, scale: Array, shift: Array | None = None) -> Feature:
    """Return scale · x + shift.

    Each constant is one number, one for each channel, or one for each element of the last axis. The shift may also
    have one number for each element of a sample. As in NumPy, constants are aligned with the last axes of x.
    """
    axes = max(scale.ndim, 0 if shift is None else shift.ndim)
    if axes > len(x.shape) and x.batch == 1:
        x = x.with_axes(axes)
    shape, rank, affine = x.node.shape, len(x.node.shape), call.assembly.affine
    factors = _align_constant(call, scale, x)
    terms = None if shift is None else _align_constant(call, shift, x)
    constants = [factors] if terms is None else [factors, terms]
    if rank > 1 and {_only_varying_axis(constant) for constant in constants} in ({rank - 1}, {None, rank - 1}):
        rows = [np.broadcast_to(constant, (*constant.shape[:-1], shape[-1])).reshape(-1) for constant in constants]
        return x.with_node(first_axis_last(affine(last_axis_first(x.node), *rows, stem=call.stem), shape))
    if any(size != 1 for size in factors.shape[1:]):
        raise call.unsupported(
            f"a factor of shape {scale.shape}", f"one number, or one for each of {shape[0]} channels"
        )
    factors = np.broadcast_to(factors, (shape[0], *factors.shape[1:]))
    if terms is not None:
        is_per_element = any(size != 1 for size in terms.shape[1:])
        terms = np.broadcast_to(terms, shape if is_per_element else (shape[0], *terms.shape[1:]))
    return x.with_node(affine(x.node, factors, terms, call.stem))


def _only_varying_axis(value: Array) -> int | None:
    """Return the only axis along which a constant varies; −1 if there are several, None if there is none."""
    axes = [axis for axis, size in enumerate(value.shape) if size > 1]
    return None if not axes else axes[0] if len(axes) == 1 else -1


def _align_constant(call: Call, value: Array, x: Feature) -> Array:
    """Return a constant with as many axes as a sample; FormatError unless each size is 1 or that of the sample.

    A constant may have the batch axis if it is equal for all samples.
    """
    rank, problem = len(x.shape), f"a constant of shape {value.shape} with {x.shape}"
    if value.ndim > rank:
        raise call.unsupported(problem, f"at most {rank} axes")
    aligned = value.reshape((1,) * (rank - value.ndim) + value.shape)
    if any(size != axis and 1 not in (size, axis) for size, axis in zip(aligned.shape, x.shape, strict=True)):
        raise call.invalid(problem, "a constant that can be broadcast to it")
    if x.batched:
        aligned = for_one_sample(aligned, x.shape)
        if len(aligned) > 1:
            raise call.unsupported(problem, "a constant that is equal for all samples")
        aligned = aligned[0]
    if any(size not in (1, axis) for size, axis in zip(aligned.shape, x.node.shape, strict=True)):
        raise call.unsupported(problem, "a constant that can be broadcast to it")
    return aligned


def _operands(call: Call) -> tuple[Feature | None, Feature | None]:
    """Return the two inputs. An input that is a constant is returned as None."""
    first, second = (value if isinstance(value, Feature) else None for value in call.values[:2])
    return first, second


def _constant(call: Call, index: int) -> Array:
    """Return the constant operand at an index, ready to be broadcast as in NumPy.

    Before opset 7, the attribute `axis` is the axis of the other operand aligned with the constant's first axis.
    """
    value, axis = call.constant(index), call.attribute("axis")
    if call.opset < 7 and axis is not None and axis.integer is not None:
        rank = len(call.feature(1 - index).shape)
        begin = call.normalize_axis(axis.integer, rank)
        value = value.reshape(*value.shape, *[1] * max(rank - begin - value.ndim, 0))
    return value


def read_add(call: Call) -> Feature:
    """Return Add; for a constant, a 1×1 depthwise Conv2D that adds it."""
    a, b = _operands(call)
    if a is not None and b is not None:
        return combine(call, "Add", a, b)
    x, constant = (a, _constant(call, 1)) if a is not None else (call.feature(1), _constant(call, 0))
    return scale_and_shift(call, x, ONE, constant)


def read_sub(call: Call) -> Feature:
    """Return Add of the first operand and −1 times the second; for a constant operand, a 1×1 depthwise Conv2D."""
    a, b = _operands(call)
    if a is not None and b is not None:
        return combine(call, "Add", a, scale_and_shift(call, b, -ONE))
    if a is not None:
        return scale_and_shift(call, a, ONE, -_constant(call, 1))
    return scale_and_shift(call, call.feature(1), -ONE, _constant(call, 0))


def read_neg(call: Call) -> Feature:
    """Return a 1×1 depthwise Conv2D that multiplies by −1."""
    return scale_and_shift(call, call.feature(), -ONE)


def read_mul(call: Call) -> Feature:
    """Return Multiply; for a constant, a 1×1 depthwise Conv2D, with a constant added by the next node as its bias."""
    a, b = _operands(call)
    if a is not None and b is not None:
        return combine(call, "Multiply", a, b)
    x, constant = (a, _constant(call, 1)) if a is not None else (call.feature(1), _constant(call, 0))
    by_channel = (x.node.shape[0], *[1] * (len(x.node.shape) - 1))
    return scale_and_shift(call, x, constant, call.fuse_following_add((1, *by_channel) if x.batched else by_channel))


def read_div(call: Call) -> Feature:
    """Return a 1×1 depthwise Conv2D that multiplies by the reciprocal of a constant divisor."""
    a, b = _operands(call)
    if a is None or b is not None:
        raise call.unsupported("a divisor that depends on the network's input", "a constant divisor")
    divisor = _constant(call, 1)
    with np.errstate(divide="ignore"):
        return scale_and_shift(call, a, 1 / divisor)


def read_pow(call: Call) -> Feature:
    """Return Multiply of the input by itself for the exponent 2, or the input for the exponent 1."""
    exponent = call.constant(1)
    if exponent.size != 1 or exponent.reshape(-1)[0] not in (1, 2):
        raise call.unsupported(f"the exponent {exponent.reshape(-1)[:3].tolist()}", "1 or 2")
    x = call.feature()
    if exponent.ndim > len(x.shape):
        raise call.unsupported(f"an exponent of {exponent.ndim} axes", f"at most {len(x.shape)}")
    return x if exponent.reshape(-1)[0] == 1 else call.layer("Multiply", x, x)


def read_variadic(kind: str) -> Callable[[Call], Feature]:
    """Return the reader of an operator with any number of inputs, which applies a layer with two inputs repeatedly."""

    def read(call: Call) -> Feature:
        inputs = [call.feature(index) for index in range(len(call.values))]
        total = inputs[0]
        for value in inputs[1:]:
            total = combine(call, kind, total, value)
        return total

    read.__doc__ = f"Return {kind}."
    return read


def combine(call: Call, kind: str, a: Feature, b: Feature) -> Feature:
    """Return Add or Multiply of two values, which are broadcast along axes of size 1."""
    a, b = _align_axes(call, a, b)
    shape = np.broadcast_shapes(a.node.shape, b.node.shape)
    added_axes: list[int] = [1] * (3 - len(shape))
    pair = [
        call.reshape(value, (*value.node.shape, *added_axes)) if a.node.shape != b.node.shape else value
        for value in (a, b)
    ]
    return call.reshape(call.layer(kind, *pair), tuple(int(size) for size in shape))


def _align_axes(call: Call, a: Feature, b: Feature) -> tuple[Feature, Feature]:
    """Return two values with the same number of axes, and the batch axis in both or neither.

    As in NumPy, the value with fewer axes gets leading axes of size 1.
    """
    sizes = itertools.zip_longest(a.shape[::-1], b.shape[::-1], fillvalue=1)
    if any(size != other_size and 1 not in (size, other_size) for size, other_size in sizes):
        raise call.invalid(f"inputs of {a.shape} and {b.shape}", "sizes that are equal or 1")
    if a.batched == b.batched and len(a.shape) == len(b.shape):
        return a, b
    if a.batch != 1 or b.batch != 1 or call.opset < 7:
        raise call.unsupported(f"inputs of {a.shape} and {b.shape}", "the same number of axes, and the same batch axis")
    rank = max(len(a.shape), len(b.shape))
    a, b = a.with_axes(rank), b.with_axes(rank)
    return (a, b) if a.batched == b.batched else (a.as_sample(), b.as_sample())


def write_elementwise(operator: str) -> Callable[[GraphWriter, Operation], GraphResult]:
    """Return the writer of an operation on two values, which ONNX broadcasts along axes of size 1."""

    def write(graph: GraphWriter, operation: Operation) -> GraphResult:
        inputs = [_broadcastable_input(graph, operation, index) for index in range(2)]
        return graph.node(operator, *inputs, shape=np.broadcast_shapes(*(value.shape for value in inputs)))

    return write


def _broadcastable_input(graph: GraphWriter, operation: Operation, index: int) -> GraphResult:
    """Return an input in the shape of its tensor, or with axes of size 1 if the ONNX operator must broadcast it."""
    tensor = operation.reads[index]
    value = graph.stored(tensor)
    return value if tensor is None or is_broadcast(value, tensor) else graph.view(tensor)


def write_add_bias(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Add of a bias for each channel or each position."""
    _, b = operation.reads
    assert b is not None
    if len(b.shape) > 1:
        return graph.node("Add", graph.view(operation.reads[0]), graph.weight(b))
    x = graph.channels(operation.reads[0])
    return graph.node("Add", x, graph.weight(b, (x.shape[0], *(1,) * (len(x.shape) - 1))))


def read_clip(call: Call) -> Feature:
    """Return Clip, or ReLU for a minimum of 0 without a maximum.

    The bounds are inputs; before opset 11, they are attributes.
    """
    if call.opset < 11:
        bounds = [call.real(name, default) for name, default in (("min", -LARGEST), ("max", LARGEST))]
    else:
        bounds = [
            float(call.constant(index).reshape(-1)[0]) if call.has_input(index) else default
            for index, default in ((1, -LARGEST), (2, LARGEST))
        ]
    return clip(call, call.feature(), *bounds)


def write_clip(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Clip."""
    bounds = [
        graph.constant(graph.scalar(operation.attributes[name]), f"{graph.layer}.{name}") for name in ("low", "high")
    ]
    return graph.node("Clip", graph.stored(operation.reads[0]), *bounds)


def clip(call: Call, x: Feature, low: float, high: float) -> Feature:
    """Return Clip of x to [low, high], ReLU for [0, ∞), or x for (−∞, ∞). ±LARGEST and beyond count as ±∞."""
    low, high = max(low, -LARGEST), min(high, LARGEST)
    if (low, high) == (-LARGEST, LARGEST):
        return x
    return call.layer("ReLU", x) if (low, high) == (0, LARGEST) else call.layer("Clip", x, low=low, high=high)


def read_bound(*, below: bool) -> Callable[[Call], Feature]:
    """Return the reader of Max or Min of a feature and a number.

    below   True for Max, where the number is a lower bound; False for Min, where it is an upper bound
    """

    def read(call: Call) -> Feature:
        a, b = _operands(call)
        if len(call.values) == 1:
            return call.feature()
        if len(call.values) > 2 or (a is not None and b is not None):
            raise call.unsupported(
                f"{len(call.values)} inputs that depend on the network's input", "one of them, and one number"
            )
        bound = call.constant(1 if a is not None else 0)
        if bound.size != 1:
            raise call.unsupported(f"bounds of shape {bound.shape}", "one number")
        x, limit = a or call.feature(1), float(bound.reshape(-1)[0])
        if bound.ndim > len(x.shape):
            raise call.unsupported(f"a bound of {bound.ndim} axes", f"at most {len(x.shape)}")
        return clip(call, x, limit, LARGEST) if below else clip(call, x, -LARGEST, limit)

    read.__doc__ = "Return ReLU or Clip, for one number as the bound."
    return read


OPERATORS = (
    Operator("Add", read_add, {"add": write_elementwise("Add"), "add_bias": write_add_bias}),
    Operator("Sub", read_sub),
    Operator("Neg", read_neg),
    Operator("Mul", read_mul, {"multiply": write_elementwise("Mul")}),
    Operator("Div", read_div),
    Operator("Pow", read_pow),
    Operator("Sum", read_variadic("Add")),
    Operator("Clip", read_clip, {"clip": write_clip}),
    Operator("Max", read_bound(below=True)),
    Operator("Min", read_bound(below=False)),
)
