"""Activations, as layers and as options of other layers."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chainrule.errors import quoted
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.values import as_dict, as_list
from chainrule.interop.keras.weights import KerasValue
from chainrule.layers import MERGING, PEERED, Layer
from chainrule.layers.peers import Peer, description

Apply = Callable[[KerasCall, KerasValue], KerasValue]


def _layer_function(kind: str, **options: float) -> Apply:
    """Return a function that applies an element-wise layer."""

    def apply(call: KerasCall, x: KerasValue) -> KerasValue:
        return call.elementwise(x, kind, **options)

    return apply


def _hard_sigmoid(call: KerasCall, x: KerasValue) -> KerasValue:
    """Apply HardSigmoid or, for files of Keras 2, Clip of x/5 + 1/2 to [0, 1]."""
    if call.version >= 3:
        return call.elementwise(x, "HardSigmoid")
    return call.elementwise(call.affine(x, 0.2, 0.5), "Clip", low=0.0, high=1.0)


def softmax_along(call: KerasCall, x: KerasValue, axis: int, kind: str = "Softmax") -> KerasValue:
    """Apply Softmax or LogSoftmax along an axis."""
    if math.prod(x.shape) == x.shape[axis]:
        return x.with_node(call.assembly.apply(kind, x.flat()))
    return call.spatial(x, kind, axis)


def _softmax(call: KerasCall, x: KerasValue) -> KerasValue:
    return softmax_along(call, x, x.rank - 1)


def _sparse_sigmoid(call: KerasCall, x: KerasValue) -> KerasValue:
    return call.elementwise(call.affine(x, 0.5, 0.5), "Clip", low=0.0, high=1.0)


def _tanh_shrink(call: KerasCall, x: KerasValue) -> KerasValue:
    return x.with_node(call.assembly.apply("Add", x.node, call.affine(call.elementwise(x, "Tanh"), -1.0).node))


def _log_sigmoid(call: KerasCall, x: KerasValue) -> KerasValue:
    return call.affine(call.elementwise(call.affine(x, -1.0), "Softplus"), -1.0)


def _log_softmax(call: KerasCall, x: KerasValue) -> KerasValue:
    return softmax_along(call, x, x.rank - 1, "LogSoftmax")


FUNCTIONS: dict[str, Apply] = {
    **{name: _layer_function(kind.__name__) for kind in PEERED for name in kind.peers.functions},
    **{name: _layer_function("ELU", alpha=1.0) for name in ("elu", "celu")},
    "relu6": _layer_function("Clip", low=0.0, high=6.0),
    "hard_tanh": _layer_function("Clip", low=-1.0, high=1.0),
    "leaky_relu": _layer_function("LeakyReLU", slope=0.2),
    "hard_sigmoid": _hard_sigmoid,
    "hard_shrink": _layer_function("Shrink", threshold=0.5, bias=0.0),
    "soft_shrink": _layer_function("Shrink", threshold=0.5, bias=0.5),
    "log_sigmoid": _log_sigmoid,
    "sparse_sigmoid": _sparse_sigmoid,
    "tanh_shrink": _tanh_shrink,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
}


def apply_activation(call: KerasCall, x: KerasValue) -> KerasValue:
    """Apply the activation in a layer's options, if any, to x. It is the name of a Keras function, or another layer."""
    activation_option: Any = call.option("activation")
    description = as_dict(activation_option)
    if description.get("class_name") in LAYERS and isinstance(description.get("config"), dict):
        return _apply_layer(call, x, description)
    activation_option = description.get("config") if description.get("class_name") == "function" else activation_option
    if activation_option is None or activation_option == "linear":
        return x
    if not isinstance(activation_option, str) or activation_option not in FUNCTIONS:
        raise call.unsupported(f"activation {quoted(activation_option)}", f"one of {', '.join(FUNCTIONS)}")
    return FUNCTIONS[activation_option](call, x)


def _apply_layer(call: KerasCall, x: KerasValue, description: dict[str, Any]) -> KerasValue:
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
    max_value: Any = call.option("max_value")
    slope, threshold = call.number("negative_slope", 0.0), call.number("threshold", 0.0)
    if threshold:
        return _relu_with_threshold(call, threshold, slope)
    if max_value is None:
        return call.elementwise(call.x, "LeakyReLU", slope=slope) if slope else call.elementwise(call.x, "ReLU")
    if slope:
        leaky = call.elementwise(call.x, "LeakyReLU", slope=slope)
        return call.elementwise(leaky, "Clip", low=-MAX_FLOAT32, high=call.number("max_value", 0))
    return call.elementwise(call.x, "Clip", low=0.0, high=call.number("max_value", 0))


def _relu_with_threshold(call: KerasCall, threshold: float, slope: float) -> KerasValue:
    """Return ThresholdedReLU, limited to a max_value, minus slope · ReLU(threshold − x)."""
    y = call.elementwise(call.x, "ThresholdedReLU", threshold=threshold)
    if call.option("max_value") is not None:
        y = call.elementwise(y, "Clip", low=0.0, high=call.number("max_value", 0))
    if not slope:
        return y
    below = call.elementwise(call.affine(call.x, -1.0, threshold), "ReLU")
    return y.with_node(call.assembly.apply("Add", y.node, call.affine(below, -slope).node))


def leaky_relu(call: KerasCall) -> KerasValue:
    """Return LeakyReLU."""
    slope = call.number("negative_slope" if "negative_slope" in call.layer.options else "alpha", 0.3)
    return call.elementwise(call.x, "LeakyReLU", slope=slope)


def softmax(call: KerasCall) -> KerasValue:
    """Return Softmax, along one axis of a sample."""
    return softmax_along(call, call.x, call.axis("axis"))


def translate_as(kind: type[Layer], peer: Peer) -> Callable[[KerasCall], KerasValue]:
    """Return the translation of a Keras layer that is the peer of a layer."""
    parameters = kind.parameter_names()

    def translate(call: KerasCall) -> KerasValue:
        options = peer.read(kind, call.number)
        if not parameters:
            return call.elementwise(call.x, kind.__name__, **options)
        return per_channel(call, kind, options, {peer.renamed.get(name, name): name for name in parameters})

    translate.__doc__ = description(kind, parameters)
    return translate


def per_channel(call: KerasCall, kind: type[Layer], options: dict[str, float], names: dict[str, str]) -> KerasValue:
    """Return a layer with parameters for each channel, or for each element.

    names   Keras' name of a parameter → name of the layer
    """
    x, shared = call.x, as_list(call.option("shared_axes")) or []
    shared_axes_of_sample = {call.sample_axis(axis, x.rank) for axis in shared}
    shape = tuple(1 if axis in shared_axes_of_sample else size for axis, size in enumerate(x.shape))
    arrays = call.weights(**dict.fromkeys(names, shape))
    weights = {names[name]: array.reshape(-1) for name, array in arrays.items()}
    if math.prod(shape) == math.prod(x.shape):
        return call.vector(kind.__name__, x, options, weights)
    separate_axes = [axis for axis in range(x.rank) if axis not in shared_axes_of_sample]
    own_axes = [axis for axis in separate_axes if shape[axis] > 1] or separate_axes[:1]
    if len(own_axes) != 1:
        problem = f"{' and '.join(weights)} of shape {shape} for {x.shape}"
        raise call.unsupported(problem, "one for each channel, or for each element")
    return call.weighted(kind.__name__, x, own_axes[0], options, weights)


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {
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
