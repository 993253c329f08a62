"""Sums, products, quotients and powers of values and constants."""

import itertools
import math
from collections.abc import Callable

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter, is_broadcast
from chainrule.interop.onnx.operator_call import Array, Call, Feature
from chainrule.interop.onnx.operators.constants import ONE, rescale, scale_and_shift
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.resampling import expand

Reduce = Callable[[Feature], Feature]

MAX_POWER = 8  # largest exponent for repeated multiplication


def operands(call: Call) -> tuple[Feature | None, Feature | None]:
    """Return the two inputs. An input that is a constant is returned as None."""
    first, second = (value if isinstance(value, Feature) else None for value in call.values[:2])
    return first, second


def constant_operand(call: Call, index: int) -> Array:
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
    """Return Add; for a constant, Rescaling by a number, or FixedAffine."""
    a, b = operands(call)
    if a is not None and b is not None:
        return combine(call, "Add", a, b)
    x, constant = (a, constant_operand(call, 1)) if a is not None else (call.feature(1), constant_operand(call, 0))
    return scale_and_shift(call, x, ONE, constant)


def read_sub(call: Call) -> Feature:
    """Return Add of the first operand and −1 times the second; for a constant, as Add."""
    a, b = operands(call)
    if a is not None and b is not None:
        return combine(call, "Add", a, rescale(call, b, -1.0))
    if a is not None:
        return scale_and_shift(call, a, ONE, -constant_operand(call, 1))
    return scale_and_shift(call, call.feature(1), -ONE, constant_operand(call, 0))


def read_neg(call: Call) -> Feature:
    """Return Rescaling by −1."""
    return rescale(call, call.feature(), -1.0)


def read_mul(call: Call) -> Feature:
    """Return Multiply; for a constant, Rescaling by a number, or FixedAffine, or a 1×1 depthwise convolution if the
    constant has a name like those of weights. A constant that is added next becomes the shift.
    """
    a, b = operands(call)
    if a is not None and b is not None:
        return combine(call, "Multiply", a, b)
    x, constant = (a, constant_operand(call, 1)) if a is not None else (call.feature(1), constant_operand(call, 0))
    if constant.ndim > len(x.shape):
        return scale_and_shift(call, x, constant)
    by_channel = (x.node.shape[0], *[1] * (len(x.node.shape) - 1))
    shift = call.fuse_following_add((1, *by_channel) if x.batched else by_channel)
    return scale_and_shift(call, x, constant, shift)


def read_div(call: Call) -> Feature:
    """Return the product of the first operand and the Reciprocal of the second; for a constant divisor, as Mul."""
    a, b = operands(call)
    if b is None:
        with np.errstate(divide="ignore"):
            return scale_and_shift(call, call.feature(), 1 / constant_operand(call, 1))
    reciprocal = call.layer("Reciprocal", b)
    if a is None:
        return scale_and_shift(call, reciprocal, constant_operand(call, 0))
    return combine(call, "Multiply", a, reciprocal)


def read_pow(call: Call) -> Feature:
    """Return a product of equal factors, Sqrt, Reciprocal, or Exp of a multiple of Log."""
    base, exponent = operands(call)
    if exponent is not None:
        if base is not None or (number := _number(call, 0)) <= 0:
            raise call.unsupported(
                "an exponent that depends on the network's input", "a constant one, or a base above 0"
            )
        return call.layer("Exp", rescale(call, exponent, math.log(number)))
    x, number = call.feature(), _number(call, 1)
    if call.constant(1).ndim > len(x.shape):
        raise call.unsupported(f"an exponent of {call.constant(1).ndim} axes", f"at most {len(x.shape)}")
    return power(call, x, number)


def _number(call: Call, index: int) -> float:
    """Return a constant input with a single element."""
    value = call.constant(index)
    if value.size != 1:
        raise call.unsupported(f"input {index + 1} of shape {value.shape}", "one number")
    return float(value.reshape(-1)[0])


def power(call: Call, x: Feature, exponent: float) -> Feature:
    """Return x to a power."""
    if exponent < 0:
        return call.layer("Reciprocal", power(call, x, -exponent))
    if exponent == 0.5:
        return call.layer("Sqrt", x)
    if exponent == int(exponent) and 1 <= exponent <= MAX_POWER:
        return x if exponent == 1 else call.layer("Multiply", *[x] * int(exponent))
    if exponent == int(exponent):
        raise call.unsupported(f"the exponent {exponent:g}", f"at most {MAX_POWER}, or a number that is not whole")
    return call.layer("Exp", rescale(call, call.layer("Log", x), exponent))


