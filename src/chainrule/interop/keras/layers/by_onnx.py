"""Functions of results and constants that the readers of ONNX operators translate.

The readers see channels as the first axis of a sample, and values of `BATCH` samples.
"""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.interop.assembly import MAX_FLOAT32, reshaped
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.weights import KerasValue, axis_first, from_layout
from chainrule.interop.onnx.graph_writer import attribute
from chainrule.interop.onnx.messages import OnnxNode
from chainrule.interop.onnx.operator_call import Call, Feature, Value
from chainrule.interop.onnx.operators import READERS
from chainrule.interop.onnx.operators.positions import settled
from chainrule.interop.onnx.operators.shapes import MAX_ELEMENTS, check_size

Array = NDArray[Any]
Operand = KerasValue | Array

BATCH, OPSET = 2, 18


def apply_operator(
    call: KerasCall, operator: str, operands: Sequence[Operand], *constants: Array, **attributes: Any
) -> KerasValue:
    """Return the result of an ONNX operator for operands that are broadcast along axes of size 1.

    Results with the same layout keep it if all constants are numbers.

    constants   further inputs, which are not broadcast
    attributes  attributes of the operator
    """
    features = [operand for operand in operands if isinstance(operand, KerasValue)]
    first, rank = features[0], max(value.rank for value in features)
    keeps_layout = len({(value.shape, value.inner, value.axes) for value in features}) == 1
    numbers = all(isinstance(operand, KerasValue) or operand.size == 1 for operand in operands)
    keeps_layout = keeps_layout and numbers and not constants
    values = [_value(call, operand, rank, keeps_layout=keeps_layout) for operand in operands]
    y: Feature = READERS[operator](onnx_call(call, operator, [*values, *constants], **attributes))
    if keeps_layout:
        return first.with_node(y.node)
    return from_layout(y.node, axis_first(rank - 1, rank))


def _value(call: KerasCall, operand: Operand, rank: int, *, keeps_layout: bool) -> Value:
    """Return an operand with channels first, or with the axes of its node if the layout is kept."""
    if isinstance(operand, KerasValue):
        if keeps_layout:
            return Feature(reshaped(operand.node, operand.inner or (1,)), BATCH)
        return Feature(operand.reshaped((1,) * (rank - operand.rank) + operand.shape).with_first(rank - 1), BATCH)
    sample = operand[0] if operand.ndim > rank and len(operand) == 1 else operand  # the same for all samples
    if not (np.abs(sample) <= MAX_FLOAT32).all() or sample.ndim > rank:
        raise call.unsupported(f"a constant of shape {operand.shape}", f"at most {rank} axes, within float32")
    aligned = sample.reshape((1,) * (rank - sample.ndim) + sample.shape)
    return sample.reshape(()) if sample.size == 1 else np.moveaxis(aligned, -1, 0)


def onnx_call(call: KerasCall, operator: str, values: Sequence[Value], **attributes: Any) -> Call:
    """Return the call of an ONNX operator in place of a Keras function."""
    options = [attribute(name, value) for name, value in attributes.items()]
    node = OnnxNode([""] * len(values), [call.layer.name], call.layer.name, operator, attributes=options)
    result = Call(node, values, OPSET, call.assembly)
    result.open_batch = True
    return result


def reduced(call: KerasCall, x: KerasValue, operator: str, axes: Sequence[int], *, keep: bool) -> KerasValue:
    """Return a reduction over axes of a sample, such as ReduceMean.

    keep   whether the axes remain, with size 1
    """
    order = axis_first(x.rank - 1, x.rank)
    kept = [axis for axis in order if keep or axis not in axes]
    if not kept:
        raise call.unsupported("a reduction over all axes of a sample", "one axis more than the batch axis")
    numbers = np.array([1 + order.index(axis) for axis in axes], np.int64)
    values = [Feature(x.arranged(order), BATCH), numbers]
    y: Feature = READERS[operator](onnx_call(call, operator, values, keepdims=int(keep)))
    return from_layout(y.node, np.argsort(np.argsort(kept)).tolist())


def moved(call: KerasCall, x: KerasValue, move: Callable[[Array], Any]) -> KerasValue | list[KerasValue]:
    """Return layers that select and repeat elements as a function of arrays does; several values for several arrays.

    move   function of an array with the batch axis
    """
    mover, size = onnx_call(call, call.layer.kind, []), prod(x.shape)
    check_size(mover, x.shape)
    y = move((x.order() + size * np.arange(BATCH)[:, None]).reshape(BATCH, *x.shape))
    parts = cast("list[Array]", y if isinstance(y, list | tuple) else [y])
    values: list[KerasValue] = []
    for places in parts:
        if places.ndim < 2:
            raise call.unsupported("a single element of each sample", "at least one more axis")
        last = places.ndim - 2
        source = Feature(x.flat(), BATCH, positions=np.moveaxis(places, -1, 1), mover=mover)
        values.append(from_layout(settled(source).node, axis_first(last, last + 1)))
    return values if parts is y else values[0]


def bounded(call: KerasCall, x: Array, growth: float) -> Array:
    """Return an array; FormatError if a result with `growth` times its elements would be too large."""
    if x.size * growth > MAX_ELEMENTS:
        raise call.unsupported(f"{x.size * growth:,.0f} elements", f"at most {MAX_ELEMENTS:,}")
    return x
