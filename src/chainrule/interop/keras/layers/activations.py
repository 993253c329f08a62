"""Activations, as layers and as options of other layers."""

import math
from collections.abc import Callable
from dataclasses import replace

from chainrule.core.arrays import Array
from chainrule.errors import quoted
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.keras.layer_call import KerasCall, Translation
from chainrule.interop.keras.layers.by_onnx import affine, apply_operator, clipped
from chainrule.interop.keras.layouts import KerasValue
from chainrule.interop.keras.values import as_dict, as_list
from chainrule.layers import MERGING, PEERED, Layer
from chainrule.layers.peers import Peer, description

Apply = Callable[[KerasCall, KerasValue], KerasValue]


def _layer_function(kind: str, **options: float) -> Apply:
    """Return a function that applies an element-wise layer."""

    def apply(call: KerasCall, x: KerasValue) -> KerasValue:
        return call.elementwise(x, kind, **options)

    return apply


def _clipped_line(scale: float) -> Apply:
    """Return a function that applies Clip of scale · x + 1/2 to [0, 1]."""
    return lambda call, x: clipped(call, affine(call, x, scale, 0.5), 0.0, 1.0)


def _hard_sigmoid(call: KerasCall, x: KerasValue) -> KerasValue:
    """Apply HardSigmoid or, for files of Keras 2, Clip of x/5 + 1/2 to [0, 1]."""
    if call.version < 3:
        return _clipped_line(0.2)(call, x)
    return call.elementwise(x, "HardSigmoid")


def softmax_along(kind: str) -> Apply:
    """Return a function that applies Softmax or LogSoftmax along the axis in the options, or else the last one."""

    def apply(call: KerasCall, x: KerasValue) -> KerasValue:
        axis = call.axis("axis")
        if math.prod(x.shape) == x.shape[axis]:
            return x.with_node(call.assembly.apply(kind, x.flat()))
        return call.spatial(x, kind, axis)

    return apply


def _shrink(share: float) -> Apply:
    """Return a function that applies Shrink, whose bias is a share of the threshold in the options."""

    def apply(call: KerasCall, x: KerasValue) -> KerasValue:
        threshold = call.number("threshold", 0.5)
        return call.elementwise(x, "Shrink", threshold=threshold, bias=share * threshold)

    return apply


def _tanh_shrink(call: KerasCall, x: KerasValue) -> KerasValue:
    return apply_operator(call, "Sub", [x, call.elementwise(x, "Tanh")])


def _log_sigmoid(call: KerasCall, x: KerasValue) -> KerasValue:
    return affine(call, call.elementwise(affine(call, x, -1.0), "Softplus"), -1.0)


FUNCTIONS: dict[str, Apply] = {
    **{name: _layer_function(kind.__name__) for kind in PEERED for name in kind.peers.functions},
    "elu": _layer_function("ELU", alpha=1.0),
    "celu": lambda call, x: apply_operator(call, "Celu", [x], alpha=call.number("alpha", 1.0)),
    "relu6": _layer_function("Clip", low=0.0, high=6.0),
    "hard_tanh": _layer_function("Clip", low=-1.0, high=1.0),
    "leaky_relu": _layer_function("LeakyReLU", slope=0.2),
    "hard_sigmoid": _hard_sigmoid,
    "hard_shrink": _shrink(0.0),
    "soft_shrink": _shrink(1.0),
    "log_sigmoid": _log_sigmoid,
    "sparse_sigmoid": _clipped_line(0.5),
    "tanh_shrink": _tanh_shrink,
    "softmax": softmax_along("Softmax"),
    "log_softmax": softmax_along("LogSoftmax"),
}


def apply_activation(call: KerasCall, x: KerasValue) -> KerasValue:
    """Apply the activation in a layer's options, if any, to x. It is the name of a Keras function, or another layer."""
    name: object = call.option("activation")
    description = as_dict(name)
    if description.get("class_name") in LAYERS and isinstance(description.get("config"), dict):
        return _apply_layer(call, x, description)
    if description.get("class_name") == "function":
        name = description.get("config")
    if name is None or name == "linear":
        return x
    if not isinstance(name, str) or name not in FUNCTIONS:
        raise call.unsupported(f"activation {quoted(name)}", f"one of {', '.join(FUNCTIONS)}")
    return FUNCTIONS[name](call, x)


