"""Sums, products, quotients and powers of values and constants."""

import itertools
import math
import operator
from collections.abc import Callable

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.terms import ScaledTerm, binary, combine, formula, terms, unary
from chainrule.layers import Sigmoid


def read_mul(call: Call) -> Feature:
    """Return Multiply, or SiLU for x · σ(x); for a constant, Rescaling by a number, or FixedAffine, or a 1×1 depthwise
    convolution if the constant has a name like those of weights. A constant that is added next becomes the shift.
    """
    for x, gate in itertools.permutations(call.features, 2):
        if isinstance(gate.node.layer, Sigmoid) and gate.node.inputs[0] is x.node:
            return call.layer("SiLU", x)
    variable, constant = terms(call, 2)
    product = variable * constant
    if variable.x is None:
        variable, constant = constant, variable
    x = variable.x
    if x is None or constant.x is not None or np.ndim(constant.shift) > len(x.shape):
        return product.feature
    shape = (x.node.shape[0], *[1] * (len(x.node.shape) - 1))
    if x.batched:
        shape = (1, *shape)
    shift = call.fuse_following_add(shape)
    if shift is None:
        shift = 0.0
    return (product + shift).feature


def _power(base: ScaledTerm, exponent: ScaledTerm) -> ScaledTerm:
    """Return a power with a constant exponent or a constant base."""
    call = base.call
    if exponent.x is None:
        rank = len(base.feature.shape)
        if np.ndim(exponent.shift) > rank:
            raise call.unsupported(f"an exponent of {np.ndim(exponent.shift)} axes", f"at most {rank}")
        return base ** _number(exponent)
    if base.x is not None or _number(base) <= 0:
        raise call.unsupported("an exponent that depends on the network's input", "a constant one, or a base above 0")
    return (exponent * math.log(_number(base))).layer("Exp")


def _number(constant: ScaledTerm) -> float:
    value = np.asarray(constant.shift)
    if value.size != 1:
        raise constant.call.unsupported(f"a constant of shape {value.shape}", "one number")
    return float(value.reshape(-1)[0])


def _sum(*summands: ScaledTerm) -> ScaledTerm:
    """Return the sum of variables, with one layer, and of constants."""
    call = summands[0].call
    features = [term.x for term in summands if term.x is not None]
    total = ScaledTerm(call, features[0])
    if len(features) > 1:
        total = ScaledTerm(call, combine(call, "Add", *features))
    for term in summands:
        if term.x is None:
            total = total + term
    return total


def write_elementwise(name: str) -> Callable[[GraphWriter, Operation], GraphResult]:
    """Return the writer of an operation on two values, which ONNX broadcasts along axes of size 1."""

    def write(graph: GraphWriter, operation: Operation) -> GraphResult:
        inputs = [graph.repeatable(tensor) for tensor in operation.reads]
        shape = np.broadcast_shapes(*(value.shape for value in inputs))
        return graph.node(name, *inputs, shape=shape)

    return write


def write_rescaling(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Mul and Add of numbers."""
    x = graph.stored(operation.reads[0])
    scale = operation.attributes["scale"]
    shift = operation.attributes["shift"]
    if (scale, shift) == (1, 0):
        return graph.node("Identity", x)
    if scale != 1:
        x = graph.node("Mul", x, graph.constant(graph.scalar(scale), f"{graph.layer}.scale"))
    if shift != 0:
        x = graph.node("Add", x, graph.constant(graph.scalar(shift), f"{graph.layer}.shift"))
    return x


def write_add_bias(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Add of a bias for each channel or each position."""
    _, b = operation.reads
    assert b is not None
    if len(b.shape) > 1:
        return graph.node("Add", graph.view(operation.reads[0]), graph.weight(b))
    x = graph.channels(operation.reads[0])
    return graph.node("Add", x, graph.channel_weight(b, x))


ADD = binary("Add; for a constant, Rescaling by a number, or FixedAffine", operator.add)
OPERATORS = (
    Operator("Add", ADD, {"add": write_elementwise("Add"), "add_bias": write_add_bias}),
    Operator(
        "Sub",
        binary("Add of the first operand and −1 times the second; for a constant, as Add", operator.sub),
    ),
    Operator("Neg", unary("Rescaling by −1", operator.neg)),
    Operator("Mul", read_mul, {"multiply": write_elementwise("Mul"), "rescaling": write_rescaling}),
    Operator(
        "Div",
        binary(
            "the product of the first operand and the Reciprocal of the second; for a constant divisor, as Mul",
            ScaledTerm.__truediv__,
        ),
    ),
    Operator(
        "Pow",
        binary("a product of equal factors, Sqrt, Reciprocal, or Exp of a multiple of Log", _power),
    ),
    Operator("Sum", formula(None, "Add of all inputs", _sum)),
)
