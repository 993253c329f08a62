"""Functions of keras.ops, such as x + y and ops.mean(x), as they occur in functional models."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np

from chainrule._io.files import expect_object
from chainrule.core.arrays import Array
from chainrule.errors import quoted
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.keras import activations, shapes, weighted
from chainrule.interop.keras.layer_call import LayerCall
from chainrule.interop.keras.values import as_dict, as_list, is_whole
from chainrule.interop.names import NAMES
from chainrule.interop.onnx.operator_call import Feature
from chainrule.interop.onnx.tensors import TYPES

Result = Feature | list[Feature]
Translation = Callable[[LayerCall], Result]
Move = Callable[[LayerCall, Array], Array]
FLOATS_AND_BOOL = ("bool", "float16", "float32", "float64", "bfloat16")
ALL = range(1 << 31)  # samples


def nodes(operators: str) -> Translation:
    """Return the translation to an ONNX operator of all operands, or to several operators in a row."""
    first, *others = operators.split()

    def translate(call: LayerCall) -> Feature:
        y = call.op(first, *call.aligned(call.operands))
        for operator in others:
            y = call.op(operator, y)
        return y

    return translate


def reduction(operator: str, call: LayerCall) -> Feature:
    """Return a reduction over axes of a sample."""
    return call.reduced(operator, call.x, call.axes(default=None), keeps_axes=call.flag("keepdims", default=False))


def square(call: LayerCall) -> Feature:
    """Return x · x."""
    return call.op("Mul", call.x, call.x)


def cast_(call: LayerCall) -> Feature:
    """Return Cast to floats or truth values."""
    return call.op("Cast", call.x, to=TYPES.index(call.choice("dtype", "float32", FLOATS_AND_BOOL)))


def clip(call: LayerCall) -> Feature:
    """Return Clip."""
    return call.clipped(call.x, call.number("x_min", -MAX_FLOAT32), call.number("x_max", MAX_FLOAT32))


def gelu(call: LayerCall) -> Feature:
    """Return Gelu, with the tanh approximation unless `approximate` is false."""
    if call.flag("approximate", default=True):
        return call.layer(call.x, "GELU")
    return call.layer(call.x, "ExactGELU")


# ---------------------------------------------------------------------- moved elements


def movement(move: Move) -> Translation:
    """Return the translation of a function that moves the elements of an array."""
    return lambda call: call.moved(call.x, lambda indices: move(call, indices))


def _argument(call: LayerCall, name: str) -> Any:
    """Return an argument of a function of NumPy: a number or a tuple."""
    value: object = call.value(name)
    entries = as_list(value)
    if entries is None:
        return value
    return tuple(entries)


def reshape(call: LayerCall, x: Array) -> Array:
    """Return an array in another shape."""
    target: object = call.value("newshape")
    sizes = as_list(target) or []
    if len(sizes) < 2 or sizes[0] not in (-1, None) or not all(is_whole(size) for size in sizes[1:]):
        raise call.unsupported(f"newshape {quoted(target)}", "−1 for the batch axis, and sizes of a sample")
    return x.reshape(len(x), *cast("list[int]", sizes[1:]))


def get_item(call: LayerCall, x: Array) -> Array:
    """Select elements by an index or a range for each axis."""
    index = tuple(_index(call, entry) for entry in as_list(call.value("index")) or [])
    if index and isinstance(index[0], slice) and ALL[index[0]] != ALL:
        raise call.unsupported(f"index {quoted(call.value('index'))}", "all samples")
    return x[index]


def _index(call: LayerCall, entry: object) -> Any:
    """Return an entry of an index of NumPy: a whole number, a range, None for a new axis, or an ellipsis."""
    kind = as_dict(entry).get("class_name")
    if kind is None and (entry is None or is_whole(entry)):
        return entry
    if kind == "__slice__":
        bounds = expect_object(as_dict(entry).get("config"), "config of a slice")
        return slice(bounds.get("start"), bounds.get("stop"), bounds.get("step"))
    if kind == "__ellipsis__":
        return ...
    raise call.unsupported(f"index {quoted(entry)}", "whole numbers and ranges")


MOVEMENTS: dict[str, Move] = {
    "ExpandDims": lambda call, x: np.expand_dims(x, _argument(call, "axis")),
    "GetItem": get_item,
    "Reshape": reshape,
    "Squeeze": lambda call, x: np.squeeze(x, _argument(call, "axis")),
    "Transpose": lambda call, x: x.transpose(_argument(call, "axes")),
}


def activation(apply: activations.Apply) -> Translation:
    """Return the translation of an activation function."""
    return lambda call: apply(call, call.x)


OPERATIONS: dict[str, Translation] = {
    **{name.title().replace("_", ""): activation(apply) for name, apply in activations.FUNCTIONS.items()},
    **{name: nodes(operators) for name, operators in NAMES.onnx.items()},
    **{name: partial(reduction, f"Reduce{name}") for name in ("Mean", "Sum", "Max", "Min")},
    **{name: movement(move) for name, move in MOVEMENTS.items()},
    "Square": square,
    "Cast": cast_,
    "Clip": clip,
    "Gelu": gelu,
    "LeakyRelu": activations.leaky_relu,
    "Elu": activations.elu,
    "Concatenate": shapes.concatenate,
    "Identity": shapes.idle,
}
LAYERS: dict[str, Callable[[LayerCall], Feature]] = {**weighted.LAYERS, **activations.LAYERS, **shapes.LAYERS}


def described() -> list[tuple[str, str]]:
    """Return (name, ONNX operators) for every Keras layer, in alphabetical order."""
    rows: list[tuple[str, str]] = []
    for name, translate in sorted(LAYERS.items()):
        if isinstance(translate, partial):
            translate = cast("partial[Feature]", translate).func
        paragraph = (translate.__doc__ or "").split("\n\n")[0]
        rows.append((name, " ".join(paragraph.split()).removeprefix("Return ").rstrip(".")))
    return rows
