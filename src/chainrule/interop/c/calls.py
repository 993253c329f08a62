"""Calls of C functions for the operations of a plan. The C function of an operation has the operation's name."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from chainrule.core import shapes
from chainrule.core.plan import Operation, Tensor
from chainrule.errors import OptionError
from chainrule.layers.activations import ELEMENTWISE
from chainrule.operations.scalar_code import C_NAMES
from chainrule.training import losses

MAX_AXES, MAX_PERMUTED_AXES = 4, 8  # maximum number of axes in kernels/geometry.c: of pad and crop, and of permute
MODES = {"average": 0, "nearest": 1, "bilinear": 2}
SEED, STEP = "seed", "step"  # C variables of a training program


class Struct(NamedTuple):
    """A pointer to a constant struct or array: its C type and its entries in order."""

    kind: str
    entries: tuple[int, ...]


class Offset(NamedTuple):
    """A pointer into an array: the array's tensor and an offset in elements."""

    tensor: Tensor
    offset: int


Argument: TypeAlias = Tensor | Offset | Struct | str | int | float | None


class CCall(NamedTuple):
    """A call of a C function.

    in_place  whether the result may overwrite the first tensor, if both have the same size
    """

    function: str
    arguments: tuple[Argument, ...]
    in_place: bool = False

    @property
    def tensors(self) -> list[Tensor]:
        """Return the tensors that the call reads or writes."""
        operands = [operand.tensor if isinstance(operand, Offset) else operand for operand in self.arguments]
        return [operand for operand in operands if isinstance(operand, Tensor)]


def of_operation(operation: Operation) -> list[CCall]:
    """Return the calls of C functions that apply an operation to one sample.

    Errors   OptionError, with the name of the layer, for an operation without a C function
    """
    emit = _CALLS.get(operation.name)
    if operation.call or emit is None:
        raise unsupported(operation)
    return emit(operation)


def unsupported(operation: Operation, target: str = "C") -> OptionError:
    """Return the error for an operation that cannot be exported. `target` names the format in the message."""
    layer = operation.writes[0].name.rpartition(".")[0]
    what = "is a custom layer" if operation.call else f"computes {operation.name}"
    return OptionError(f"layer {layer!r} {what}, which cannot be exported to {target}")


def sliding(image: Tensor, kernel: tuple[int, ...], result: Tensor, attributes: Any) -> Struct:
    """Return the struct `sliding` for a kernel (KH, KW), an image and a result, both (C, H, W)."""
    entries = (*image.shape, *result.shape, *kernel, *attributes["stride"], *attributes["dilation"])
    (top, _), (left, _) = attributes["padding"]
    return Struct("sliding", (*entries, top, left, attributes["groups"], int(attributes["flip"])))


def pooling(image: Tensor, result: Tensor, attributes: Any) -> Struct:
    """Return the struct `pooling` for an image and a result, both (C, H, W)."""
    (top, _), (left, _) = attributes["padding"]
    entries = (*image.shape, *result.shape[1:], *attributes["window"], *attributes["stride"], top, left)
    return Struct("pooling", entries)


def _plane_size(tensor: Tensor) -> int:
    return math.prod(tensor.shape[1:])


def _function(operation: Operation) -> str:
    return C_NAMES.get(operation.name, operation.name)


def _elementwise(operation: Operation) -> list[CCall]:
    attributes = [float(value) for value in operation.attributes.values()]
    arguments = (*operation.reads, *operation.writes, operation.writes[0].size, *attributes)
    return [CCall(_function(operation), arguments, in_place=True)]


def _by_channel(operation: Operation) -> list[CCall]:
    """Return the call of a function with the number of channels and the elements per channel as arguments."""
    x = operation.operand()
    attributes = [float(value) for value in operation.attributes.values()]
    return [CCall(operation.name, (*operation.reads, *operation.writes, x.shape[0], _plane_size(x), *attributes))]


def _batch_norm_inference(operation: Operation) -> list[CCall]:
    return [call._replace(in_place=True) for call in _by_channel(operation)]


def _bias(operation: Operation) -> list[CCall]:
    x, b = operation.operand(), operation.reads[1] if operation.name == "add_bias" else operation.writes[0]
    untied = b is not None and len(b.shape) > 1
    return [CCall(operation.name, (*operation.reads, *operation.writes, x.shape[0], _plane_size(x), int(untied)))]


