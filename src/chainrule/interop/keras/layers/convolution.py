"""Convolutions, pooling and dense layers. Keras kernels have the shape (KH, KW, C_in/groups, C_out)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.shapes import extent
from chainrule.interop.keras.layer_call import KerasCall, Translation, for_positions
from chainrule.interop.keras.layers.by_onnx import apply_in_order
from chainrule.interop.keras.layouts import KerasValue, axis_first, from_layout
from chainrule.interop.onnx.operators.windows import simplify

PADDINGS = ("valid", "same")


def _window(call: KerasCall) -> dict[str, Any]:
    """Return the options stride, dilation and padding of a convolution."""
    axes = call.positions
    dilation = call.integers("dilation_rate", axes, 1)
    padding = call.option("padding")
    if axes == 1 and padding == "causal":
        reach = extent(call.integer("kernel_size"), dilation[0])
        padding = ((reach - 1, 0),)
    else:
        padding = call.choice("padding", "valid", PADDINGS)
    stride = call.integers("strides", axes, 1)
    return {"stride": simplify(stride), "dilation": simplify(dilation), "padding": padding}


def _kernel_size(call: KerasCall) -> tuple[int, ...]:
    return call.integers("kernel_size", call.positions)


def plain_conv(call: KerasCall, channels: int) -> KerasValue:
    """Return a convolution. The kernel of the file for C channels and F filters is (*size, C / groups, F)."""
    window = _window(call)
    size = _kernel_size(call)
    count = call.x.shape[channels]
    filters = call.integer("filters")
    groups = call.integer("groups", 1)
    if count % groups or filters % groups:
        raise call.unsupported(f"{groups} groups of {count} channels and {filters} filters", "a divisor of both")
    weights = _weights(call, filters, kernel=(*size, count // groups, filters))
    return _convolved(call, call.x, channels, weights["kernel"], weights.get("bias"), groups=groups, **window)


def depthwise_conv(call: KerasCall, channels: int) -> KerasValue:
    """Return a convolution with a group for each channel.

    The kernel of the file is (*size, C, multiplier): C groups of one channel and `multiplier` filters.
    """
    window = _window(call)
    size = _kernel_size(call)
    count = call.x.shape[channels]
    multiplier = call.integer("depth_multiplier", 1)
    weights = _weights(call, multiplier * count, kernel=(*size, count, multiplier))
    kernel = weights["kernel"].reshape(*size, 1, -1)
    return _convolved(call, call.x, channels, kernel, weights.get("bias"), groups=count, **window)


def separable_conv(call: KerasCall, channels: int) -> KerasValue:
    """Return a depthwise convolution, followed by 1×1 kernels (1, …, C · multiplier, F) of the file."""
    window = _window(call)
    size = _kernel_size(call)
    count = call.x.shape[channels]
    multiplier = call.integer("depth_multiplier", 1)
    filters = call.integer("filters")
    kernels = {
        "depthwise_kernel": (*size, count, multiplier),
        "pointwise_kernel": (*[1] * len(size), multiplier * count, filters),
    }
    weights = _weights(call, filters, **kernels)
    kernel = weights["depthwise_kernel"].reshape(*size, 1, -1)
    y = _convolved(call, call.x, channels, kernel, None, part="depthwise", groups=count, **window)
    return _convolved(call, y, channels, weights["pointwise_kernel"], weights.get("bias"), part="pointwise")


def _weights(call: KerasCall, filters: int, **kernels: Sequence[int]) -> dict[str, Array]:
    """Return the weights of a layer: its kernels, and its bias if there is one."""
    if call.flag("use_bias", True):
        return call.weights(**kernels, bias=(filters,))
    return call.weights(**kernels)


def _convolved(
    call: KerasCall,
    x: KerasValue,
    channels: int,
    kernel: Array,
    bias: Array | None,
    *,
    part: str | None = None,
    **options: Any,
) -> KerasValue:
    """Return Conv1D or Conv2D.

    kernel    kernel (KH, KW, C/groups, F)
    part      name of this layer if the Keras layer is translated to several layers; None otherwise
    options   further options of the layer
    """
    *size, _, filters = kernel.shape
    options |= {"filters": filters, "kernel": simplify(size), "bias": bias is not None}
    weights = _named(_filters_first(kernel), bias)
    return call.weighted(f"Conv{len(size)}D", x, channels, options, weights, part)


def _filters_first(kernel: Array) -> Array:
    """Transpose a kernel (KH, KW, C, F) to (F, C, KH, KW)."""
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def _named(w: Array, bias: Array | None) -> dict[str, Array]:
    if bias is None:
        return {"w": w}
    return {"w": w, "b": bias}


def transposed(call: KerasCall, channels: int) -> KerasValue:
    """Return ConvTranspose2D."""
    x = call.x
    filters = call.integer("filters")
    size = _kernel_size(call)
    stride = call.integers("strides", len(size), 1)
    dilation = call.integers("dilation_rate", len(size), 1)
    rule = call.choice("padding", "valid", PADDINGS)
    weights = _weights(call, filters, kernel=(*size, filters, x.shape[channels]))
    weights["kernel"] = _filters_first(weights["kernel"])  # its first axis has the input channels
    extents = [*map(extent, size, dilation)]
    options: dict[str, Any] = {
        "strides": stride,
        "dilations": dilation,
        "output_shape": _transposed_sizes(call, rule, x.sides(channels), extents, stride),
        "auto_pad": "SAME_UPPER",
    }
    order = axis_first(channels, x.rank)
    return apply_in_order(call, "ConvTranspose", [x], *weights.values(), order=order, **options)


def _transposed_sizes(
    call: KerasCall, rule: str, sides: Sequence[int], extents: Sequence[int], stride: tuple[int, ...]
) -> list[int]:
    """Return the output size of a transposed convolution along each axis.

    rule      "valid" or "same"
    sides     size of the input
    extents   extent of the dilated kernel

    For the stride s and an input of size H, the output has s(H − 1) + max(extent, s) elements with "valid" and s·H with
    "same". With an output padding p, it has s(H − 1) + extent + p with "valid" and s(H − 1) + extent % 2 + p with
    "same".
    """
    output_padding = None
    if call.option("output_padding") is not None:
        output_padding = call.integers("output_padding", len(stride), least=0)
    outputs: list[int] = []
    for axis, (side, reach, step) in enumerate(zip(sides, extents, stride, strict=True)):
        if output_padding is not None:
            end = (reach % 2 if rule == "same" else reach) + output_padding[axis]
        elif rule == "same":
            end = step
        else:
            end = max(reach, step)
        outputs.append(step * (side - 1) + end)
    return outputs


def dense(call: KerasCall) -> KerasValue:
    """Return Dense or, if a sample has several axes, Conv1D or Conv2D with a kernel of size 1."""
    x = call.x
    units = call.integer("units")
    count = x.shape[-1]
    weights = _weights(call, units, kernel=(count, units))
    kernel = weights["kernel"]
    bias = weights.get("bias")
    if x.rank > 3:
        raise call.unsupported(f"an input of {x.rank + 1} axes", "at most 4, the batch axis first")
    if x.rank > 1:
        kernel = kernel.reshape(*[1] * (x.rank - 1), count, units)
        return _convolved(call, x, x.rank - 1, kernel, bias)
    options = {"features": units, "bias": bias is not None}
    return call.weighted("Dense", x, 0, options, _named(kernel.T, bias))


def pool(kind: str, call: KerasCall, channels: int) -> KerasValue:
    """Return pooling over windows: the layer `kind`, such as MaxPool2D."""
    axes = call.positions
    window = call.integers("pool_size", axes, 2)
    options: dict[str, Any] = {"window": simplify(window), "padding": call.choice("padding", "valid", PADDINGS)}
    if call.option("strides") is not None:
        stride = call.integers("strides", axes)
        if stride != window:
            options["stride"] = simplify(stride)
    return call.spatial(call.x, kind, channels, **options)


def global_pool(kind: str, call: KerasCall, channels: int) -> KerasValue:
    """Return pooling over all positions, such as GlobalMaxPool2D for the `kind` MaxPool2D."""
    x = call.x
    y = from_layout(call.assembly.apply(f"Global{kind}", x.with_first(channels)), [0])
    if not call.flag("keepdims", False):
        return y
    kept = [1] * x.rank
    kept[channels] = x.shape[channels]
    return y.reshaped(tuple(kept))


def adaptive(call: KerasCall, channels: int) -> KerasValue:
    """Return AdaptiveAveragePool2D."""
    return call.spatial(call.x, "AdaptiveAveragePool2D", channels, outputs=simplify(call.integers("output_size", 2)))


LAYERS: dict[str, Translation] = {
    "Dense": dense,
    "AdaptiveAveragePooling2D": for_positions(adaptive, 2, "AdaptiveAveragePool2D"),
}
BY_CHANNEL = "with a group for each channel"
UNPADDED = "which does not count the padding"
for axes, ones, height in ((1, "1", ", of an image of height 1"), (2, "1×1", "")):
    separable = f"two Conv{axes}D: one {BY_CHANNEL}, and one with a kernel of {ones}"
    LAYERS[f"Conv{axes}D"] = for_positions(plain_conv, axes, f"Conv{axes}D")
    LAYERS[f"DepthwiseConv{axes}D"] = for_positions(depthwise_conv, axes, f"Conv{axes}D {BY_CHANNEL}")
    LAYERS[f"SeparableConv{axes}D"] = for_positions(separable_conv, axes, separable)
    LAYERS[f"Conv{axes}DTranspose"] = for_positions(transposed, axes, f"ConvTranspose2D{height}")
    for kind, note in (("Max", ""), ("Average", f", {UNPADDED}")):
        layer = f"{kind}Pool{axes}D"
        LAYERS[f"{kind}Pooling{axes}D"] = for_positions(partial(pool, layer), axes, f"{layer}{note}")
        LAYERS[f"Global{kind}Pooling{axes}D"] = for_positions(partial(global_pool, layer), axes, f"Global{layer}")
