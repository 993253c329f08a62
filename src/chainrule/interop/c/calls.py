"""Calls of C functions for the operations of a plan. The C function of an operation has the operation's name."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import mul
from typing import Any, NamedTuple, TypeAlias

from chainrule.core import shapes
from chainrule.core.arrays import Array, Shape
from chainrule.core.plan import Operation, Tensor
from chainrule.errors import OptionError
from chainrule.interop.c.routines import is_defined, parameters_of
from chainrule.layers.kinds import ELEMENTWISE
from chainrule.operations import definitions
from chainrule.operations.scalar_code import C_NAMES

MAX_AXES = 8  # maximum number of axes of `copy_strided` in kernels/geometry.c
OF_CONVOLUTIONS: dict[str, Any] = {"dilation": (1, 1), "groups": 1, "flip": False}  # options that poolings do not have
COPYING = ("broadcast", "crop", "pad", "permute")  # operations on the axes of an array
FUNCTIONS = {  # operation → C function, if it has another name
    **C_NAMES,
    "batch_norm": "group_norm",
}


class Struct(NamedTuple):
    """A pointer to a constant struct or array: its C type and its entries in order, which are integers or floats."""

    kind: str
    entries: tuple[Any, ...]


class Sliding(NamedTuple):
    """The sizes and options of a convolution or pooling, in the order of the C struct of this name."""

    channels: int
    height: int
    width: int
    filters: int
    rows: int
    columns: int
    kernel_height: int
    kernel_width: int
    stride_y: int
    stride_x: int
    dilation_y: int
    dilation_x: int
    top: int
    left: int
    groups: int
    flip: int

    @staticmethod
    def of(image: Tensor, kernel: Shape, result: Tensor, attributes: Mapping[str, Any]) -> "Sliding":
        """Return those of a kernel (KH, KW), an image and a result, both (C, H, W)."""
        (top, _), (left, _) = attributes["padding"]
        options = {**OF_CONVOLUTIONS, **attributes}
        steps = (*options["stride"], *options["dilation"])
        groups = options["groups"]
        flip = options["flip"]
        return Sliding(*image.shape, *result.shape, *kernel, *steps, top=top, left=left, groups=groups, flip=flip)

    @staticmethod
    def of_pooling(operation: Operation) -> "Sliding":
        """Return those of a pooling."""
        return Sliding.of(operation.operand(), operation.attributes["window"], operation.result, operation.attributes)

    @property
    def struct(self) -> Struct:
        """The struct as an argument of a call."""
        return Struct("sliding", tuple(map(int, self)))

    @property
    def stays_inside(self) -> bool:
        """Whether no window of a pooling extends beyond the image."""
        bottom = (self.rows - 1) * self.stride_y + self.kernel_height
        right = (self.columns - 1) * self.stride_x + self.kernel_width
        return self.top == self.left == 0 and bottom <= self.height and right <= self.width

    @property
    def covers_image(self) -> bool:
        """Whether the only window of a pooling is the whole image."""
        return self.stays_inside and (self.kernel_height, self.kernel_width) == (self.height, self.width)


class Offset(NamedTuple):
    """A pointer into an array: the array's tensor and an offset in elements."""

    tensor: Tensor
    offset: int


Activations: TypeAlias = dict[str, Array]
Compute: TypeAlias = Callable[[Activations], Array]
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
        """Return the tensors that the call reads or writes: the first operand first, the result last."""
        tensors = list[Tensor]()
        for operand in self.arguments:
            if isinstance(operand, Offset):
                tensors.append(operand.tensor)
            elif isinstance(operand, Tensor):
                tensors.append(operand)
        return tensors

    @property
    def result(self) -> Tensor:
        """Return the tensor that the call computes."""
        return self.tensors[-1]


@dataclass(frozen=True)
class Int8Step:
    """A step of a quantized model: a call of a C function, and the same computation in NumPy.

    call     None: nothing to do in C, where the caller passes the result
    compute  function that receives all earlier activations, storage → array (N, …), and returns the result (N, …)
    """

    call: CCall | None
    result: Tensor
    compute: Compute