def _cross_correlate(operation: Operation) -> list[CCall]:
    x, w, b, y = operation.operand(), operation.operand(1), operation.reads[2], operation.writes[0]
    untied = b is not None and len(b.shape) > 1
    return [CCall(operation.name, (x, w, b, y, sliding(x, w.shape[2:], y, operation.attributes), int(untied)))]


def _cross_correlate_dx(operation: Operation) -> list[CCall]:
    dy, w, dx = operation.operand(), operation.operand(1), operation.writes[0]
    return [CCall(operation.name, (dy, w, dx, sliding(dx, w.shape[2:], dy, operation.attributes)))]


def _cross_correlate_dw(operation: Operation) -> list[CCall]:
    x, dy, dw = operation.operand(), operation.operand(1), operation.writes[0]
    return [CCall(operation.name, (x, dy, dw, sliding(x, dw.shape[2:], dy, operation.attributes)))]


def _dense(operation: Operation) -> list[CCall]:
    w = operation.writes[0] if operation.name == "dense_dw" else operation.operand(1)
    return [CCall(operation.name, (*operation.reads, *operation.writes, w.shape[1], w.shape[0]))]


def _max_pool(operation: Operation) -> list[CCall]:
    x, (y, winner) = operation.operand(), operation.writes
    return [CCall("max_pool", (x, y, winner, pooling(x, y, operation.attributes)))]


def _max_pool_dx(operation: Operation) -> list[CCall]:
    dy, dx = operation.operand(), operation.writes[0]
    return [CCall("max_pool_dx", (*operation.reads, dx, dy.shape[0], _plane_size(dy), _plane_size(dx)))]


def _average_pool(operation: Operation) -> list[CCall]:
    x, y, attributes = operation.operand(), operation.writes[0], operation.attributes
    divisor = {"cells": 0, "window": math.prod(attributes["window"]), "one": 1}[attributes["divisor"]]
    image, result = (x, y) if operation.name == "average_pool" else (y, x)
    return [CCall(operation.name, (x, y, pooling(image, result, attributes), divisor))]


def stays_inside(window: Struct) -> bool:
    """Return whether no window of a struct `pooling` extends beyond the image."""
    _, height, width, rows, columns, window_height, window_width, stride_y, stride_x, top, left = window.entries
    return (
        not (top or left)
        and (rows - 1) * stride_y + window_height <= height
        and (columns - 1) * stride_x + window_width <= width
    )


def _softmax(operation: Operation) -> list[CCall]:
    x = operation.operand()
    return [CCall(operation.name, (*operation.reads, *operation.writes, x.shape[0], _plane_size(x)), in_place=True)]


def _expand(operation: Operation) -> list[CCall]:
    large = operation.operand() if operation.name.endswith("_dx") else operation.writes[0]
    return [CCall(operation.name, (*operation.reads, *operation.writes, large.shape[0], _plane_size(large)))]


def _concatenate(operation: Operation) -> list[CCall]:
    y, axis, calls, offset = operation.writes[0], operation.attributes.get("axis", 0), list[CCall](), 0
    rows, pitch = math.prod(y.shape[:axis]), math.prod(y.shape[axis:])
    for part in map(operation.operand, range(len(operation.reads))):
        length = math.prod(part.shape[axis:])
        calls.append(CCall("concatenate", (part, y, rows, length, pitch, offset)))
        offset += length
    return calls


def _pad_to_max_axes(values: tuple[int, ...], fill: int) -> Struct:
    return Struct("int", ((fill,) * (MAX_AXES - len(values)) + values))


def _pad_or_crop(operation: Operation) -> list[CCall]:
    x, y, before = operation.operand(), operation.writes[0], tuple(operation.attributes["before"])
    if len(x.shape) > MAX_AXES:
        raise unsupported(operation)
    return [
        CCall(
            operation.name,
            (x, y, _pad_to_max_axes(x.shape, 1), _pad_to_max_axes(y.shape, 1), _pad_to_max_axes(before, 0)),
        )
    ]


def _permute(operation: Operation) -> list[CCall]:
    x, y, axes = operation.operand(), operation.writes[0], operation.attributes["axes"]
    if len(x.shape) > MAX_PERMUTED_AXES:
        raise unsupported(operation)
    steps = tuple(math.prod(x.shape[axis + 1 :]) for axis in axes)
    return [CCall("permute", (x, y, len(axes), Struct("int", y.shape), Struct("int", steps)))]


