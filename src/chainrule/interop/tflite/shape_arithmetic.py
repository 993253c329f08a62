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
    if code in ARITHMETIC:
        return ARITHMETIC[code](x, *others)
    if code in ("CONCATENATION", "PACK"):
        join = np.concatenate if code == "CONCATENATION" else np.stack
        return join([x, *others], options.Axis() if options else 0)
    if code == "GATHER":
        return np.take(x, others[0], options.Axis() if options else 0)
    if code == "REDUCE_PROD":
        return x.prod(tuple(others[0].reshape(-1)), keepdims=bool(options and options.KeepDims()))
    if code == "RESHAPE":
        return x.reshape(others[0].tolist())
    if code != "STRIDED_SLICE" or x.ndim != 1:
        return None
    begin, end, step = (int(values[0]) for values in others)
    if options.ShrinkAxisMask():
        return x[begin]
    return x[None if options.BeginMask() else begin : None if options.EndMask() else end : step]


def result_shape(code: str, shapes: Sequence[Shape], target: Array | None, *, is_elementwise: bool) -> Shape | None:
    """Return the shape of a result; None if it does not follow from those of the inputs.

    target   shape that a RESHAPE computes
    """
    if target is not None:
        return np.empty(shapes[0], np.int8).reshape(target.tolist()).shape
    if code == "FULLY_CONNECTED":
        return (*shapes[0][:-1], shapes[1][0])
    return np.broadcast_shapes(*shapes) if is_elementwise else None