def of_operation(operation: Operation) -> list[CCall]:
    """Return the calls of C functions that apply an operation to one sample.

    Errors   OptionError, with the name of the layer, for an operation without a C function
    """
    name = FUNCTIONS.get(operation.name, operation.name)
    is_known = name in _CALLS or is_defined(name)
    axes = max(len(operation.operand().shape), len(operation.result.shape))
    if operation.call or not is_known or (name in COPYING and axes > MAX_AXES):
        raise unsupported(operation)
    return _CALLS[name](operation) if name in _CALLS else [by_signature(operation, name)]


def by_signature(operation: Operation, function: str) -> CCall:
    """Return the call of a function whose parameters follow those for tensors and are the operation's attributes, or

    count             number of elements in the first input
    channels, plane   number of channels, and of elements per channel, in the first input or result with these axes
    image             number of elements per channel of x
    groups, D         number of groups, by default one for each channel, and of channels in a group
    inputs, outputs   numbers of columns and of rows of w
    untied            whether b has more axes than the channels
    sliding           type of a struct with the sizes of x, of w or a window, and of y

    A gradient, such as dx, has the sizes of its tensor, here x.
    """
    parameters = parameters_of(function)
    attributes = operation.attributes
    tensors = (*operation.reads, *operation.writes)
    named = dict[str, Tensor]()
    first = operation.operand()
    for (_, name), tensor in zip(parameters, tensors, strict=False):
        if tensor:
            named[name.removeprefix("d")] = tensor
    x, y, w, b = (named.get(name, first) for name in "xywb")
    largest = max(first, operation.result, key=lambda tensor: len(tensor.shape))
    values: dict[str, Any] = {
        "count": first.size,
        "channels": largest.shape[0],
        "plane": _plane_size(largest),
        "image": _plane_size(x),
        "groups": largest.shape[0],
        "shared": 0,
        "D": largest.shape[0] // attributes.get("groups", largest.shape[0]),
        "outputs": w.shape[0],
        "inputs": w.shape[-1],
        **attributes,
        "untied": "b" in named and len(b.shape) > 1,
    }
    if "divisor" in attributes:
        values["divisor"] = divisor_of(attributes)
    arguments = list[Argument]()
    for kind, name in parameters[len(tensors) :]:
        if kind == "sliding *":
            kernel = attributes.get("window", w.shape[2:])
            arguments.append(Sliding.of(x, kernel, y, attributes).struct)
        elif kind == "float":
            arguments.append(float(values[name]))
        else:
            arguments.append(int(values[name]))
    return CCall(function, (*tensors, *arguments), in_place=operation.name in IN_PLACE)


def divisor_of(attributes: Mapping[str, Any]) -> int:
    """Return the argument `divisor` of an average pooling; 0 for the number of image elements under the window."""
    divisors = {"cells": 0, "window": math.prod(attributes["window"]), "one": 1}
    return divisors[attributes["divisor"]]


def unsupported(operation: Operation, target: str = "C") -> OptionError:
    """Return the error for an operation that cannot be exported. `target` names the format in the message."""
    layer = operation.result.name.rpartition(".")[0]
    what = "is a custom layer" if operation.call else f"computes {operation.name}"
    return OptionError(f"layer {layer!r} {what}, which cannot be exported to {target}")


def _plane_size(tensor: Tensor) -> int:
    return math.prod(tensor.shape[1:])


