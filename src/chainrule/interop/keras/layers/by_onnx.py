"""Functions of results and constants that the readers of ONNX operators translate.

The readers see channels as the first axis of a sample, and values of `BATCH` samples.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import KerasCall, Translated
from chainrule.interop.keras.layouts import KerasValue, axis_first, from_layout, stored_alike
from chainrule.interop.onnx.graph_writer import attribute
from chainrule.interop.onnx.messages import OnnxNode
from chainrule.interop.onnx.operator_call import Call, Feature, Value
from chainrule.interop.onnx.operators import READERS
from chainrule.interop.onnx.operators.moved_elements import materialized
from chainrule.interop.onnx.operators.terms import scale_and_shift

Operand = KerasValue | Array

BATCH, OPSET = 2, 18
PLACES = 32  # bytes per element of a value whose elements are moved
WEIGHTED = ("ConvTranspose",)


def apply_operator(call: KerasCall, operator: str, operands: Sequence[Operand], **attributes: Any) -> KerasValue:
    """Return the result of an element-wise ONNX operator for operands that are broadcast along axes of size 1.

    Results with the same layout keep it if all constants are numbers.
    """
    values = _results_among(operands)
    stored = stored_alike(values)
    if stored is None:
        return apply_in_order(call, operator, operands, **attributes)
    stored_operands: list[Operand] = []
    for operand in operands:
        if isinstance(operand, KerasValue):
            stored_operands.append(stored.pop(0))
        elif operand.size == 1:
            stored_operands.append(operand)
        else:
            return apply_in_order(call, operator, operands, **attributes)
    return values[0].with_node(apply_in_order(call, operator, stored_operands, **attributes).node)


def _results_among(operands: Sequence[Operand]) -> list[KerasValue]:
    return [operand for operand in operands if isinstance(operand, KerasValue)]


def apply_in_order(
    call: KerasCall,
    operator: str,
    operands: Sequence[Operand],
    *constants: Array | None,
    order: Sequence[int] | None = None,
    removed: Sequence[int] = (),
    **attributes: object,
) -> KerasValue:
    """Return the result of an ONNX operator.

    operands    inputs that are broadcast along axes of size 1
    constants   further inputs; None for an omitted one
    order       Keras' axes in the operator's order; None: the order in the node of the first result
    removed     Keras' axes that the result does not have
    attributes  attributes of the operator
    """
    longest = max(_results_among(operands), key=lambda value: value.rank)
    if order is None:
        order = longest.order_of_axes
    inputs = [_input(call, operand, longest.rank, order) for operand in operands]
    y = READERS[operator](onnx_call(call, operator, [*inputs, *constants], **attributes))
    assert isinstance(y, Feature)
    remaining = [axis for axis in order if axis not in removed]
    kept = sorted(remaining)
    return from_layout(y.node, [*map(kept.index, remaining)])


def _input(call: KerasCall, operand: Operand, rank: int, order: Sequence[int]) -> Value:
    """Return an operand with leading axes of size 1, and its axes in the given order."""
    if isinstance(operand, KerasValue):
        leading = (1,) * (rank - operand.rank)
        return Feature(operand.reshaped(leading + operand.shape).arranged(order), BATCH)
    sample = operand
    if operand.ndim > rank and len(operand) == 1:  # the same for all samples
        sample = operand[0]
    if sample.ndim > rank:
        raise call.unsupported(f"a constant of shape {operand.shape}", f"at most {rank} axes")
    if sample.size == 1:
        return sample.reshape(())
    return sample.reshape((1,) * (rank - sample.ndim) + sample.shape).transpose(order)


def affine(call: KerasCall, x: KerasValue, scale: Array | float, shift: Array | float = 0.0) -> KerasValue:
    """Return scale · x + shift as a layer that training does not change: Rescaling, or FixedAffine for arrays.

    Each constant is a single number, or one number per element of the last axis.
    """
    scale = np.asarray(scale, np.float64)
    shift = np.asarray(shift, np.float64)
    mul = onnx_call(call, "Mul", [])
    if scale.size == shift.size == 1:
        y = scale_and_shift(mul, Feature(x.node, BATCH), scale.reshape(()), shift.reshape(()))
        return x.with_node(y.node)
    order = x.order_of_axes
    constants = [cast("Array", _input(call, constant, x.rank, order)) for constant in (scale, shift)]
    y = scale_and_shift(mul, Feature(x.arranged(order), BATCH), *constants)
    return from_layout(y.node, order)


def clipped(call: KerasCall, x: KerasValue, low: float, high: float) -> KerasValue:
    """Return x clipped to [low, high]; see `Assembly.clip`."""
    return x.with_node(call.assembly.clip(x.node, low, high))


def onnx_call(call: KerasCall, operator: str, values: Sequence[Value | None], **attributes: object) -> Call:
    """Return the call of an ONNX operator instead of a Keras function.

    The constants of an operator in `WEIGHTED` are weights, which are named after the layer.
    """
    names = [""] * len(values)
    if operator in WEIGHTED:
        names = ["", f"{call.layer_name}.weight", f"{call.layer_name}.bias"][: len(values)]
    options = [attribute(name, value) for name, value in attributes.items()]
    node = OnnxNode(names, [call.layer.name], call.layer.name, operator, attributes=options)
    return Call(node, values, OPSET, call.assembly, open_batch=True)


def reduced(call: KerasCall, x: KerasValue, operator: str, axes: Sequence[int], *, keep: bool) -> KerasValue:
    """Return a reduction over axes of a sample, such as ReduceMean.

    keep   whether the axes remain, with size 1
    """
    order = x.order_of_axes
    removed = () if keep else axes
    if len(removed) == x.rank:
        raise call.unsupported("a reduction over all axes of a sample", "one axis more than the batch axis")
    numbers = np.array([1 + order.index(axis) for axis in axes])
    return apply_in_order(call, operator, [x], numbers, order=order, removed=removed, keepdims=int(keep))


def padded(call: KerasCall, x: KerasValue, borders: Sequence[Sequence[int]], value: float = 0.0) -> KerasValue:
    """Return a value with numbers before and after its elements along each axis of a sample. Negative sizes crop."""
    fixed = [axis for axis, pair in enumerate(borders) if not any(pair)]
    order = x.order_of_axes
    if len(fixed) == 1:
        order = axis_first(fixed[0], x.rank)  # Pad2D pads the last two axes
    before = [0]
    after = [0]
    for axis in order:
        first, last = borders[axis]
        before.append(first)
        after.append(last)
    return apply_in_order(call, "Pad", [x], np.array([*before, *after]), np.array(value), order=order)


def resized(call: KerasCall, x: KerasValue, channels: int, size: Sequence[int], mode: str) -> KerasValue:
    """Return images in another size, where the centers of pixels coincide.

    size   number of elements along each axis but that of the channels
    mode   "nearest", which reads the pixel that contains the center of the new pixel, or "bilinear"
    """
    order = axis_first(channels, x.rank)
    sizes = np.array([BATCH, x.shape[channels], *size])
    return apply_in_order(
        call, "Resize", [x], None, None, sizes, order=order, mode=mode, nearest_mode="round_prefer_ceil"
    )


def moved(call: KerasCall, x: KerasValue, move: Callable[[Array], Any]) -> Translated:
    """Return a value whose elements are moved as a function of arrays moves them; several values for several arrays.

    A function that only permutes or reshapes axes changes the layout, without layers. This is recognized by a result
    that is a view of the array. Otherwise, the function is applied to the positions of the elements instead, and layers
    are found that move elements to these positions.

    move   function of an array with the batch axis
    """
    moved_by = onnx_call(call, call.layer.kind, [])
    array = np.empty((BATCH, *moved_by.allocated(x.shape, BATCH)), np.int8)
    view: object = move(array)
    if isinstance(view, np.ndarray) and view.base is array:
        permuted = _permuted(x, cast("Array", view))
        if permuted is not None:
            return permuted
    moved_by.allocated(x.shape, BATCH * PLACES)
    starts = math.prod(x.shape) * np.arange(BATCH)
    indices = x.order() + starts[:, None]
    result: Any = move(indices.reshape(array.shape))
    if not isinstance(result, list | tuple):
        return _at(call, x, result, moved_by)
    return [_at(call, x, part, moved_by) for part in cast("list[Array]", result)]


def _at(call: KerasCall, x: KerasValue, indices: Array, moved_by: Call) -> KerasValue:
    """Return the elements of a value at these indices, an array with the batch axis."""
    if indices.ndim < 2:
        raise call.unsupported("a single element of each sample", "at least one more axis")
    last = indices.ndim - 2
    source = Feature(x.flat(), BATCH, indices=np.moveaxis(indices, -1, 1), moved_by=moved_by)
    return from_layout(materialized(source).node, axis_first(last, last + 1))


def _permuted(x: KerasValue, view: Array) -> KerasValue | None:
    """Return a value with its axes permuted as in a view of an array; None if the view has other elements or samples.

    view   view of an array of single bytes with the batch axis
    """
    size = math.prod(x.shape)
    if view.ndim < 2 or view.size != BATCH * size or len(view) != BATCH or view.strides[0] != size:
        return None
    for step, count in zip(view.strides, view.shape, strict=True):
        if count > 1 and step <= 0:
            return None
    order = sorted(range(1, view.ndim), key=lambda axis: -view.strides[axis])
    in_order = x.reshaped(tuple(view.shape[axis] for axis in order))
    return in_order.permuted([*map(order.index, range(1, view.ndim))])


def bounded(call: KerasCall, x: Array, growth: float) -> Array:
    """Return an array after charging a result with `growth` times its elements to the budget of the file."""
    call.assembly.budget.write(math.ceil(x.nbytes * growth), f"{call.layer.kind} {quoted(call.layer.name)}")
    return x
