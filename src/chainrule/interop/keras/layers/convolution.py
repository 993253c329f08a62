"""Convolutions, pooling and dense layers. Keras kernels have the shape (KH, KW, C_in/groups, C_out)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.shapes import extent
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.layers.by_onnx import apply_in_order
from chainrule.interop.keras.layouts import KerasValue, axis_first, from_layout
from chainrule.interop.onnx.operators.windows import simplify

Translation = Callable[[KerasCall], KerasValue]

PADDINGS = ("valid", "same")


class ConvKind(NamedTuple):
    """A kind of convolution: the prefix of its class, and the first paragraph of its description."""

    prefix: str
    text: str


PLAIN = ConvKind("", "Return Conv{axes}D.")
DEPTHWISE = ConvKind("Depthwise", "Return Conv{axes}D with a group for each channel.")
SEPARABLE = ConvKind(
    "Separable", "Return two Conv{axes}D: one with a group for each channel, and one with a kernel of {size}."
)


def _window(call: KerasCall, axes: int) -> dict[str, Any]:
    """Return the options stride, dilation and padding of a convolution with this number of spatial axes."""
    dilation = call.integers("dilation_rate", axes, 1)
    padding = call.option("padding")
    if axes == 1 and padding == "causal":
        reach = extent(call.integer("kernel_size"), dilation[0])
        padding = ((reach - 1, 0),)
    else:
        padding = call.choice("padding", "valid", PADDINGS)
    stride = call.integers("strides", axes, 1)
    return {"stride": simplify(stride), "dilation": simplify(dilation), "padding": padding}


def conv(axes: int, kind: ConvKind) -> Translation:
    """Return the translation of a convolution.

    The kernels of the file, for C channels and F filters:

        plain               kernel (*size, C / groups, F)
        depthwise           kernel (*size, C, multiplier): C groups of one channel and `multiplier` filters
        separable           a depthwise convolution, followed by 1×1 kernels (1, …, C · multiplier, F)
    """
    translations = {PLAIN: _plain_conv, DEPTHWISE: _depthwise_conv, SEPARABLE: _separable_conv}

    def translate(call: KerasCall) -> KerasValue:
        channels = call.channel_axis(axes + 1)
        return translations[kind](call, channels, _window(call, axes), call.integers("kernel_size", axes))

    translate.__doc__ = kind.text.format(axes=axes, size="×".join("1" * axes))
    return translate


def _plain_conv(call: KerasCall, channels: int, window: dict[str, Any], size: tuple[int, ...]) -> KerasValue:
    count = call.x.shape[channels]
    filters = call.integer("filters")
    groups = call.integer("groups", 1)
    if count % groups or filters % groups:
        raise call.unsupported(f"{groups} groups of {count} channels and {filters} filters", "a divisor of both")
    weights = _weights(call, filters, kernel=(*size, count // groups, filters))
    return _convolved(call, call.x, channels, weights["kernel"], weights.get("bias"), groups=groups, **window)


def _depthwise_conv(call: KerasCall, channels: int, window: dict[str, Any], size: tuple[int, ...]) -> KerasValue:
    count = call.x.shape[channels]
    multiplier = call.integer("depth_multiplier", 1)
    weights = _weights(call, multiplier * count, kernel=(*size, count, multiplier))
    kernel = weights["kernel"].reshape(*size, 1, -1)
    return _convolved(call, call.x, channels, kernel, weights.get("bias"), groups=count, **window)


def _separable_conv(call: KerasCall, channels: int, window: dict[str, Any], size: tuple[int, ...]) -> KerasValue:
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


def transposed(axes: int) -> Translation:
    """Return the translation of a transposed convolution."""

    def translate(call: KerasCall) -> KerasValue:
        channels = call.channel_axis(axes + 1)
        filters = call.integer("filters")
        size = call.integers("kernel_size", axes)
        stride = call.integers("strides", axes, 1)
        dilation = call.integers("dilation_rate", axes, 1)
        rule = call.choice("padding", "valid", PADDINGS)
        weights = _weights(call, filters, kernel=(*size, filters, call.x.shape[channels]))
        weights["kernel"] = _filters_first(weights["kernel"])  # its first axis has the input channels
        extents = [*map(extent, size, dilation)]
        options: dict[str, Any] = {
            "strides": stride,
            "dilations": dilation,
            "output_shape": _transposed_sizes(call, rule, call.x.sides(channels), extents, stride),
            "auto_pad": "SAME_UPPER",
        }
        order = axis_first(channels, axes + 1)
        return apply_in_order(call, "ConvTranspose", [call.x], *weights.values(), order=order, **options)

    translate.__doc__ = "Return ConvTranspose2D."
    if axes == 1:
        translate.__doc__ = "Return ConvTranspose2D, of an image of height 1."
    return translate


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


def pool(kind: str, axes: int) -> Translation:
    """Return the translation of pooling over windows."""

    def translate(call: KerasCall) -> KerasValue:
        channels = call.channel_axis(axes + 1)
        window = call.integers("pool_size", axes, 2)
        options: dict[str, Any] = {"window": simplify(window), "padding": call.choice("padding", "valid", PADDINGS)}
        if call.option("strides") is not None:
            stride = call.integers("strides", axes)
            if stride != window:
                options["stride"] = simplify(stride)
        return call.spatial(call.x, kind, channels, **options)

    translate.__doc__ = f"Return {kind}."
    if "Average" in kind:
        translate.__doc__ = f"Return {kind}, which does not count the padding."
    return translate


def global_pool(kind: str, axes: int) -> Translation:
    """Return the translation of pooling over all positions."""

    def translate(call: KerasCall) -> KerasValue:
        x = call.x
        channels = call.channel_axis(axes + 1)
        y = from_layout(call.assembly.apply(kind, x.with_first(channels)), [0])
        if not call.flag("keepdims", False):
            return y
        kept = [1] * x.rank
        kept[channels] = x.shape[channels]
        return y.reshaped(tuple(kept))

    translate.__doc__ = f"Return {kind}."
    return translate


def adaptive(call: KerasCall) -> KerasValue:
    """Return AdaptiveAveragePool2D."""
    channels = call.channel_axis(3)
    return call.spatial(call.x, "AdaptiveAveragePool2D", channels, outputs=simplify(call.integers("output_size", 2)))


LAYERS: dict[str, Translation] = {"Dense": dense, "AdaptiveAveragePooling2D": adaptive}
for axes in (1, 2):
    for kind in (PLAIN, DEPTHWISE, SEPARABLE):
        LAYERS[f"{kind.prefix}Conv{axes}D"] = conv(axes, kind)
    LAYERS[f"Conv{axes}DTranspose"] = transposed(axes)
    LAYERS[f"MaxPooling{axes}D"] = pool(f"MaxPool{axes}D", axes)
    LAYERS[f"AveragePooling{axes}D"] = pool(f"AveragePool{axes}D", axes)
    LAYERS[f"GlobalMaxPooling{axes}D"] = global_pool(f"GlobalMaxPool{axes}D", axes)
    LAYERS[f"GlobalAveragePooling{axes}D"] = global_pool(f"GlobalAveragePool{axes}D", axes)
