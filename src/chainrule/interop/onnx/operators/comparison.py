"""Bounds, comparisons and logic. A truth value is the number 1 or 0."""

from collections.abc import Callable
from functools import partial, reduce

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import MAX_INT32
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.arithmetic import write_elementwise
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.terms import ScaledTerm, binary, combine, formula, unary


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
    x, (low, high) = call.feature(), bounds
    return x.with_node(call.assembly.clip(x.node, low, high))


def write_clip(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Clip."""
    bounds = [
        graph.constant(graph.scalar(operation.attributes[name]), f"{graph.layer}.{name}") for name in ("low", "high")
    ]
    return graph.node("Clip", graph.stored(operation.reads[0]), *bounds)


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
                limits = (limit, MAX_FLOAT32) if below else (-MAX_FLOAT32, limit)
                y = y.with_node(call.assembly.clip(y.node, *limits))
        return y

    read.__doc__ = f"Return {kind}; for one number as the bound, ReLU or Clip."
    return read


def is_positive(x: ScaledTerm) -> ScaledTerm:
    """Return whether a value is above 0."""
    return x.layer("Heaviside")


def _differs(a: ScaledTerm, b: ScaledTerm) -> ScaledTerm:
    return is_positive((a - b).layer("Abs"))


def _where(condition: ScaledTerm, a: ScaledTerm, b: ScaledTerm) -> ScaledTerm:
    """Return the sum of both values, each multiplied by 1 where it is selected, and by 0 elsewhere."""
    for index, value in ((2, a), (3, b)):
        if not np.isfinite(value.shift).all():
            raise value.call.unsupported(f"input {index} with infinite elements", "finite numbers")
    return condition * a + (1 - condition) * b


def read_round(call: Call) -> Feature:
    """Return FakeQuantize to whole numbers."""
    return call.layer("FakeQuantize", call.feature(), low=-MAX_INT32, high=MAX_INT32)


def write_heaviside(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Cast of Greater."""
    zero = graph.constant(graph.scalar(0.0), f"{graph.layer}.zero")
    positive = graph.node("Greater", graph.stored(operation.reads[0]), zero)
    return graph.node("Cast", positive, to=11 if graph.network.dtype == np.float64 else 1)


LARGER = "Heaviside of the inputs' difference"
WHERE = "the sum of both values, each multiplied by 1 where it is selected, and by 0 elsewhere"
OPERATORS = (
    Operator("Clip", read_clip, {"clip": write_clip}),
    Operator("Max", read_bound(below=True), {"maximum": write_elementwise("Max")}),
    Operator("Min", read_bound(below=False), {"minimum": write_elementwise("Min")}),
    Operator("Greater", binary(LARGER, lambda a, b: is_positive(a - b)), {"heaviside": write_heaviside}),
    Operator("Less", binary(LARGER, lambda a, b: is_positive(b - a))),
    Operator("GreaterOrEqual", binary(f"1 minus {LARGER}", lambda a, b: 1 - is_positive(b - a))),
    Operator("LessOrEqual", binary(f"1 minus {LARGER}", lambda a, b: 1 - is_positive(a - b))),
    Operator("Equal", binary("1 minus Heaviside of the absolute difference", lambda a, b: 1 - _differs(a, b))),
    Operator("And", binary("the product", lambda a, b: a * b)),
    Operator("Or", binary("1 minus the product of negations", lambda a, b: 1 - (1 - a) * (1 - b))),
    Operator("Xor", binary("Heaviside of the absolute difference", _differs)),
    Operator("Not", unary("1 − x", lambda x: 1 - x)),
    Operator("Where", formula(3, WHERE, _where)),
    Operator("Sign", unary("Heaviside(x) − Heaviside(−x)", lambda x: is_positive(x) - is_positive(-x))),
    Operator("Round", read_round),
)
