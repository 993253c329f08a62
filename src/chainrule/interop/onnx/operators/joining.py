"""Concatenation of values and constants."""

from chainrule.core.arrays import Array
from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.terms import fixed_value, sample_of


def read_concat(call: Call) -> Feature:
    """Return Concatenate; constants become FixedValue."""
    values = [value for value in call.values if value is not None]
    shapes = [value.shape for value in values]
    if len({*map(len, shapes)}) > 1:
        raise call.invalid(f"inputs of {', '.join(map(str, shapes))}", "the same number of axes")
    like = call.features[0]
    axis = call.axis("axis", 1, len(like.shape))
    batched = [value for value in call.features if value.batched]
    is_of_one_sample = len(batched) < len(call.features) or axis == 0  # no batch axis, or one of size 1 that is joined
    if is_of_one_sample and batched and like.batch != 1:
        raise call.unsupported(f"axis 0 of {like.shape}, the batch axis", "an axis of a sample")
    if is_of_one_sample:
        like = _as_sample(like)
    parts: list[Feature] = []
    for value in values:
        if not isinstance(value, Feature):
            parts.append(_constant_part(call, value, like, axis))
        elif is_of_one_sample:
            parts.append(_as_sample(value))
        else:
            parts.append(value)
    return call.layer("Concatenate", *parts, axis=axis - like.batched)


def _as_sample(x: Feature) -> Feature:
    return x.as_sample() if x.batched else x


def _constant_part(call: Call, value: Array, like: Feature, axis: int) -> Feature:
    """Return a constant as a part of a concatenation along an axis in the file."""
    for other in range(like.batched, len(like.shape)):
        if other != axis and value.shape[other] != like.shape[other]:
            raise call.invalid(f"a constant of shape {value.shape}", "sizes like those of the other inputs")
    return fixed_value(call, sample_of(call, value, like), like)


def write_concat(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Concat."""
    inputs = [graph.view(tensor) for tensor in operation.reads]
    return graph.node("Concat", *inputs, shape=operation.result.shape, axis=operation.attributes["axis"] + 1)


OPERATORS = (Operator("Concat", read_concat, {"concatenate": write_concat}),)