def p_norm(call: Call, x: Feature, total: Reduce) -> Feature:
    """Return the p-th root of a sum of |x| to the power of p, where p is an attribute.

    total   function that adds the elements of a value
    """
    p = call.integer("p", 2)
    if p < 1:
        raise call.unsupported(f"p {p}", "1 or more")
    y = call.layer("Multiply", x, x) if p == 2 else call.layer("Abs", x)
    return power(call, total(y if p <= 2 else power(call, y, p)), 1 / p)


def read_sum(call: Call) -> Feature:
    """Return Add of all inputs."""
    return add_all(call)


def read_mean(call: Call) -> Feature:
    """Return the mean of several inputs."""
    return rescale(call, add_all(call), 1 / len(call.values))


def add_all(call: Call) -> Feature:
    """Return the sum of all inputs, including constants."""
    features = [value for value in call.values if isinstance(value, Feature)]
    total = features[0]
    if len(features) > 1 and len({(value.shape, value.batched) for value in features}) == 1:
        total = call.layer("Add", *features)
    else:
        for value in features[1:]:
            total = combine(call, "Add", total, value)
    for index, value in enumerate(call.values):
        total = scale_and_shift(call, total, ONE, call.constant(index)) if not isinstance(value, Feature) else total
    return total


def combine(call: Call, kind: str, a: Feature, b: Feature) -> Feature:
    """Return a layer with two inputs, such as Add, applied to values that are broadcast along axes of size 1."""
    a, b = align_axes(call, a, b)
    shape = tuple(int(size) for size in np.broadcast_shapes(a.node.shape, b.node.shape))
    if a.node.shape == b.node.shape:
        return call.layer(kind, a, b)
    if shape not in (a.node.shape, b.node.shape):
        a = expand(call, a, shape)
    groups = _merged_axes(shape, a.node.shape, b.node.shape)
    if len(groups) <= 2:
        sizes = [[math.prod(value.node.shape[first:last]) for first, last in groups] for value in (a, b)]
        pair = [call.reshape(value, (*own, *[1] * (3 - len(own)))) for value, own in zip((a, b), sizes, strict=True)]
        return call.reshape(call.layer(kind, *pair), shape)
    return call.layer(kind, *(expand(call, value, shape) for value in (a, b)))


def _merged_axes(shape: tuple[int, ...], *shapes: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the ranges of adjacent axes along which the same values are broadcast. Axes of size 1 fit any range."""
    groups: list[tuple[int, int]] = []
    previous: list[bool] | None = None
    for axis, size in enumerate(shape):
        broadcast = [own[axis] != size for own in shapes]
        if groups and (size == 1 or previous is None or broadcast == previous):
            groups[-1] = (groups[-1][0], axis + 1)
        else:
            groups.append((axis, axis + 1))
        previous = previous if size == 1 else broadcast
    return groups


def align_axes(call: Call, a: Feature, b: Feature) -> tuple[Feature, Feature]:
    """Return two values with the same number of axes, and the batch axis in both or neither.

    As in NumPy, the value with fewer axes gets leading axes of size 1.
    """
    if call.open_batch and len(a.shape) != len(b.shape):  # the batch axis of one would be aligned with another axis
        raise call.unsupported(f"inputs of {a.shape} and {b.shape}", "the same number of axes")
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


def write_rescaling(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Mul and Add of numbers."""
    y = graph.stored(operation.reads[0])
    for operator, name, neutral in (("Mul", "scale", 1), ("Add", "shift", 0)):
        if (number := operation.attributes[name]) != neutral:
            y = graph.node(operator, y, graph.constant(graph.scalar(number), f"{graph.layer}.{name}"))
    return y if y is not graph.stored(operation.reads[0]) else graph.node("Identity", y)


def write_add_bias(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Add of a bias for each channel or each position."""
    _, b = operation.reads
    assert b is not None
    if len(b.shape) > 1:
        return graph.node("Add", graph.view(operation.reads[0]), graph.weight(b))
    x = graph.channels(operation.reads[0])
    return graph.node("Add", x, graph.weight(b, (x.shape[0], *(1,) * (len(x.shape) - 1))))


OPERATORS = (
    Operator("Add", read_add, {"add": write_elementwise("Add"), "add_bias": write_add_bias}),
    Operator("Sub", read_sub),
    Operator("Neg", read_neg),
    Operator("Mul", read_mul, {"multiply": write_elementwise("Mul"), "rescaling": write_rescaling}),
    Operator("Div", read_div),
    Operator("Pow", read_pow),
    Operator("Sum", read_sum),
    Operator("Mean", read_mean),
)
