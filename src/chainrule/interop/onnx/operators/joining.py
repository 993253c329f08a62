"""Concatenation of values and constants."""

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Array, Call, Feature
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.terms import fixed_value, sample_of


def read_concat(call: Call) -> Feature:
    """Return Concatenate; constants become FixedValue."""
    values = [value for value in call.values if value is not None]
    features = [value for value in values if isinstance(value, Feature)]
    if len({len(value.shape) for value in values}) > 1:
        raise call.invalid(f"inputs of {', '.join(str(value.shape) for value in values)}", "the same number of axes")
    axis = call.axis("axis", 1, len(features[0].shape))
    if len({value.batched for value in features}) > 1 or (axis == 0 and features[0].batched):
        if features[0].batch != 1:
            raise call.unsupported(f"axis 0 of {features[0].shape}, the batch axis", "an axis of a sample")
        values = [value.as_sample() if isinstance(value, Feature) and value.batched else value for value in values]
    first = next(value for value in values if isinstance(value, Feature))
    inputs = [value if isinstance(value, Feature) else _constant_part(call, value, first, axis) for value in values]
    return call.layer("Concatenate", *inputs, axis=axis - first.batched)


def _constant_part(call: Call, value: Array, like: Feature, axis: int) -> Feature:
    """Return a constant as a part of a concatenation along an axis in the file."""
    fixed_axes = [k for k in range(like.batched, len(like.shape)) if k != axis]
    if any(value.shape[k] != like.shape[k] for k in fixed_axes):
        raise call.invalid(f"a constant of shape {value.shape}", "sizes like those of the other inputs")
    sample = sample_of(call, value, like)
    return fixed_value(call, sample, like)


def write_concat(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Concat."""
    inputs = [graph.view(tensor) for tensor in operation.reads]
    return graph.node("Concat", *inputs, shape=operation.writes[0].shape, axis=operation.attributes["axis"] + 1)


OPERATORS = (Operator("Concat", read_concat, {"concatenate": write_concat}),)
