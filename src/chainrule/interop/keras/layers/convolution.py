"""Convolutions, pooling and dense layers. Keras kernels have the shape (KH, KW, C_in/groups, C_out)."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.shapes import extent
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.layers.activations import apply_activation
from chainrule.interop.keras.weights import KerasValue, from_layout

Array = NDArray[Any]
PADDINGS = ("valid", "same")


def simplify(values: tuple[int, ...]) -> int | tuple[int, ...]:
    """Return a single number if all values are equal, otherwise the tuple: the shortest form of an option."""
    return values[0] if len(set(values)) == 1 else values


def _window(call: KerasCall, axes: int) -> dict[str, Any]:
    """Return the options kernel, stride, dilation and padding of a convolution with this number of spatial axes."""
    kernel = call.integers("kernel_size", axes)
    dilation = call.integers("dilation_rate", axes, 1)
    paddings = ("valid", "same", "causal") if axes == 1 else ("valid", "same")
    padding: Any = call.choice("padding", "valid", paddings)
    if padding == "causal":
        padding = ((extent(kernel[0], dilation[0]) - 1, 0),)
    stride = call.integers("strides", axes, 1)
    return {
        "kernel": simplify(kernel),
        "stride": simplify(stride),
        "dilation": simplify(dilation),
        "padding": padding,
    }


def conv(axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of a convolution."""

    def translate(call: KerasCall) -> KerasValue:
        x, channels, window = call.x, call.channel_axis(axes + 1), _window(call, axes)
        filters, groups = call.integer("filters"), call.integer("groups", 1)
        count = x.shape[channels]
        if count % groups or filters % groups:
            raise call.unsupported(f"{groups} groups of {count} channels and {filters} filters", "a divisor of both")
        shape = (*call.integers("kernel_size", axes), count // groups, filters)
        weights = _kernel_and_bias(call, shape, filters)
        options = {"filters": filters, "groups": groups, "bias": "bias" in weights, **window}
        y = call.weighted(f"Conv{axes}D", x, channels, options, _named(weights, _filters_first(weights["kernel"])))
        return apply_activation(call, y)

    translate.__doc__ = f"Return Conv{axes}D."
    return translate


def _kernel_and_bias(call: KerasCall, shape: Sequence[int], filters: int) -> dict[str, Array]:
    """Return the weights of a layer: its kernel, and its bias if there is one."""
    return call.weights(kernel=shape, **({"bias": (filters,)} if call.flag("use_bias", True) else {}))


def _filters_first(kernel: Array) -> Array:
    """Transpose a kernel (KH, KW, C, F) to (F, C, KH, KW)."""
    return np.moveaxis(kernel, (-1, -2), (0, 1))


def _named(weights: dict[str, Array], w: Array) -> dict[str, Array]:
    return {"w": w, **({"b": weights["bias"]} if "bias" in weights else {})}


def depthwise(axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of a depthwise convolution."""

    def translate(call: KerasCall) -> KerasValue:
        x, channels, window = call.x, call.channel_axis(axes + 1), _window(call, axes)
        count, multiplier = x.shape[channels], call.integer("depth_multiplier", 1)
        shape = (*call.integers("kernel_size", axes), count, multiplier)
        weights = _kernel_and_bias(call, shape, count * multiplier)
        options = {"filters": count * multiplier, "groups": count, "bias": "bias" in weights, **window}
        w = _depthwise_kernel(weights["kernel"])
        return apply_activation(call, call.weighted(f"Conv{axes}D", x, channels, options, _named(weights, w)))

    translate.__doc__ = f"Return Conv{axes}D with a group for each channel."
    return translate


def _depthwise_kernel(kernel: Array) -> Array:
    """Rearrange a depthwise kernel (KH, KW, C, M) to (C·M, 1, KH, KW)."""
    return _filters_first(kernel.reshape(*kernel.shape[:-2], 1, kernel.shape[-2] * kernel.shape[-1]))


def separable(axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of a depthwise convolution followed by a 1×1 convolution."""

    def translate(call: KerasCall) -> KerasValue:
        x, channels, window = call.x, call.channel_axis(axes + 1), _window(call, axes)
        count, multiplier, filters = x.shape[channels], call.integer("depth_multiplier", 1), call.integer("filters")
        bias, size = call.flag("use_bias", True), call.integers("kernel_size", axes)
        shapes = {
            "depthwise_kernel": (*size, count, multiplier),
            "pointwise_kernel": (*[1] * axes, count * multiplier, filters),
        }
        weights = call.weights(**shapes, **({"bias": (filters,)} if bias else {}))
        options = {"filters": count * multiplier, "groups": count, "bias": False, **window}
        w = {"w": _depthwise_kernel(weights["depthwise_kernel"])}
        deep = call.weighted(f"Conv{axes}D", x, channels, options, w, "depthwise")
        last = _named(weights, _filters_first(weights["pointwise_kernel"]))
        options = {"filters": filters, "kernel": 1, "bias": bias}
        return apply_activation(call, call.weighted(f"Conv{axes}D", deep, channels, options, last, "pointwise"))

    size = "×".join("1" * axes)
    translate.__doc__ = f"Return two Conv{axes}D: one with a group for each channel, and one with a kernel of {size}."
    return translate


def transposed(axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of a transposed convolution. A single spatial axis becomes an image of height 1."""

    def translate(call: KerasCall) -> KerasValue:
        channels, filters = call.channel_axis(axes + 1), call.integer("filters")
        kernel, stride = call.integers("kernel_size", axes), call.integers("strides", axes, 1)
        dilation, rule = call.integers("dilation_rate", axes, 1), call.choice("padding", "valid", ("valid", "same"))
        cropping = _cropping(call, rule, [extent(k, d) for k, d in zip(kernel, dilation, strict=True)], stride)
        shape = (*kernel, filters, call.x.shape[channels])
        weights = _kernel_and_bias(call, shape, filters)
        added = (1,) * (2 - axes)
        window = {
            "kernel": simplify(added + kernel),
            "stride": simplify(added + stride),
            "dilation": simplify(added + dilation),
        }
        options = {"filters": filters, "bias": "bias" in weights, **window, **cropping}
        w = _filters_first(weights["kernel"])  # its first axis has the input channels
        x, axis = add_axis(call.x, channels, axes)
        y = call.weighted(
            "ConvTranspose2D", x, axis, options, _named(weights, w.reshape(*w.shape[:2], *added, *kernel))
        )
        return apply_activation(call, remove_axis(y, axis, axes))

    translate.__doc__ = f"Return ConvTranspose2D{', of an image of height 1' if axes == 1 else ''}."
    return translate


def _cropping(call: KerasCall, rule: str, extents: Sequence[int], stride: tuple[int, ...]) -> dict[str, Any]:
    """Return the options padding and output_padding of a transposed convolution with two axes.

    rule      "valid" or "same"
    extents   extent of the dilated kernel along each axis

    For the stride s and an input of size H, the output has s(H − 1) + max(extent, s) elements with "valid" and s·H with
    "same". With an output padding p, it has s(H − 1) + extent + p with "valid" and s(H − 1) + extent % 2 + p with
    "same".
    """
    added_axes = 2 - len(stride)
    if call.option("output_padding") is not None:
        output_padding = call.integers("output_padding", len(stride), least=0)
    elif rule == "same":
        return {"padding": "same"}
    else:
        output_padding = tuple(max(step - size, 0) for size, step in zip(extents, stride, strict=True))
    totals = [
        size - size % 2 - more if rule == "same" else -more for size, more in zip(extents, output_padding, strict=True)
    ]
    before = [max(total // 2, 0) for total in totals]
    after = [total - less for total, less in zip(totals, before, strict=True)]
    pairs = [(0, 0)] * added_axes + [(less, max(more, 0)) for less, more in zip(before, after, strict=True)]
    outer = (0,) * added_axes + tuple(max(-more, 0) for more in after)
    return {"padding": tuple(pairs) if any(map(sum, pairs)) else "valid", "output_padding": simplify(outer)}


def add_axis(x: KerasValue, channels: int, axes: int) -> tuple[KerasValue, int]:
    """Return a value with two spatial axes, and its channel axis. A single axis gets one of size 1 before it."""
    if axes == 2:
        return x, channels
    return (x.reshaped((x.shape[0], 1, x.shape[1])), 0) if channels == 0 else (x.reshaped((1, *x.shape)), 2)


def remove_axis(y: KerasValue, channels: int, axes: int) -> KerasValue:
    """Remove the spatial axis inserted by `add_axis`."""
    if axes == 2:
        return y
    return y.reshaped((y.shape[0], y.shape[2]) if channels == 0 else y.shape[1:])


def dense(call: KerasCall) -> KerasValue:
    """Return Dense or, if a sample has several axes, Conv1D or Conv2D with a kernel of size 1."""
    x, units = call.x, call.integer("units")
    count = x.shape[-1]
    weights = _kernel_and_bias(call, (count, units), units)
    w = weights["kernel"].T
    if x.rank == 1:
        if call.is_shared:
            x = call.in_keras_order(x)
        elif not x.in_order:
            w = w[:, np.argsort(x.order())]
        return apply_activation(call, call.dense(x, {"features": units, "bias": "bias" in weights}, _named(weights, w)))
    if x.rank > 3:
        raise call.unsupported(f"an input of {x.rank + 1} axes", "at most 4, the batch axis first")
    axes = x.rank - 1
    options = {"filters": units, "kernel": 1, "bias": "bias" in weights}
    kernel = _named(weights, w.reshape(units, count, *[1] * axes))
    return apply_activation(call, call.weighted(f"Conv{axes}D", x, axes, options, kernel))


def pool(kind: str, axes: int) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of pooling over windows."""

    def translate(call: KerasCall) -> KerasValue:
        channels, window = call.channel_axis(axes + 1), call.integers("pool_size", axes, 2)
        stride = window if call.option("strides") is None else call.integers("strides", axes)
        options: dict[str, Any] = {"window": simplify(window), "padding": call.choice("padding", "valid", PADDINGS)}
        options |= {} if stride == window else {"stride": simplify(stride)}
        return call.spatial(call.x, kind, channels, **options)

    translate.__doc__ = f"Return {kind}{', which does not count the padding' if 'Average' in kind else ''}."
    return translate


def global_pool(kind: str, axes: int) -> Callable[[KerasCall], KerasValue]:
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


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {
    "Dense": dense,
    **{f"Conv{axes}D": conv(axes) for axes in (1, 2)},
    **{f"DepthwiseConv{axes}D": depthwise(axes) for axes in (1, 2)},
    **{f"SeparableConv{axes}D": separable(axes) for axes in (1, 2)},
    **{f"Conv{axes}DTranspose": transposed(axes) for axes in (1, 2)},
    **{f"MaxPooling{axes}D": pool(f"MaxPool{axes}D", axes) for axes in (1, 2)},
    **{f"AveragePooling{axes}D": pool(f"AveragePool{axes}D", axes) for axes in (1, 2)},
    **{f"GlobalMaxPooling{axes}D": global_pool(f"GlobalMaxPool{axes}D", axes) for axes in (1, 2)},
    **{f"GlobalAveragePooling{axes}D": global_pool(f"GlobalAveragePool{axes}D", axes) for axes in (1, 2)},
    "AdaptiveAveragePooling2D": adaptive,
}
