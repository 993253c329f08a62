"""Sums, products and differences of values, with each other and with constants."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.interop.onnx.call import Array, Call, Feature
from chainrule.interop.onnx.readers.activations import LARGEST, clipped
from chainrule.interop.onnx.readers.affine import scaled

ONE = np.array(1.0)


def _operands(call: Call) -> tuple[Feature | None, Feature | None]:
    """Return the two inputs where they depend on the network's input, else None."""
    first, second = (value if isinstance(value, Feature) else None for value in call.values[:2])
    return first, second


def _constant(call: Call, index: int) -> Array:
    """Return a constant operand; before opset 7, `axis` says where its shape begins in the other's."""
    value, axis = call.constant(index), call.attribute("axis")
    if call.opset < 7 and axis is not None and axis.integer is not None:
        rank = len(call.feature(1 - index).shape)
        begin = call.axis_in(axis.integer, rank)
        value = value.reshape(*value.shape, *[1] * max(rank - begin - value.ndim, 0))
    return value


def add(call: Call) -> Feature:
    """Return Add, or a shift by a constant."""
    a, b = _operands(call)
    if a is not None and b is not None:
        return merged(call, "Add", a, b)
    x, constant = (a, _constant(call, 1)) if a is not None else (call.feature(1), _constant(call, 0))
    return scaled(call, x, ONE, constant)


def subtract(call: Call) -> Feature:
    """Return a sum with what is subtracted times −1, or a shift by a constant."""
    a, b = _operands(call)
    if a is not None and b is not None:
        return merged(call, "Add", a, scaled(call, b, -ONE))
    if a is not None:
        return scaled(call, a, ONE, -_constant(call, 1))
    return scaled(call, call.feature(1), -ONE, _constant(call, 0))


def multiply(call: Call) -> Feature:
    """Return Multiply, or a scale; a constant that is added next is its shift."""
    a, b = _operands(call)
    if a is not None and b is not None:
        return merged(call, "Multiply", a, b)
    x, constant = (a, _constant(call, 1)) if a is not None else (call.feature(1), _constant(call, 0))
    by_channel = (x.node.shape[0], *[1] * (len(x.node.shape) - 1))
    return scaled(call, x, constant, call.following((1, *by_channel) if x.batched else by_channel))


def divide(call: Call) -> Feature:
    """Return a scale by one over a constant."""
    a, b = _operands(call)
    if a is None or b is not None:
        raise call.refusal("division by what depends on the network's input", "a constant divisor")
    divisor = _constant(call, 1)
    with np.errstate(divide="ignore"):
        return scaled(call, a, 1 / divisor)


def power(call: Call) -> Feature:
    """Return x times itself for the exponent 2."""
    exponent = call.constant(1)
    if exponent.size != 1 or exponent.reshape(-1)[0] not in (1, 2):
        raise call.refusal(f"the exponent {exponent.reshape(-1)[:3].tolist()}", "1 or 2")
    x = call.feature()
    if exponent.ndim > len(x.shape):
        raise call.refusal(f"an exponent of {exponent.ndim} axes", f"at most {len(x.shape)}")
    return x if exponent.reshape(-1)[0] == 1 else call.layer("Multiply", x, x)


def several(kind: str) -> Callable[[Call], Feature]:
    """Return the translation of a sum of any number of inputs."""

    def translate(call: Call) -> Feature:
        inputs = [call.feature(index) for index in range(len(call.values))]
        total = inputs[0]
        for each in inputs[1:]:
            total = merged(call, kind, total, each)
        return total

    translate.__doc__ = f"Return {kind}."
    return translate


def bounded(*, below: bool) -> Callable[[Call], Feature]:
    """Return the translation of the maximum or minimum with one number."""

    def translate(call: Call) -> Feature:
        a, b = _operands(call)
        if len(call.values) == 1:
            return call.feature()
        if len(call.values) > 2 or (a is not None and b is not None):
            raise call.refusal(
                f"{len(call.values)} inputs that depend on the network's input", "one of them and a number"
            )
        bound = call.constant(1 if a is not None else 0)
        if bound.size != 1:
            raise call.refusal(f"bounds of shape {bound.shape}", "one number")
        x, limit = a or call.feature(1), float(bound.reshape(-1)[0])
        if bound.ndim > len(x.shape):
            raise call.refusal(f"a bound of {bound.ndim} axes", f"at most {len(x.shape)}")
        return clipped(call, x, limit, LARGEST) if below else clipped(call, x, -LARGEST, limit)

    translate.__doc__ = "Return ReLU or Clip, for one number as the bound."
    return translate


def merged(call: Call, kind: str, a: Feature, b: Feature) -> Feature:
    """Return Add or Multiply of two values, with sizes of 1 repeated."""
    a, b = _same_axes(call, a, b)
    shape = np.broadcast_shapes(a.node.shape, b.node.shape)
    lift: list[int] = [1] * (3 - len(shape))
    pair = [call.reshape(each, (*each.node.shape, *lift)) if a.node.shape != b.node.shape else each for each in (a, b)]
    return call.reshape(call.layer(kind, *pair), tuple(int(size) for size in shape))


def _same_axes(call: Call, a: Feature, b: Feature) -> tuple[Feature, Feature]:
    """Return two values with as many axes in the file, and the batch axis in both or neither.

    As in NumPy, sizes of 1 are put before the axes of the one that has fewer.
    """
    sizes = itertools.zip_longest(a.shape[::-1], b.shape[::-1], fillvalue=1)
    if any(one != other and 1 not in (one, other) for one, other in sizes):
        raise call.mismatch(f"inputs of {a.shape} and {b.shape}", "sizes that are equal or 1")
    if a.batched == b.batched and len(a.shape) == len(b.shape):
        return a, b
    if a.batch != 1 or b.batch != 1 or call.opset < 7:
        raise call.refusal(f"inputs of {a.shape} and {b.shape}", "as many axes, and the same batch axis")
    rank = max(len(a.shape), len(b.shape))
    a, b = a.with_axes(rank), b.with_axes(rank)
    return (a, b) if a.batched == b.batched else (a.as_sample(), b.as_sample())


def negate(call: Call) -> Feature:
    """Return −x."""
    return scaled(call, call.feature(), -ONE)


OPERATORS: dict[str, Callable[[Call], Any]] = {
    "Add": add,
    "Sub": subtract,
    "Mul": multiply,
    "Div": divide,
    "Neg": negate,
    "Pow": power,
    "Sum": several("Add"),
    "Max": bounded(below=True),
    "Min": bounded(below=False),
}
