"""Activations: as layers, and as the option of others."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.errors import quoted
from chainrule.interop.keras.config import entries_of, object_of
from chainrule.interop.keras.layer_call import LARGEST, KerasCall
from chainrule.interop.keras.weights import KerasValue

Apply = Callable[[KerasCall, KerasValue], KerasValue]
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _plain(kind: str, **options: float) -> Apply:
    """Return a function that applies a layer here."""

    def apply(call: KerasCall, x: KerasValue) -> KerasValue:
        return call.elementwise(x, kind, **options)

    return apply


def _selu(call: KerasCall, x: KerasValue) -> KerasValue:
    return call.affine(call.elementwise(x, "ELU", alpha=SELU_ALPHA), np.array(SELU_SCALE))


def _hard_sigmoid(call: KerasCall, x: KerasValue) -> KerasValue:
    """Return HardSigmoid; before Keras 3 it was x/5 + 1/2, clipped to [0, 1]."""
    if call.version >= 3:
        return call.elementwise(x, "HardSigmoid")
    return call.elementwise(call.affine(x, np.array(0.2), np.array(0.5)), "Clip", low=0.0, high=1.0)


def softmaxed(call: KerasCall, x: KerasValue, axis: int) -> KerasValue:
    """Return Softmax along an axis."""
    if math.prod(x.shape) == x.shape[axis]:
        return x.on(call.assembly.apply("Softmax", x.flat()))
    return call.spatial(x, "Softmax", axis)


def _softmax(call: KerasCall, x: KerasValue) -> KerasValue:
    return softmaxed(call, x, x.rank - 1)


FUNCTIONS: dict[str, Apply] = {
    **{name: _plain(kind) for name, kind in (("relu", "ReLU"), ("sigmoid", "Sigmoid"), ("tanh", "Tanh"))},
    **{name: _plain(kind) for name, kind in (("softplus", "Softplus"), ("swish", "SiLU"), ("silu", "SiLU"))},
    **{name: _plain("HardSwish") for name in ("hard_swish", "hard_silu")},
    **{name: _plain("ELU", alpha=1.0) for name in ("elu", "celu")},
    "relu6": _plain("Clip", low=0.0, high=6.0),
    "hard_tanh": _plain("Clip", low=-1.0, high=1.0),
    "leaky_relu": _plain("LeakyReLU", slope=0.2),
    "selu": _selu,
    "hard_sigmoid": _hard_sigmoid,
    "gelu": _plain("ExactGELU"),
    "softmax": _softmax,
}


def activated(call: KerasCall, x: KerasValue) -> KerasValue:
    """Return a value after the activation that an option names: a function of Keras, or a layer."""
    found: Any = call.option("activation")
    given = object_of(found)
    if given.get("class_name") in LAYERS and isinstance(given.get("config"), dict):
        return _layer(call, x, given)
    found = given.get("config") if given.get("class_name") == "function" else found
    if found is None or found == "linear":
        return x
    if not isinstance(found, str) or found not in FUNCTIONS:
        raise call.refusal(f"activation {quoted(found)}", f"one of {', '.join(FUNCTIONS)}")
    return FUNCTIONS[found](call, x)


def _layer(call: KerasCall, x: KerasValue, given: dict[str, Any]) -> KerasValue:
    """Return a value after a layer that is given as an activation; one with weights has none of its own there."""
    inner = call.within(replace(call.layer, kind=given["class_name"], options=given["config"]), x)
    if inner.layer.kind in ("PReLU", "Activation"):
        raise call.refusal(f"a layer {inner.layer.kind} as its activation", "a layer of its own")
    y = LAYERS[inner.layer.kind](inner)
    inner.check_options()
    return y


def activation(call: KerasCall) -> KerasValue:
    """Return the layer of that function, such as ReLU."""
    return activated(call, call.x)


def relu(call: KerasCall) -> KerasValue:
    """Return ReLU, LeakyReLU for a negative_slope, and Clip for a max_value."""
    highest: Any = call.option("max_value")
    slope, threshold = call.real("negative_slope", 0.0), call.real("threshold", 0.0)
    if threshold:
        raise call.refusal(f"threshold {threshold}", "0")
    if highest is None:
        return call.elementwise(call.x, "LeakyReLU", slope=slope) if slope else call.elementwise(call.x, "ReLU")
    if slope:
        leaky = call.elementwise(call.x, "LeakyReLU", slope=slope)
        return call.elementwise(leaky, "Clip", low=-LARGEST, high=call.real("max_value", 0))
    return call.elementwise(call.x, "Clip", low=0.0, high=call.real("max_value", 0))


def leaky_relu(call: KerasCall) -> KerasValue:
    """Return LeakyReLU."""
    slope = call.real("negative_slope" if "negative_slope" in call.layer.options else "alpha", 0.3)
    return call.elementwise(call.x, "LeakyReLU", slope=slope)


def elu(call: KerasCall) -> KerasValue:
    """Return ELU."""
    return call.elementwise(call.x, "ELU", alpha=call.real("alpha", 1.0))


def softmax(call: KerasCall) -> KerasValue:
    """Return Softmax, along one axis of a sample."""
    return softmaxed(call, call.x, call.axis("axis"))


def prelu(call: KerasCall) -> KerasValue:
    """Return PReLU with one slope for each channel, or for each entry."""
    x, shared = call.x, entries_of(call.option("shared_axes")) or []
    together = {call.sample_axis(axis, x.rank) for axis in shared}
    shape = tuple(1 if axis in together else size for axis, size in enumerate(x.shape))
    slopes = call.weights(alpha=shape)["alpha"]
    if slopes.size == math.prod(x.shape):
        return call.vector("PReLU", x, {}, {"slope": slopes.reshape(-1)})
    apart = [axis for axis in range(x.rank) if axis not in together]
    own = [axis for axis in apart if shape[axis] > 1] or apart[:1]
    if len(own) != 1:
        raise call.refusal(f"slopes of shape {shape} for {x.shape}", "one for each channel, or for each entry")
    return call.weighted("PReLU", x, own[0], {}, {"slope": slopes.reshape(-1)})


LAYERS: dict[str, Callable[[KerasCall], KerasValue]] = {
    "Activation": activation,
    "ReLU": relu,
    "LeakyReLU": leaky_relu,
    "ELU": elu,
    "Softmax": softmax,
    "PReLU": prelu,
}
