"""Bounds, comparisons and logic. A truth value is the number 1 or 0."""

from collections.abc import Callable

import numpy as np

from chainrule.core.plan import Operation
from chainrule.core.shapes import MAX_INT32
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.onnx.graph_writer import TYPE_CODES, GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.arithmetic import write_elementwise
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.terms import ScaledTerm, binary, formula, terms, unary
from chainrule.interop.onnx.tensors import BOOLEAN


def read_clip(call: Call) -> Feature:
    """Return Clip, or ReLU for a minimum of 0 without a maximum.

    The bounds are inputs; before opset 11, they are attributes.
    """
    if call.opset < 11:
        low = call.real("min", -MAX_FLOAT32)
        high = call.real("max", MAX_FLOAT32)
    else:
        low = call.number_input(1, -MAX_FLOAT32)
        high = call.number_input(2, MAX_FLOAT32)
    x = call.feature()
    return x.with_node(call.assembly.clip(x.node, low, high))


def write_clip(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Clip."""
    low = graph.constant(graph.scalar(operation.attributes["low"]), f"{graph.layer}.low")
    high = graph.constant(graph.scalar(operation.attributes["high"]), f"{graph.layer}.high")
    return graph.node("Clip", graph.stored(operation.reads[0]), low, high)


def read_bound(*, below: bool) -> Callable[[Call], Feature]:
    """Return the reader of Max or Min.

    below   True for Max, where a number is a lower bound; False for Min, where it is an upper bound
    """
    kind = "Maximum" if below else "Minimum"

    def read(call: Call) -> Feature:
        bounds: list[float] = []
        values: list[ScaledTerm] = []
        for term in terms(call):
            number = np.asarray(term.shift)
            if term.x is None and number.size == 1 and number.ndim <= len(call.features[0].shape):
                bounds.append(float(number.item()))
            else:
                values.append(term)
        y = values[0].exactly(kind, *values[1:]).feature if len(values) > 1 else values[0].feature
        for bound in bounds:
            low, high = (bound, MAX_FLOAT32) if below else (-MAX_FLOAT32, bound)
            y = y.with_node(call.assembly.clip(y.node, low, high))
        return y

    read.__doc__ = f"Return {kind}; for one number as the bound, ReLU or Clip."
    return read


def is_positive(x: ScaledTerm) -> ScaledTerm:
    """Return whether a value is above 0."""
    return x.layer("Heaviside")


def _greater(a: ScaledTerm, b: ScaledTerm) -> ScaledTerm:
    return a.exactly("Compare", b)


def _at_least(a: ScaledTerm, b: ScaledTerm) -> ScaledTerm:
    return _greater(a, b) + a.equals(b)


def _where(test: ScaledTerm, a: ScaledTerm, b: ScaledTerm) -> ScaledTerm:
    return test.exactly("Where", a, b)


def read_round(call: Call) -> Feature:
    """Return FakeQuantize to whole numbers."""
    return call.layer("FakeQuantize", call.feature(), low=-MAX_INT32, high=MAX_INT32)


def write_heaviside(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Cast of Greater."""
    zero = graph.constant(graph.scalar(0.0), f"{graph.layer}.zero")
    return _as_number(graph, graph.node("Greater", graph.stored(operation.reads[0]), zero))


def _as_number(graph: GraphWriter, test: GraphResult) -> GraphResult:
    """Return Cast of a truth value to the type of the network."""
    return graph.node("Cast", test, to=TYPE_CODES[graph.network.dtype])


def write_comparison(operator: str) -> Callable[[GraphWriter, Operation], GraphResult]:
    """Return the writer of a comparison as a number."""
    return lambda graph, operation: _as_number(graph, write_elementwise(operator)(graph, operation))


def write_where(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Where of Cast."""
    test, a, b = map(graph.repeatable, operation.reads)
    shape = np.broadcast_shapes(test.shape, a.shape, b.shape)
    condition = graph.node("Cast", test, to=BOOLEAN)
    return graph.node("Where", condition, a, b, shape=shape)


AT_LEAST = 'the sum of Compare("greater") and Compare("equal")'
OPERATORS = (
    Operator("Clip", read_clip, {"clip": write_clip}),
    Operator("Max", read_bound(below=True), {"maximum": write_elementwise("Max")}),
    Operator("Min", read_bound(below=False), {"minimum": write_elementwise("Min")}),
    Operator(
        "Greater", binary("Compare", _greater), {"heaviside": write_heaviside, "greater": write_comparison("Greater")}
    ),
    Operator("Less", binary("Compare", lambda a, b: _greater(b, a))),
    Operator("GreaterOrEqual", binary(AT_LEAST, _at_least)),
    Operator("LessOrEqual", binary(AT_LEAST, lambda a, b: _at_least(b, a))),
    Operator("Equal", binary("Compare", ScaledTerm.equals), {"equal": write_comparison("Equal")}),
    Operator("And", binary("the product", lambda a, b: a * b)),
    Operator("Or", binary("1 minus the product of negations", lambda a, b: 1 - (1 - a) * (1 - b))),
    Operator("Not", unary("1 − x", lambda x: 1 - x)),
    Operator("Where", formula(3, "Where", _where), {"where": write_where}),
    Operator("Sign", unary("Heaviside(x) − Heaviside(−x)", lambda x: is_positive(x) - is_positive(-x))),
    Operator("Round", read_round),
)
