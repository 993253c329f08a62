"""Keras layers that move elements, change sizes, or combine values."""

from collections.abc import Callable
from functools import partial, reduce

import numpy as np

from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import LayerCall
from chainrule.interop.keras.values import as_list, is_whole
from chainrule.interop.names import NAMES
from chainrule.interop.onnx.operator_call import Feature

MODES = ("nearest", "bilinear")


def idle(call: LayerCall) -> Feature:
    """Return the input: the layer does nothing in inference."""
    call.ignore_options()
    return call.x


def reshape(call: LayerCall) -> Feature:
    """Return Reshape."""
    target: object = call.value("target_shape")
    sizes = as_list(target) or []
    are_sizes = all(is_whole(size, 1) or size == -1 for size in sizes)
    if not are_sizes or not 1 <= len(sizes) <= 16:
        raise call.unsupported(f"target_shape {quoted(target)}", "sizes of a sample")
    return call.moved(call.x, lambda indices: indices.reshape(len(indices), *sizes))


def flatten(call: LayerCall) -> Feature:
    """Return Flatten."""
    return call.moved(call.x, lambda indices: indices.reshape(len(indices), -1))


def permute(call: LayerCall) -> Feature:
    """Return Transpose."""
    order = call.integers("dims", len(call.x.shape) - 1)
    return call.moved(call.x, lambda indices: indices.transpose(0, *order))


def borders(option: str, sign: int, default: int, call: LayerCall) -> Feature:
    """Return Pad with zeros, or with negative numbers, which remove elements."""
    mode = call.option("mode", "constant")
    value = call.option("value", 0)
    if mode != "constant" or value:
        raise call.unsupported(f"mode {quoted(mode)}, value {quoted(value)}", "zeros")
    axes = len(call.x.shape) - 2
    stated: object = call.value(option, default)
    sizes = np.array(stated)
    if sizes.ndim == 1 and axes > 1:
        sizes = sizes[:, None]  # the same at the start and end
    if sizes.dtype.kind not in "iu" or sizes.shape not in ((), (2,), (axes, 1), (axes, 2)) or sizes.min() < 0:
        raise call.unsupported(f"{option} {quoted(stated)}", f"{axes} pairs of whole numbers")
    pairs = np.zeros((axes + 2, 2), int)
    pairs[1:-1] = sign * np.broadcast_to(sizes, (axes, 2))
    return call.padded(call.x, pairs)


def upsample(call: LayerCall) -> Feature:
    """Return Resize by whole factors."""
    x = call.image()
    factors = call.integers("size", len(x.shape) - 2, 2)
    sizes = [side * factor for side, factor in zip(x.shape[2:], factors, strict=True)]
    return call.as_in_keras(call.resized(x, sizes, call.choice("interpolation", MODES[0], MODES)))


def resizing(call: LayerCall) -> Feature:
    """Return Resize to a height and a width."""
    for option in ("antialias", "crop_to_aspect_ratio", "pad_to_aspect_ratio"):
        if call.flag(option, default=False):
            raise call.unsupported(f"{option} true", "false")
    for option in ("fill_mode", "fill_value"):  # of pad_to_aspect_ratio
        call.option(option)
    size = [call.integer("height"), call.integer("width")]
    return call.as_in_keras(call.resized(call.image(), size, call.choice("interpolation", MODES[1], MODES)))


# ---------------------------------------------------------------------- several values


def concatenate(call: LayerCall) -> Feature:
    """Return Concat along an axis of a sample."""
    if len(call.inputs) < len(call.operands):
        raise call.unsupported("a constant among the inputs", "results of layers")
    return call.joined(call.inputs, call.axis())


def add(call: LayerCall) -> Feature:
    """Return Add of all inputs."""
    return _merged("Add", call)


def multiply(call: LayerCall) -> Feature:
    """Return Mul of all inputs."""
    return _merged("Mul", call)


def maximum(call: LayerCall) -> Feature:
    """Return Max of all inputs."""
    return _merged("Max", call)


def minimum(call: LayerCall) -> Feature:
    """Return Min of all inputs."""
    return _merged("Min", call)


def subtract(call: LayerCall) -> Feature:
    """Return Sub."""
    if len(call.inputs) != 2:
        raise call.unsupported(f"{len(call.inputs)} inputs", "two")
    return _merged("Sub", call)


def average(call: LayerCall) -> Feature:
    """Return the mean of the inputs."""
    return call.affine(_merged("Add", call), 1 / len(call.inputs))


def _merged(operator: str, call: LayerCall) -> Feature:
    inputs = [value for value in call.aligned(call.inputs) if isinstance(value, Feature)]
    return reduce(lambda x, other: call.op(operator, x, other), inputs)


LAYERS: dict[str, Callable[[LayerCall], Feature]] = {
    **dict.fromkeys(("Dropout", *NAMES.groups["keras_identity"]), idle),
    "Reshape": reshape,
    "Flatten": flatten,
    "Permute": permute,
    "Resizing": resizing,
    "Concatenate": concatenate,
    "Add": add,
    "Multiply": multiply,
    "Maximum": maximum,
    "Minimum": minimum,
    "Subtract": subtract,
    "Average": average,
}
for axes, cropped_by_default in ((1, 1), (2, 0)):
    LAYERS[f"ZeroPadding{axes}D"] = partial(borders, "padding", 1, 1)
    LAYERS[f"Cropping{axes}D"] = partial(borders, "cropping", -1, cropped_by_default)
    LAYERS[f"UpSampling{axes}D"] = upsample
