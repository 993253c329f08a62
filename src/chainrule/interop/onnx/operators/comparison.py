"""Bounds, comparisons and logic. A truth value is the number 1 or 0."""

from collections.abc import Callable
from functools import partial, reduce

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import MAX_INT32
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Array, Call, Feature
from chainrule.interop.onnx.operators.arithmetic import combine, operands, write_elementwise
from chainrule.interop.onnx.operators.constants import ONE, rescale, scale_and_shift
from chainrule.interop.onnx.operators.operator import Operator


def read_clip(call: Call) -> Feature:
    """Return Clip, or ReLU for a minimum of 0 without a maximum.

    The bounds are inputs; before opset 11, they are attributes.
    """
    if call.opset < 11:
        bounds = [call.real(name, default) for name, default in (("min", -MAX_FLOAT32), ("max", MAX_FLOAT32))]
    else:
        bounds = [
            float(call.constant(index).reshape(-1)[0]) if call.has_input(index) else default
            for index, default in ((1, -MAX_FLOAT32), (2, MAX_FLOAT32))
        ]
    return clip(call, call.feature(), *bounds)


def write_clip(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Clip."""
    bounds = [
        graph.constant(graph.scalar(operation.attributes[name]), f"{graph.layer}.{name}") for name in ("low", "high")
    ]
    return graph.node("Clip", graph.stored(operation.reads[0]), *bounds)


def clip(call: Call, x: Feature, low: float, high: float) -> Feature:
    """Return Clip of x to [low, high], ReLU for [0, ∞), or x for (−∞, ∞). ±MAX_FLOAT32 and beyond count as ±∞."""
    low, high = max(low, -MAX_FLOAT32), min(high, MAX_FLOAT32)
    if (low, high) == (-MAX_FLOAT32, MAX_FLOAT32):
        return x
    return call.layer("ReLU", x) if (low, high) == (0, MAX_FLOAT32) else call.layer("Clip", x, low=low, high=high)


def read_bound(*, below: bool) -> Callable[[Call], Feature]:
    """Return the reader of Max or Min.

    below   True for Max, where a number is a lower bound; False for Min, where it is an upper bound
    """
    kind = "Maximum" if below else "Minimum"

    def read(call: Call) -> Feature:
        features = [value for value in call.values if isinstance(value, Feature)]
        y = reduce(partial(combine, call, kind), features)
        for value in call.values:
            if isinstance(value, np.ndarray):
                if value.size != 1 or value.ndim > len(y.shape):
                    raise call.unsupported(f"bounds of shape {value.shape}", "one number")
                limit = float(value.reshape(-1)[0])
                y = clip(call, y, limit, MAX_FLOAT32) if below else clip(call, y, -MAX_FLOAT32, limit)
        return y

    read.__doc__ = f"Return {kind}; for one number as the bound, ReLU or Clip."
    return read


def _difference(call: Call, first: int, second: int) -> Feature:
    """Return one input minus another."""
    a, b = call.values[first], call.values[second]
    if isinstance(a, Feature) and isinstance(b, Feature):
        return combine(call, "Add", a, rescale(call, b, -1.0))
    if isinstance(a, Feature):
        return scale_and_shift(call, a, ONE, -call.constant(second).astype(np.float64))
    return scale_and_shift(call, call.feature(second), -ONE, call.constant(first).astype(np.float64))


def read_comparison(first: int, second: int, *, negated: bool) -> Callable[[Call], Feature]:
    """Return the reader of a comparison: whether one input is larger than the other, or not larger if `negated`."""

    def read(call: Call) -> Feature:
        larger = call.layer("Heaviside", _difference(call, first, second))
        return negation(call, larger) if negated else larger

    read.__doc__ = f"Return {'1 minus ' if negated else ''}Heaviside of the inputs' difference."
    return read


def read_equal(call: Call) -> Feature:
    """Return 1 minus Heaviside of the absolute difference."""
    return negation(call, call.layer("Heaviside", call.layer("Abs", _difference(call, 0, 1))))


def negation(call: Call, x: Feature) -> Feature:
    """Return 1 − x: whether x is false."""
    return rescale(call, x, -1.0, 1.0)


def read_not(call: Call) -> Feature:
    """Return 1 − x."""
    return negation(call, call.feature())


def read_logic(call: Call) -> Feature:
    """Return the product for And, 1 minus the product of negations for Or, and Heaviside of the difference for Xor."""
    operator = call.operation.operator
    if operator == "Xor":
        return call.layer("Heaviside", call.layer("Abs", _difference(call, 0, 1)))
    negated = operator == "Or"
    a, b = operands(call)
    if a is not None and b is not None:
        pair = [negation(call, value) if negated else value for value in (a, b)]
        y = combine(call, "Multiply", *pair)
    else:
        x, constant = (a, call.constant(1)) if a is not None else (call.feature(1), call.constant(0))
        factor = constant.astype(np.float64)
        y = scale_and_shift(call, negation(call, x) if negated else x, 1 - factor if negated else factor)
    return negation(call, y) if negated else y


def read_where(call: Call) -> Feature:
    """Return the sum of both values, each multiplied by 1 where it is selected, and by 0 elsewhere."""
    condition = call.values[0]
    if isinstance(condition, Feature):
        return _add(call, _selected(call, condition, 1), _selected(call, negation(call, condition), 2))
    mask = call.constant(0).astype(np.float64)
    return _add(call, _masked(call, mask, 1), _masked(call, 1 - mask, 2))


def _selected(call: Call, condition: Feature, index: int) -> Feature:
    """Return an input where a condition is 1, else 0."""
    if isinstance(call.values[index], Feature):
        return combine(call, "Multiply", condition, call.feature(index))
    return scale_and_shift(call, condition, _finite(call, index))


def _masked(call: Call, mask: Array, index: int) -> Feature | Array:
    """Return an input where a constant is 1, else 0."""
    if isinstance(call.values[index], Feature):
        return scale_and_shift(call, call.feature(index), mask)
    return mask * _finite(call, index)


def _finite(call: Call, index: int) -> Array:
    value = call.constant(index)
    if not np.isfinite(value).all():
        raise call.unsupported(f"input {index + 1} with infinite elements", "finite numbers")
    return value


def _add(call: Call, a: Feature | Array, b: Feature | Array) -> Feature:
    if isinstance(a, Feature) and isinstance(b, Feature):
        return combine(call, "Add", a, b)
    x, constant = (a, b) if isinstance(a, Feature) else (b, a)
    if not isinstance(x, Feature) or isinstance(constant, Feature):
        raise call.unsupported("only constants", "a value that depends on the network's input")
    return scale_and_shift(call, x, ONE, constant)


def read_sign(call: Call) -> Feature:
    """Return Heaviside(x) − Heaviside(−x)."""
    x = call.feature()
    negative = call.layer("Heaviside", rescale(call, x, -1.0))
    return call.layer("Add", call.layer("Heaviside", x), rescale(call, negative, -1.0))


def read_round(call: Call) -> Feature:
    """Return FakeQuantize to whole numbers."""
    return call.layer("FakeQuantize", call.feature(), low=-MAX_INT32, high=MAX_INT32)


def write_heaviside(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Cast of Greater."""
    zero = graph.constant(graph.scalar(0.0), f"{graph.layer}.zero")
    positive = graph.node("Greater", graph.stored(operation.reads[0]), zero)
    return graph.node("Cast", positive, to=11 if graph.network.dtype == np.float64 else 1)


OPERATORS = (
    Operator("Clip", read_clip, {"clip": write_clip}),
    Operator("Max", read_bound(below=True), {"maximum": write_elementwise("Max")}),
    Operator("Min", read_bound(below=False), {"minimum": write_elementwise("Min")}),
    Operator("Greater", read_comparison(0, 1, negated=False), {"heaviside": write_heaviside}),
    Operator("Less", read_comparison(1, 0, negated=False)),
    Operator("GreaterOrEqual", read_comparison(1, 0, negated=True)),
    Operator("LessOrEqual", read_comparison(0, 1, negated=True)),
    Operator("Equal", read_equal),
    *(Operator(name, read_logic) for name in ("And", "Or", "Xor")),
    Operator("Not", read_not),
    Operator("Where", read_where),
    Operator("Sign", read_sign),
    Operator("Round", read_round),
)
