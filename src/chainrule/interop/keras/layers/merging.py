"""Layers that join branches, and the functions of keras.ops that do the same."""

from collections.abc import Callable, Sequence

import numpy as np

from chainrule.interop.keras.call import KerasCall
from chainrule.interop.keras.layout import KerasValue, axis_first, placed


def merged(call: KerasCall, kind: str, inputs: Sequence[KerasValue]) -> KerasValue:
    """Return a sum or product; sizes of 1 are repeated."""
    first, rank = inputs[0], max(each.rank for each in inputs)
    if all((each.shape, each.inner, each.axes) == (first.shape, first.inner, first.axes) for each in inputs):
        alike = len({each.node.shape for each in inputs}) == 1
        return first.on(call.assembly.apply(kind, *(each.node if alike else each.flat() for each in inputs)))
    lifted = [each.reshaped((1,) * (rank - each.rank) + each.shape) for each in inputs]
    nodes = [each.with_first(rank - 1) for each in lifted]
    return placed(call.assembly.apply(kind, *nodes), axis_first(rank - 1, rank))


def several(kind: str) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of a sum or product of several inputs."""

    def translate(call: KerasCall) -> KerasValue:
        return merged(call, kind, call.inputs)

    translate.__doc__ = f"Return {kind}."
    return translate


def subtract(call: KerasCall) -> KerasValue:
    """Return a sum with what is subtracted times −1."""
    if len(call.inputs) != 2:
        raise call.refusal(f"{len(call.inputs)} inputs", "two")
    return merged(call, "Add", [call.inputs[0], call.affine(call.inputs[1], np.array(-1.0))])


def average(call: KerasCall) -> KerasValue:
    """Return the mean of several inputs."""
    return call.affine(merged(call, "Add", call.inputs), np.array(1 / len(call.inputs)))


def concatenate(call: KerasCall) -> KerasValue:
    """Return Concatenate."""
    axis, rank = call.axis("axis"), call.inputs[0].rank
    if any(each.rank != rank for each in call.inputs):
        raise call.refusal(f"inputs {[each.shape for each in call.inputs]}", "as many axes")
    order = axis_first(rank - 1, rank)
    node = call.assembly.apply("Concatenate", *(each.arranged(order) for each in call.inputs), axis=order.index(axis))
    return placed(node, order)


def _with_number(kind: str, call: KerasCall) -> KerasValue:
    """Return a result plus, minus, times or divided by a number, or a number minus a result."""
    x, is_first = call.x, isinstance(call.operands[0], KerasValue)
    number = next(each for each in call.operands if not isinstance(each, KerasValue))
    if kind == "TrueDivide" and is_first and number:
        return call.affine(x, np.array(1 / number))
    if kind == "Multiply":
        return call.affine(x, np.array(number))
    if kind == "Subtract":
        return call.affine(x, np.array(1.0 if is_first else -1.0), np.array(-number if is_first else number))
    if kind == "Add":
        return call.affine(x, np.array(1.0), np.array(number))
    raise call.refusal(f"{number} and a result", "a result divided by a number that is not 0")


def operation(kind: str) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of a function of two operands, one of which may be a number."""

    def translate(call: KerasCall) -> KerasValue:
        if len(call.operands) != 2:
            raise call.refusal(f"{len(call.operands)} operands", "two")
        if len(call.inputs) == 1:
            return _with_number(kind, call)
        if kind not in LAYERS:
            raise call.refusal("two results", "a number to divide by")
        return LAYERS[kind](call)

    return translate


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {
    "Add": several("Add"),
    "Multiply": several("Multiply"),
    "Subtract": subtract,
    "Average": average,
    "Concatenate": concatenate,
}
OPERATIONS = {kind: operation(kind) for kind in ("Add", "Multiply", "Subtract", "TrueDivide")}
