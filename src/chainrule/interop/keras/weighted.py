"""Keras layers with kernels, pooling and normalization. Kernels have the shape (…, C_in, C_out)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.errors import quoted
from chainrule.interop.keras.layer_call import LayerCall
from chainrule.interop.keras.values import as_list
from chainrule.interop.onnx.operator_call import Feature

SMALLEST_DEVIATION = 1e-7  # lower limit of the standard deviation in Normalization


def _window(call: LayerCall, axes: int) -> dict[str, Any]:
    """Return the attributes of Conv for the options of a convolution over a number of axes."""
    size = call.integers("kernel_size", axes)
    dilations = call.integers("dilation_rate", axes, 1)
    window: dict[str, Any] = {"strides": call.integers("strides", axes, 1), "dilations": dilations}
    if axes == 1 and call.option("padding") == "causal":
        return {**window, "pads": [(size[0] - 1) * dilations[0], 0]}
    return {**window, "auto_pad": _padding(call)}


def _padding(call: LayerCall) -> str | None:
    if call.choice("padding", "valid", ("valid", "same")) == "same":
        return "SAME_UPPER"
    return None


def convolution(axes: int, call: LayerCall) -> Feature:
    """Return Conv."""
    x = call.image()
    channels = x.shape[1]
    filters = call.integer("filters")
    groups = call.integer("groups", 1)
    size = call.integers("kernel_size", axes)
    (w,), bias = call.kernels(filters, kernel=(*size, channels // groups, filters))
    return call.as_in_keras(call.convolved(x, w, bias, groups, **_window(call, axes)))


def depthwise_convolution(axes: int, call: LayerCall) -> Feature:
    """Return Conv with a group for each channel."""
    x = call.image()
    channels = x.shape[1]
    multiplier = call.integer("depth_multiplier", 1)
    size = call.integers("kernel_size", axes)
    (w,), bias = call.kernels(multiplier * channels, kernel=(*size, channels, multiplier))
    w = w.reshape(*size, 1, channels * multiplier)
    return call.as_in_keras(call.convolved(x, w, bias, channels, **_window(call, axes)))


def separable_convolution(axes: int, call: LayerCall) -> Feature:
    """Return Conv with a group for each channel, and Conv with a kernel of size 1."""
    x = call.image()
    channels = x.shape[1]
    filters = call.integer("filters")
    multiplier = call.integer("depth_multiplier", 1)
    size = call.integers("kernel_size", axes)
    inner = multiplier * channels
    (depthwise, pointwise), bias = call.kernels(
        filters,
        depthwise_kernel=(*size, channels, multiplier),
        pointwise_kernel=(*[1] * axes, inner, filters),
    )
    depthwise = depthwise.reshape(*size, 1, inner)
    y = call.convolved(x, depthwise, None, channels, part="_depthwise", **_window(call, axes))
    return call.as_in_keras(call.convolved(y, pointwise, bias, part="_pointwise"))


def transposed_convolution(axes: int, call: LayerCall) -> Feature:
    """Return ConvTranspose."""
    x = call.image()
    filters = call.integer("filters")
    size = call.integers("kernel_size", axes)
    strides = call.integers("strides", axes, 1)
    dilations = call.integers("dilation_rate", axes, 1)
    (w,), bias = call.kernels(filters, kernel=(*size, filters, x.shape[1]))
    y = call.transposed(x, w, bias, strides=strides, dilations=dilations, auto_pad=_padding(call))
    return call.as_in_keras(y)


def dense(call: LayerCall) -> Feature:
    """Return Gemm or, if a sample has several axes, Conv with a kernel of size 1."""
    x = call.x
    units = call.integer("units")
    (w,), bias = call.kernels(units, kernel=(x.shape[-1], units))
    layer = call.layer_in_file
    return call.dense(x, w, bias, is_shared=len(layer.calls) > 1 or len(layer.path) > 1)


def pooling(operator: str, call: LayerCall) -> Feature:
    """Return MaxPool or AveragePool, which does not count the padding."""
    x = call.image()
    axes = len(x.shape) - 2
    window = call.integers("pool_size", axes, 2)
    strides = window
    if call.option("strides") is not None:
        strides = call.integers("strides", axes)
    return call.as_in_keras(call.op(operator, x, kernel_shape=window, strides=strides, auto_pad=_padding(call)))


def global_pooling(operator: str, call: LayerCall) -> Feature:
    """Return GlobalMaxPool or GlobalAveragePool."""
    y = call.op(operator, call.image())
    if call.flag("keepdims", default=False):
        return call.as_in_keras(y)
    return call.moved(y, lambda indices: indices.reshape(indices.shape[:2]))


# ---------------------------------------------------------------------- normalization


def _factors(call: LayerCall, shape: Sequence[int], *statistics: str) -> list[Array]:
    """Return γ and β, 1 and 0 unless the layer has them, and statistics, as vectors."""
    present: list[str] = []
    for name, option in (("gamma", "scale"), ("beta", "center")):
        if call.flag(option, default=True):
            present.append(name)
    weights = call.weights(**dict.fromkeys((*present, *statistics), shape))
    call.assembly.budget.write(16 * int(np.prod(shape)), call.kind)
    gamma = weights.get("gamma", np.ones(shape))
    beta = weights.get("beta", np.zeros(shape))
    return [array.reshape(-1) for array in (gamma, beta, *(weights[name] for name in statistics))]


def batch_normalization(call: LayerCall) -> Feature:
    """Return BatchNormalization with its running statistics."""
    axis = call.axis()
    if call.flag("renorm", default=False):
        raise call.unsupported("renorm true", "normalization by batch statistics")
    constants = _factors(call, (call.x.shape[axis],), "moving_mean", "moving_variance")
    y = call.op(
        "BatchNormalization",
        call.moved_axis(call.x, axis, 1),
        *constants,
        weights=["weight", "bias", "running_mean", "running_var"],
        epsilon=call.number("epsilon", 1e-3),
        momentum=call.number("momentum", 0.99),
    )
    return call.moved_axis(y, 1, axis)


def layer_normalization(call: LayerCall) -> Feature:
    """Return LayerNormalization over the last axes."""
    x = call.x
    axes = call.axes()
    if axes != [*range(len(x.shape) - len(axes), len(x.shape))]:
        raise call.unsupported(f"axis {quoted(call.option('axis'))}", "the last axes")
    if call.flag("rms_scaling", default=False):
        raise call.unsupported("rms_scaling true", "false")
    shape = x.shape[axes[0] :]
    gamma, beta = (constant.reshape(shape) for constant in _factors(call, shape))
    epsilon = call.number("epsilon", 1e-3)
    options: dict[str, Any] = {"axis": axes[0], "epsilon": epsilon}
    return call.op("LayerNormalization", x, gamma, beta, weights=["weight", "bias"], **options)


def group_normalization(call: LayerCall) -> Feature:
    """Return GroupNormalization."""
    axis = call.axis()
    channels = call.x.shape[axis]
    groups = int(call.number("groups", 32))
    gamma, beta = _factors(call, (channels,))
    if groups == -1:
        groups = channels
    options: dict[str, Any] = {"num_groups": groups, "epsilon": call.number("epsilon", 1e-3)}
    x = call.moved_axis(call.x, axis, 1)
    y = call.op("GroupNormalization", x, gamma, beta, weights=["weight", "bias"], **options)
    return call.moved_axis(y, 1, axis)


def normalization(call: LayerCall) -> Feature:
    """Return Mul and Add, which normalize each channel."""
    x = call.x
    axis = call.option("axis", -1)
    shape: tuple[int, ...] = ()
    if axis not in (None, []):
        if call.axis() != len(x.shape) - 1:
            raise call.unsupported(f"axis {quoted(axis)}", "the last axis")
        shape = x.shape[-1:]
    if call.flag("invert", default=False):
        raise call.unsupported("invert true", "false")
    if call.option("mean") is None:
        weights = call.weights(mean=shape, variance=shape, count=None)
        mean, variance = weights["mean"], weights["variance"]
    else:
        mean, variance = numbers(call, "mean"), numbers(call, "variance")
    scale = 1 / np.maximum(np.sqrt(np.maximum(variance, 0)), SMALLEST_DEVIATION)
    return call.affine(x, scale, -mean * scale)


def numbers(call: LayerCall, name: str, default: float | None = None) -> Array:
    """Return an option that is one or more numbers."""
    value = call.option(name, default)
    if value is None:
        raise call.unsupported(f"no {name}", "one or more numbers")
    return np.array(value, np.float64).reshape(-1)


def rescaling(call: LayerCall) -> Feature:
    """Return Mul by `scale` and Add of `offset`."""
    return call.affine(call.x, numbers(call, "scale", 1.0), numbers(call, "offset", 0.0))


def layer_scale(call: LayerCall) -> Feature:
    """Return Mul by a factor for each channel."""
    call.option("init_values")
    gamma = call.weights(gamma=(call.integer("projection_dim"),))["gamma"]
    return call.op("Mul", call.x, gamma, weights=["gamma"])


def prelu(call: LayerCall) -> Feature:
    """Return PRelu with one slope for each channel, or for each element."""
    shape = [*call.x.shape[1:]]
    if as_list(call.value("shared_axes")):
        for axis in call.axes("shared_axes"):
            shape[axis - 1] = 1
    return call.with_slopes(call.x, call.weights(alpha=shape)["alpha"])


LAYERS = {
    "Dense": dense,
    "BatchNormalization": batch_normalization,
    "BatchNormalizationV1": batch_normalization,
    "BatchNormalizationV2": batch_normalization,
    "LayerNormalization": layer_normalization,
    "GroupNormalization": group_normalization,
    "Normalization": normalization,
    "Rescaling": rescaling,
    "LayerScale": layer_scale,
    "PReLU": prelu,
}
for axes in (1, 2):
    LAYERS[f"Conv{axes}D"] = partial(convolution, axes)
    LAYERS[f"DepthwiseConv{axes}D"] = partial(depthwise_convolution, axes)
    LAYERS[f"SeparableConv{axes}D"] = partial(separable_convolution, axes)
    LAYERS[f"Conv{axes}DTranspose"] = partial(transposed_convolution, axes)
    for kind in ("Max", "Average"):
        LAYERS[f"{kind}Pooling{axes}D"] = partial(pooling, f"{kind}Pool")
        LAYERS[f"Global{kind}Pooling{axes}D"] = partial(global_pooling, f"Global{kind}Pool")
