"""Rules that state which inputs a layer accepts.

They decide without the layers' own checks, so that a drawn layer that refuses an input by mistake is an error, not
another draw.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule import layers as cr
from chainrule.core import shapes
from chainrule.layers import Layer
from chainrule.layers.merging import Merge

Shape = tuple[int, ...]
Convolution = cr.Conv1D | cr.Conv2D | cr.ConvTranspose2D
Pool = cr.MaxPool1D | cr.AveragePool1D | cr.SumPool1D | cr.MaxPool2D | cr.AveragePool2D | cr.SumPool2D


def accepts(layer: Layer, *inputs: Shape) -> bool:
    """Return whether a layer accepts inputs of these shapes, without the batch axis."""
    if isinstance(layer, Merge):
        ranks = set(map(len, inputs))
        return len(ranks) == 1 and _can_merge(layer, inputs)
    shape = inputs[0]
    if len(shape) not in _axis_counts(type(layer).__name__):
        return False
    rule = RULES.get(type(layer))
    return rule is None or rule(layer, shape)


def _axis_counts(name: str) -> tuple[int, ...]:
    """Return the numbers of axes that a layer accepts; most names end with the dimension if it matters."""
    if name in AXIS_COUNTS:
        return AXIS_COUNTS[name]
    if name.endswith("1D"):
        return (2,)
    if name.endswith("2D"):
        return (3,)
    return (1, 2, 3)


AXIS_COUNTS = {"BatchNorm1D": (1, 2), "BatchNorm2D": (1, 3), "Dense": (1,), "LocalResponseNorm": (2, 3)}


def _can_merge(layer: Merge, inputs: Sequence[Shape]) -> bool:
    """Return whether the sizes along each axis fit: a concatenation joins one axis, other merges repeat a size of 1."""
    free_axis, repeated_size = -1, 1
    if isinstance(layer, cr.Concatenate):
        free_axis, repeated_size = layer.axis, 0
    for axis, sizes in enumerate(zip(*inputs, strict=True)):
        if axis != free_axis and len(set(sizes) - {repeated_size}) > 1:
            return False
    return free_axis < len(inputs[0])


# ------------------------------------------------------------------------------------------------------ sliding windows


@dataclass(frozen=True)
class Window:
    """The window of a layer, with one number for each axis of its image.

    extent         elements from the first to the last one that the dilated window covers
    before, after  padding
    """

    size: NDArray[np.intp]
    extent: NDArray[np.intp]
    stride: NDArray[np.intp]
    before: NDArray[np.intp]
    after: NDArray[np.intp]

    @staticmethod
    def of(layer: Convolution | Pool, window: int | Shape, sizes: Sequence[int]) -> "Window":
        """Return the window of a layer that slides along an image of the given sizes."""
        axes = len(sizes)
        stride = layer.stride
        if stride is None:
            stride = window
        stride = shapes.per_axis("stride", stride, axes)
        dilation = shapes.per_axis("dilation", getattr(layer, "dilation", 1), axes)
        window = shapes.per_axis("window", window, axes)
        before, after = np.transpose(shapes.resolve_padding("padding", layer.padding, sizes, window, stride, dilation))
        extent = [shapes.extent(*lengths) for lengths in zip(window, dilation, strict=True)]
        return Window(np.array(sizes), np.array(extent), np.array(stride), before, after)


def _fits_kernel(layer: cr.Conv1D | cr.Conv2D, shape: Shape) -> bool:
    window = Window.of(layer, layer.kernel, shape[1:])
    fits = window.extent <= window.size + window.before + window.after
    return bool(fits.all()) and _divides(layer, shape)


def _divides(layer: Convolution, shape: Shape) -> bool:
    return shape[0] % layer.groups == 0 and layer.filters % layer.groups == 0


def _has_inverse(layer: cr.ConvTranspose2D, shape: Shape) -> bool:
    """Return whether there is an output whose cross-correlation has the size of the input."""
    size = np.array(shape[1:])
    window = Window.of(layer, layer.kernel, (size * layer.stride).tolist())
    padding = window.before + window.after
    output = window.stride * (size - 1) + window.extent - padding
    if layer.padding == "same":
        output = window.size
    output = output + layer.output_padding
    positions = (output + padding - window.extent) // window.stride + 1
    return bool((output > 0).all() and (positions == size).all()) and _divides(layer, shape)


def _fits_pool(layer: Pool, shape: Shape) -> bool:
    """Return whether a window fits and none consists of padding. In ceil_mode, less than a stride may be missing."""
    window = Window.of(layer, layer.window, shape[1:])
    missing = window.extent - (window.size + window.before + window.after)
    if layer.ceil_mode:
        missing -= window.stride - 1
    fits = (missing <= 0) & (np.maximum(window.before, window.after) < window.extent)
    return bool(fits.all())


# -------------------------------------------------------------------------------------------------------- other layers


def _leaves_pixels(layer: cr.Crop2D, shape: Shape) -> bool:
    cropped = np.sum(shapes.resolve_ends("cropping", layer.cropping, 2), axis=1)
    return bool((cropped < shape[1:]).all())


def _contains_slice(layer: cr.Slice, shape: Shape) -> bool:
    if layer.axis >= len(shape):
        return False
    size = shape[layer.axis]
    stop = size if layer.stop is None else layer.stop
    return layer.start < stop <= size


def _is_repeatable(layer: cr.Broadcast, shape: Shape) -> bool:
    if len(shape) != len(layer.shape):
        return False
    return all(size in (1, whole) for size, whole in zip(shape, layer.shape, strict=True))


def _has_equal_groups(layer: cr.GroupNorm, shape: Shape) -> bool:
    return shape[0] % layer.groups == 0


def _names_every_axis(layer: cr.Permute, shape: Shape) -> bool:
    return len(layer.axes) == len(shape)


def _keeps_size(layer: cr.Reshape, shape: Shape) -> bool:
    return math.prod(layer.shape) == math.prod(shape)


RULES: dict[type[Layer], Callable[..., bool]] = {  # of layers that depend on more than the number of axes
    cr.Broadcast: _is_repeatable,
    cr.ConvTranspose2D: _has_inverse,
    cr.Crop2D: _leaves_pixels,
    cr.GroupNorm: _has_equal_groups,
    cr.Permute: _names_every_axis,
    cr.Reshape: _keeps_size,
    cr.Slice: _contains_slice,
    **dict.fromkeys((cr.Conv1D, cr.Conv2D), _fits_kernel),
    **dict.fromkeys((cr.MaxPool1D, cr.AveragePool1D, cr.SumPool1D), _fits_pool),
    **dict.fromkeys((cr.MaxPool2D, cr.AveragePool2D, cr.SumPool2D), _fits_pool),
}