def steps(shape: Shape) -> Shape:
    """Return the distance in memory, in elements, between neighbors along each axis of an array."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def strided(
    function: str, x: Tensor | Offset, y: Tensor | Offset, shape: Shape, x_steps: Shape, y_steps: Shape | None = None
) -> CCall:
    """Return the call of a `STRIDED` function: it copies or adds the elements of an array of this shape.

    x_steps, y_steps   distances in x and in y of neighbors along each axis; for y, None: of an array without gaps
    """
    if y_steps is None:
        y_steps = steps(shape)
    return CCall(function, (x, y, len(shape), *(Struct("int", numbers) for numbers in (shape, x_steps, y_steps))))


def _concatenate(operation: Operation) -> list[CCall]:
    y = operation.result
    axis = operation.attributes.get("axis", 0)
    calls = list[CCall]()
    offset = 0
    rows = math.prod(y.shape[:axis])
    pitch = math.prod(y.shape[axis:])
    for part in map(operation.operand, range(len(operation.reads))):
        length = math.prod(part.shape[axis:])
        calls.append(strided("copy_strided", part, Offset(y, offset), (rows, length), (length, 1), (pitch, 1)))
        offset += length
    return calls


def _element(array: Tensor, indices: Shape) -> Offset:
    """Return the element of an array at these indices."""
    return Offset(array, sum(map(mul, indices, steps(array.shape))))


def _pad(operation: Operation) -> list[CCall]:
    x = operation.operand()
    y = operation.result
    filling = CCall("fill", (y, y.size, operation.attributes.get("zero", 0)))
    inside = _element(y, operation.attributes["before"])
    return [filling, strided("copy_strided", x, inside, x.shape, steps(x.shape), steps(y.shape))]


def _crop(operation: Operation) -> list[CCall]:
    x = operation.operand()
    y = operation.result
    return [strided("copy_strided", _element(x, operation.attributes["before"]), y, y.shape, steps(x.shape))]


def _permute(operation: Operation) -> list[CCall]:
    x = operation.operand()
    y = operation.result
    axes: Shape = operation.attributes["axes"]
    x_steps = steps(x.shape)
    return [strided("copy_strided", x, y, y.shape, tuple(x_steps[axis] for axis in axes))]


def _broadcast(operation: Operation) -> list[CCall]:
    """Return the call of a copy, whose steps along the repeated axes are 0."""
    x = operation.operand()
    y = operation.result
    return [strided("copy_strided", x, y, y.shape, _repeating_steps(x.shape, y.shape))]


def _repeating_steps(single: Shape, whole: Shape) -> Shape:
    """Return the steps in an array for each axis of the array that repeats it."""
    return tuple(step * (size == length) for step, size, length in zip(steps(single), single, whole, strict=True))


def _gather(operation: Operation) -> list[CCall]:
    x = operation.operand()
    indices = operation.operand(1)
    y = operation.result
    return [CCall(operation.name, (x, indices, y, indices.size, x.size))]


def _resample(operation: Operation) -> list[CCall]:
    x = operation.operand()
    y = operation.result
    lines = operation.attributes.get("lines", shapes.WHOLE_IMAGE)
    places = list[int]()
    weights = list[float]()
    for line, size, outputs in zip(lines, x.shape[1:], y.shape[1:], strict=True):
        for i in range(outputs):
            inputs = shapes.resampling_weights(operation.attributes["mode"], size, outputs, i, line)
            first, weight = inputs[0]
            _, other = inputs[-1]
            places += [first, len(inputs)]
            weights += [weight, other]
    sizes = (*x.shape, *y.shape[1:])
    tables = (Struct("int", tuple(places)), Struct("float", tuple(weights)))
    return [CCall("resample", (x, y, *sizes, *tables, 0))]


IN_PLACE = {
    *ELEMENTWISE,
    *("add", "multiply", "maximum", "minimum", "batch_norm_inference", *definitions.pointwise()),
    *("softmax", "log_softmax"),
}


def _constant(operation: Operation) -> list[CCall]:
    return [CCall("copy", (operation.operand(1), *operation.writes, operation.result.size))]


_CALLS: dict[str, Callable[[Operation], list[CCall]]] = {
    "broadcast": _broadcast,
    "concatenate": _concatenate,
    "constant": _constant,
    "crop": _crop,
    "pad": _pad,
    "gather": _gather,
    "permute": _permute,
    "resample": _resample,
}