def _apply_layer(call: KerasCall, x: KerasValue, description: dict[str, object]) -> KerasValue:
    """Apply a layer that is the activation of another layer. It must be a layer without weights."""
    inner = call.inner_call(replace(call.layer, kind=description["class_name"], options=description["config"]), x)
    if inner.layer.kind in ("PReLU", "Activation"):
        raise call.unsupported(f"a layer {inner.layer.kind} as its activation", "a separate layer")
    y = LAYERS[inner.layer.kind](inner)
    inner.check_options()
    return y


def activation(call: KerasCall) -> KerasValue:
    """Return the layer for the activation function, such as ReLU."""
    return call.x  # `apply_activation` follows


def relu(call: KerasCall) -> KerasValue:
    """Return ReLU, LeakyReLU for a negative_slope, Clip for a max_value, or ThresholdedReLU for a threshold."""
    x = call.x
    slope = call.number("negative_slope", 0.0)
    threshold = call.number("threshold", 0.0)
    highest = MAX_FLOAT32
    if call.option("max_value") is not None:
        highest = call.number("max_value", 0)
    if threshold:
        y = clipped(call, call.elementwise(x, "ThresholdedReLU", threshold=threshold), -MAX_FLOAT32, highest)
        if not slope:
            return y
        below = call.elementwise(affine(call, x, -1.0, threshold), "ReLU")
        return apply_operator(call, "Add", [y, affine(call, below, -slope)])
    if slope:
        return clipped(call, call.elementwise(x, "LeakyReLU", slope=slope), -MAX_FLOAT32, highest)
    return clipped(call, x, 0.0, highest)


def leaky_relu(call: KerasCall) -> KerasValue:
    """Return LeakyReLU."""
    option = "negative_slope"
    if option not in call.layer.options:
        option = "alpha"
    return call.elementwise(call.x, "LeakyReLU", slope=call.number(option, 0.3))


def softmax(call: KerasCall) -> KerasValue:
    """Return Softmax, along one axis of a sample."""
    return FUNCTIONS["softmax"](call, call.x)


def translate_as(kind: type[Layer], peer: Peer) -> Translation:
    """Return the translation of a Keras layer that is the peer of a layer."""
    parameters = kind.parameter_names()
    names = {peer.renamed.get(name, name): name for name in parameters}

    def translate(call: KerasCall) -> KerasValue:
        options = peer.read(kind, call.number)
        if not parameters:
            return call.elementwise(call.x, kind.__name__, **options)
        return per_channel(call, kind, options, names)

    translate.__doc__ = description(kind, parameters)
    return translate


def per_channel(call: KerasCall, kind: type[Layer], options: dict[str, float], names: dict[str, str]) -> KerasValue:
    """Return a layer with parameters for each channel, or for each element.

    Axes in `shared_axes` have size 1 in the parameters. If one longer axis remains, it is that of the channels. If no
    axis is shared, all elements are treated as channels.

    names   Keras' name of a parameter → name of the layer
    """
    x = call.x
    shape = [*x.shape]
    separate_axes = [*range(x.rank)]
    for axis_number in as_list(call.option("shared_axes")) or []:
        axis = call.sample_axis(axis_number, x.rank)
        shape[axis] = 1
        if axis in separate_axes:
            separate_axes.remove(axis)
    weights: dict[str, Array] = {}
    for name, array in call.weights(**dict.fromkeys(names, shape)).items():
        weights[names[name]] = array.reshape(-1)
    count = math.prod(shape)
    if count == math.prod(x.shape):
        return call.weighted(kind.__name__, x.reshaped((count,)), 0, options, weights).reshaped(x.shape)
    channel_axes = [axis for axis in separate_axes if shape[axis] > 1] or separate_axes[:1]
    if len(channel_axes) != 1:
        problem = f"{' and '.join(weights)} of shape {tuple(shape)} for {x.shape}"
        raise call.unsupported(problem, "one for each channel, or for each element")
    return call.weighted(kind.__name__, x, channel_axes[0], options, weights)


LAYERS: dict[str, Translation] = {
    "Activation": activation,
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "Softmax": softmax,
    **{
        kind.peers.keras.name: translate_as(kind, kind.peers.keras)
        for kind in PEERED
        if kind.peers.keras and kind not in MERGING
    },
}
