"""Whole numbers that operators of TensorFlow Lite compute of shapes, and the shapes that follow from them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Shape

ARITHMETIC: dict[str, Callable[..., Array]] = {  # operators of whole numbers → functions of NumPy
    "ADD": np.add,
    "CAST": np.asarray,
    "FLOOR_DIV": np.floor_divide,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "MUL": np.multiply,
    "SUB": np.subtract,
}


def computed(code: str, options: Any, x: Array, *others: Array) -> Any:
    """Return the whole numbers that an operator computes of constants; None for other operators."""
    axis = 0
    if options and code in ("CONCATENATION", "PACK", "GATHER"):
        axis = options.Axis()
    if code in ARITHMETIC:
        return ARITHMETIC[code](x, *others)
    if code == "CONCATENATION":
        return np.concatenate([x, *others], axis)
    if code == "PACK":
        return np.stack([x, *others], axis)
    if code == "GATHER":
        return np.take(x, others[0], axis)
    if code == "REDUCE_PROD":
        keeps_axes = bool(options and options.KeepDims())
        return x.prod(tuple(others[0].reshape(-1)), keepdims=keeps_axes)
    if code == "RESHAPE":
        return x.reshape(others[0].tolist())
    if code != "STRIDED_SLICE" or x.ndim != 1:
        return None
    begin, end, step = (int(values[0]) for values in others)
    if options.ShrinkAxisMask():
        return x[begin]
    first = None if options.BeginMask() else begin
    last = None if options.EndMask() else end
    return x[first:last:step]


def result_shape(code: str, shapes: Sequence[Shape], target: Array | None, *, is_elementwise: bool) -> Shape | None:
    """Return the shape of a result; None if it does not follow from those of the inputs.

    target   shape that a RESHAPE computes
    """
    if target is not None:
        return np.empty(shapes[0], np.int8).reshape(target.tolist()).shape
    if code == "FULLY_CONNECTED":
        x, w = shapes[:2]
        return (*x[:-1], w[0])
    if not is_elementwise:
        return None
    return np.broadcast_shapes(*shapes)