def _group_norm(operation: Operation) -> list[CCall]:
    x, attributes = operation.operand(0 if operation.name == "group_norm" else 1), operation.attributes
    sizes = (
        attributes["groups"],
        x.shape[0] // attributes["groups"],
        _plane_size(x),
        int(attributes.get("shared", False)),
    )
    epsilon = float(attributes.get("epsilon", 1e-5))
    return [CCall(operation.name, (*operation.reads, *operation.writes, *sizes, epsilon))]


def _response_norm(operation: Operation) -> list[CCall]:
    x, attributes = operation.operand(), operation.attributes
    numbers = (float(attributes["alpha"]), float(attributes["beta"]), float(attributes["k"]))
    sizes = (x.shape[0], _plane_size(x), attributes["size"])
    return [CCall(operation.name, (*operation.reads, *operation.writes, *sizes, *numbers))]


def _resample(operation: Operation) -> list[CCall]:
    x, y = operation.operand(), operation.writes[0]
    image, result = (x, y) if operation.name == "resample" else (y, x)
    mode, lines = operation.attributes["mode"], operation.attributes.get("lines", shapes.WHOLE_IMAGE)
    axes = zip(lines, image.shape[1:], result.shape[1:], strict=True)
    numbers = [number for axis in axes for number in shapes.resampling_line(mode, *axis)]
    return [CCall(operation.name, (x, y, *image.shape, *result.shape[1:], MODES[mode], *numbers))]


def _loss(operation: Operation) -> list[CCall]:
    p = operation.operand()
    return [CCall(operation.name, (*operation.reads, *operation.writes, p.size))]


def _dropout(operation: Operation) -> list[CCall]:
    x, y, attributes = operation.operand(), operation.writes[0], operation.attributes
    threshold = math.ceil(attributes["rate"] * 2.0**53)
    whole = (f"UINT64_C({threshold})", SEED, f"UINT64_C({attributes['stream']})", STEP)
    return [CCall("dropout", (x, y, x.size, 1 / (1 - attributes["rate"]), *whole), in_place=True)]


def _running_statistics(operation: Operation) -> list[CCall]:
    mean, (_, values), attributes = operation.operand(), operation.runtime["count"], operation.attributes
    return [CCall(operation.name, (*operation.reads, mean.size, values, float(attributes["momentum"])))]


_CALLS: dict[str, Callable[[Operation], list[CCall]]] = {
    **dict.fromkeys((name for loss in losses.NAMES for name in (loss, f"{loss}_dp")), _loss),
    "dropout": _dropout,
    "running_statistics": _running_statistics,
    **dict.fromkeys((name for kind in ELEMENTWISE for name in (kind, f"{kind}_dx")), _elementwise),
    **dict.fromkeys(("add", "add_dx", "multiply", "maximum", "maximum_dx", "minimum"), _elementwise),
    **dict.fromkeys(("add_bias", "bias_gradient"), _bias),
    **dict.fromkeys(("dense", "dense_dx", "dense_dw"), _dense),
    **dict.fromkeys(("average_pool", "average_pool_dx"), _average_pool),
    **dict.fromkeys(("softmax", "softmax_dx", "log_softmax", "log_softmax_dx"), _softmax),
    **dict.fromkeys(("pad", "crop"), _pad_or_crop),
    **dict.fromkeys(("expand_positions", "expand_positions_dx", "expand_channels", "expand_channels_dx"), _expand),
    **dict.fromkeys(("group_norm", "group_norm_dx", "group_norm_dw"), _group_norm),
    **dict.fromkeys(("local_response_norm", "local_response_norm_dx"), _response_norm),
    **dict.fromkeys(("resample", "resample_dx"), _resample),
    **dict.fromkeys(("batch_norm", "batch_norm_dx", "batch_norm_dw", "batch_norm_inference_dx"), _by_channel),
    **dict.fromkeys(("prelu", "prelu_dx", "prelu_dw"), _by_channel),
    "batch_norm_inference": _batch_norm_inference,
    "concatenate": _concatenate,
    "cross_correlate": _cross_correlate,
    "cross_correlate_dw": _cross_correlate_dw,
    "cross_correlate_dx": _cross_correlate_dx,
    "max_pool": _max_pool,
    "max_pool_dx": _max_pool_dx,
    "permute": _permute,
}
