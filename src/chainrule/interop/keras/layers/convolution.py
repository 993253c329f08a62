"""Convolutions, pooling and dense layers. Keras kernels have the shape (KH, KW, C_in/groups, C_out)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.shapes import extent
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.layers.by_onnx import apply_in_order
from chainrule.interop.keras.layouts import KerasValue, axis_first, from_layout
from chainrule.interop.onnx.operators.windows import simplify

Translation = Callable[[KerasCall], KerasValue]

PADDINGS = ("valid", "same")
CONVOLUTIONS = {  # kind of a convolution, in the name of its class → description
    "": "Return Conv{axes}D.",
    "Depthwise": "Return Conv{axes}D with a group for each channel.",
    "Separable": "Return two Conv{axes}D: one with a group for each channel, and one with a kernel of {size}.",
}


def _window(call: KerasCall, axes: int) -> dict[str, Any]:
    """Return the options stride, dilation and padding of a convolution with this number of spatial axes."""
    dilation, padding = call.integers("dilation_rate", axes, 1), call.option("padding")
    if axes == 1 and padding == "causal":
        padding = ((extent(*call.integers("kernel_size", 1), *dilation) - 1, 0),)
    else:
        padding = call.choice("padding", "valid", PADDINGS)
    stride = call.integers("strides", axes, 1)
    return {"stride": simplify(stride), "dilation": simplify(dilation), "padding": padding}


def conv(axes: int, kind: str) -> Translation:
    """Return the translation of a convolution, of a kind of `CONVOLUTIONS`.

    The kernels of the file, for C channels and F filters:

        kind ""             kernel (*size, C / groups, F)
        depthwise           kernel (*size, C, multiplier): C groups of one channel and `multiplier` filters
        "Separable"         a depthwise convolution, followed by 1×1 kernels (1, …, C · multiplier, F)
    """

    def translate(call: KerasCall) -> KerasValue:
        channels, window, size = call.channel_axis(axes + 1), _window(call, axes), call.integers("kernel_size", axes)
        groups = count = call.x.shape[channels]
        if not kind:
            filters, groups = call.integer("filters"), call.integer("groups", 1)
            if count % groups or filters % groups:
                raise call.unsupported(
                    f"{groups} groups of {count} channels and {filters} filters", "a divisor of both"
                )
            kernels = {"kernel": (*size, count // groups, filters)}
        else:
            multiplier = call.integer("depth_multiplier", 1)
            filters, kernels = multiplier * count, {"kernel": (*size, count, multiplier)}
        if kind == "Separable":
            deep, filters = filters, call.integer("filters")
            kernels = {"depthwise_kernel": kernels["kernel"], "pointwise_kernel": (*[1] * axes, deep, filters)}
        weights = _weights(call, filters, **kernels)
        (first, *second), bias = [weights[name] for name in kernels], weights.get("bias")
        first = first.reshape(*size, 1, -1) if kind else first
        if not second:
            return _convolved(call, call.x, channels, first, bias, groups=groups, **window)
        y = _convolved(call, call.x, channels, first, None, "depthwise", groups=groups, **window)
        return _convolved(call, y, channels, second[0], bias, "pointwise")

    translate.__doc__ = CONVOLUTIONS[kind].format(axes=axes, size="×".join("1" * axes))
    return translate


def _weights(call: KerasCall, filters: int, **kernels: Sequence[int]) -> dict[str, Array]:
    """Return the weights of a layer: its kernels, and its bias if there is one."""
    return call.weights(**kernels, **({"bias": (filters,)} if call.flag("use_bias", True) else {}))


def _convolved(
    call: KerasCall, x: KerasValue, channels: int, kernel: Array, bias: Array | None, part: str = "", **options: Any
) -> KerasValue:
    """Return Conv1D or Conv2D.

    kernel    kernel (KH, KW, C/groups, F)
    part      name of this layer if the Keras layer is translated to several layers
    options   further options of the layer
    """
    axes, filters = kernel.ndim - 2, kernel.shape[-1]
    options |= {"filters": filters, "kernel": simplify(kernel.shape[:axes]), "bias": bias is not None}
    return call.weighted(f"Conv{axes}D", x, channels, options, _named(_filters_first(kernel), bias), part)


def _filters_first(kernel: Array) -> Array:
    """Transpose a kernel (KH, KW, C, F) to (F, C, KH, KW)."""
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def _named(w: Array, bias: Array | None) -> dict[str, Array]:
    return {"w": w} if bias is None else {"w": w, "b": bias}


def transposed(axes: int) -> Translation:
    """Return the translation of a transposed convolution."""

    def translate(call: KerasCall) -> KerasValue:
        channels, filters = call.channel_axis(axes + 1), call.integer("filters")
        size, stride = call.integers("kernel_size", axes), call.integers("strides", axes, 1)
        dilation, rule = call.integers("dilation_rate", axes, 1), call.choice("padding", "valid", PADDINGS)
        weights = _weights(call, filters, kernel=(*size, filters, call.x.shape[channels]))
        weights["kernel"] = _filters_first(weights["kernel"])  # its first axis has the input channels
        outputs = _transposed_sizes(call, rule, call.x.sides(channels), [*map(extent, size, dilation)], stride)
        options: dict[str, Any] = {
            "strides": stride,
            "dilations": dilation,
            "output_shape": outputs,
            "auto_pad": "SAME_UPPER",
        }
        order = axis_first(channels, axes + 1)
        return apply_in_order(call, "ConvTranspose", [call.x], *weights.values(), order=order, **options)

    translate.__doc__ = f"Return ConvTranspose2D{', of an image of height 1' if axes == 1 else ''}."
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
    if call.option("output_padding") is None:
        ends = [step if rule == "same" else max(size, step) for size, step in zip(extents, stride, strict=True)]
    else:
        added = call.integers("output_padding", len(stride), least=0)
        ends = [(size % 2 if rule == "same" else size) + p for size, p in zip(extents, added, strict=True)]
    return [step * (side - 1) + end for side, step, end in zip(sides, stride, ends, strict=True)]


def dense(call: KerasCall) -> KerasValue:
    """Return Dense or, if a sample has several axes, Conv1D or Conv2D with a kernel of size 1."""
    x, units = call.x, call.integer("units")
    count = x.shape[-1]
    weights = _weights(call, units, kernel=(count, units))
    kernel, bias = weights["kernel"], weights.get("bias")
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
        channels, window = call.channel_axis(axes + 1), call.integers("pool_size", axes, 2)
        stride = window if call.option("strides") is None else call.integers("strides", axes)
        options: dict[str, Any] = {"window": simplify(window), "padding": call.choice("padding", "valid", PADDINGS)}
        options |= {} if stride == window else {"stride": simplify(stride)}
        return call.spatial(call.x, kind, channels, **options)

    translate.__doc__ = f"Return {kind}{', which does not count the padding' if 'Average' in kind else ''}."
    return translate


def global_pool(kind: str, axes: int) -> Translation:
    """Return the translation of pooling over all positions."""

    def translate(call: KerasCall) -> KerasValue:
        x, channels = call.x, call.channel_axis(axes + 1)
        y = from_layout(call.assembly.apply(kind, x.with_first(channels)), [0])
        kept = tuple(size if axis == channels else 1 for axis, size in enumerate(x.shape))
        return y.reshaped(kept) if call.flag("keepdims", False) else y

    translate.__doc__ = f"Return {kind}."
    return translate


def adaptive(call: KerasCall) -> KerasValue:
    """Return AdaptiveAveragePool2D."""
    channels = call.channel_axis(3)
    return call.spatial(call.x, "AdaptiveAveragePool2D", channels, outputs=simplify(call.integers("output_size", 2)))


LAYERS: dict[str, Translation] = {
    "Dense": dense,
    **{f"{kind}Conv{axes}D": conv(axes, kind) for kind in CONVOLUTIONS for axes in (1, 2)},
    **{f"Conv{axes}DTranspose": transposed(axes) for axes in (1, 2)},
    **{f"MaxPooling{axes}D": pool(f"MaxPool{axes}D", axes) for axes in (1, 2)},
    **{f"AveragePooling{axes}D": pool(f"AveragePool{axes}D", axes) for axes in (1, 2)},
    **{f"GlobalMaxPooling{axes}D": global_pool(f"GlobalMaxPool{axes}D", axes) for axes in (1, 2)},
    **{f"GlobalAveragePooling{axes}D": global_pool(f"GlobalAveragePool{axes}D", axes) for axes in (1, 2)},
    "AdaptiveAveragePooling2D": adaptive,
}
