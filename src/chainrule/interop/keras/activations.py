"""Activations of Keras: functions that options of layers name, and layers."""

from collections.abc import Callable
from dataclasses import replace

from chainrule._io.files import expect_object
from chainrule.errors import quoted
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.keras.layer_call import LayerCall
from chainrule.interop.keras.values import as_dict
from chainrule.interop.onnx.operator_call import Feature
from chainrule.layers import PEERED

Apply = Callable[[LayerCall, Feature], Feature]


def _layer(kind: str, **options: float) -> Apply:
    """Return the function that applies a layer of chainrule."""
    return lambda call, x: call.layer(x, kind, **options)


def _along_axis(operator: str) -> Apply:
    return lambda call, x: call.op(operator, x, axis=call.axis())


def _hard_sigmoid(call: LayerCall, x: Feature) -> Feature:
    if call.version < 3:
        return call.clipped(call.affine(x, 0.2, 0.5), 0.0, 1.0)
    return call.layer(x, "HardSigmoid")


def _log_sigmoid(call: LayerCall, x: Feature) -> Feature:
    return call.affine(call.layer(call.affine(x, -1.0), "Softplus"), -1.0)


FUNCTIONS: dict[str, Apply] = {
    **{name: _layer(kind.__name__) for kind in PEERED for name in kind.peers.functions},
    "elu": _layer("ELU", alpha=1.0),
    "celu": lambda call, x: call.op("Celu", x, alpha=call.number("alpha", 1.0)),
    "relu6": _layer("Clip", low=0.0, high=6.0),
    "hard_tanh": _layer("Clip", low=-1.0, high=1.0),
    "leaky_relu": _layer("LeakyReLU", slope=0.2),
    "hard_sigmoid": _hard_sigmoid,
    "log_sigmoid": _log_sigmoid,
    "softmax": _along_axis("Softmax"),
    "log_softmax": _along_axis("LogSoftmax"),
}


def with_activation(call: LayerCall, x: Feature) -> Feature:
    """Return a value after the activation in the options of the layer: a function, or a layer without weights."""
    name: object = call.value("activation")
    description = as_dict(name)
    kind = description.get("class_name")
    if isinstance(kind, str) and kind in LAYERS and kind != "Activation":
        options = expect_object(description.get("config"), f"config of a {quoted(kind)}")
        inner = call.nested(replace(call.layer_in_file, kind=kind, options=options), x)
        y = LAYERS[kind](inner)
        inner.check_options()
        return y
    if kind == "function":
        name = description.get("config")
    if name is None or name == "linear":
        return x
    if not isinstance(name, str) or name not in FUNCTIONS:
        raise call.unsupported(f"activation {quoted(name)}", f"one of {', '.join(FUNCTIONS)}")
    return FUNCTIONS[name](call, x)


def activation(call: LayerCall) -> Feature:
    """Return the function of the option `activation`."""
    return call.x  # `with_activation` follows


def relu(call: LayerCall) -> Feature:
    """Return Relu, LeakyRelu for a negative_slope, Clip for a max_value, or ThresholdedRelu for a threshold."""
    slope = call.number("negative_slope", 0.0)
    threshold = call.number("threshold", 0.0)
    highest = MAX_FLOAT32
    if call.option("max_value") is not None:
        highest = call.number("max_value")
    if threshold and slope:
        raise call.unsupported(f"negative_slope {slope} and threshold {threshold}", "one of them")
    if threshold:
        return call.clipped(call.layer(call.x, "ThresholdedReLU", threshold=threshold), -MAX_FLOAT32, highest)
    if slope:
        return call.clipped(call.layer(call.x, "LeakyReLU", slope=slope), -MAX_FLOAT32, highest)
    return call.clipped(call.x, 0.0, highest)


def leaky_relu(call: LayerCall) -> Feature:
    """Return LeakyRelu."""
    name = "alpha"
    if call.has_option("negative_slope"):
        name = "negative_slope"
    return call.layer(call.x, "LeakyReLU", slope=call.number(name, 0.3))


def elu(call: LayerCall) -> Feature:
    """Return Elu."""
    return call.layer(call.x, "ELU", alpha=call.number("alpha", 1.0))


def softmax(call: LayerCall) -> Feature:
    """Return Softmax along one axis of a sample."""
    return call.op("Softmax", call.x, axis=call.axis())


LAYERS: dict[str, Callable[[LayerCall], Feature]] = {
    "Activation": activation,
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "ELU": elu,
    "Softmax": softmax,
}
