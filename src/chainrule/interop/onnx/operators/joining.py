"""Concatenation of values and constants."""

from collections.abc import Sequence

import numpy as np

from chainrule.core.plan import Operation
from chainrule.interop.onnx.graph_writer import GraphResult, GraphWriter
from chainrule.interop.onnx.operator_call import Array, Call, Feature, Value, for_one_sample
from chainrule.interop.onnx.operators.operator import Operator
from chainrule.interop.onnx.operators.padding import pad_with_zeros
from chainrule.interop.onnx.operators.terms import ScaledTerm


def read_concat(call: Call) -> Feature:
    """Return Concatenate; constants are added to zeros."""
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
    return _concatenate(call, first, values, axis - first.batched)


def _concatenate(call: Call, first: Feature, values: Sequence[Value], axis: int) -> Feature:
    """Return the concatenation of values and constants along an axis of a sample.

    The place of each constant is filled with zeros, and the constant is added: of x, constant a, z and constant b,

        Concatenate(x, (0, z, 0)) + (0, a, 0, b)

    `zeros` is the size of the constants since the last value. They become padding of the next value or, at the end, of
    the last one.
    """
    inputs, shifts, zeros = list[Feature](), list[Array](), 0
    for value in values:
        if isinstance(value, Feature):
            inputs.append(pad_with_zeros(call, value, {axis: (zeros, 0)}) if zeros else value)
            shifts.append(np.broadcast_to(0.0, value.node.shape))
            zeros = 0
        else:
            shifts.append(_constant_sample(call, first, value, axis))
            zeros += shifts[-1].shape[axis]
    if zeros:
        inputs[-1] = pad_with_zeros(call, inputs[-1], {axis: (0, zeros)})
    y = inputs[0] if len(inputs) == 1 else call.layer("Concatenate", *inputs, axis=axis)
    if len(inputs) == len(values):
        return y
    call.allocated(y.node.shape, 8)
    shift = np.concatenate(shifts, axis)
    return (ScaledTerm(call, y) + (shift[None] if y.batched else shift)).feature


def _constant_sample(call: Call, first: Feature, value: Array, axis: int) -> Array:
    """Return a constant without the batch axis, which must be equal for all samples."""
    if first.batched:
        value = for_one_sample(value, first.shape)
        if len(value) > 1:
            raise call.unsupported(f"a constant of shape {value.shape}", "a constant that is equal for all samples")
        value = value[0]
    if any(own != size for k, (own, size) in enumerate(zip(value.shape, first.node.shape, strict=True)) if k != axis):
        raise call.invalid(f"a constant of shape {value.shape}", "sizes like those of the other inputs")
    return value


def write_concat(graph: GraphWriter, operation: Operation) -> GraphResult:
    """Return Concat."""
    inputs = [graph.view(tensor) for tensor in operation.reads]
    return graph.node("Concat", *inputs, shape=operation.writes[0].shape, axis=operation.attributes["axis"] + 1)


OPERATORS = (Operator("Concat", read_concat, {"concatenate": write_concat}),)
