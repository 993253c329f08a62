"""Functions of keras.ops, such as x + y and ops.mean(x), as they occur in functional models."""

from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.keras.layer_call import KerasCall, MultiTranslation, Translation
from chainrule.interop.keras.layers import activations, axes, convolution, image_size
from chainrule.interop.keras.layers.by_onnx import affine, apply_operator, clipped
from chainrule.interop.keras.layouts import KerasValue
from chainrule.interop.names import NAMES
from chainrule.interop.onnx.tensors import TYPES

FLOATS_AND_BOOL = ("bool", "float16", "float32", "float64", "bfloat16")


def by_onnx(*operators: str) -> Translation:
    """Return the translation to the layers of an ONNX operator, or of several in a row."""

    def translate(call: KerasCall) -> KerasValue:
        y = apply_operator(call, operators[0], call.operands)
        for operator in operators[1:]:
            y = apply_operator(call, operator, [y])
        return y

    return translate


def cast(call: KerasCall) -> KerasValue:
    """Return the input for a type of floats, and Heaviside of the absolute value for truth values."""
    dtype = call.choice("dtype", "float32", FLOATS_AND_BOOL)
    return apply_operator(call, "Cast", [call.x], to=TYPES.index(dtype))


def activation(apply: activations.Apply) -> Translation:
    """Return the translation of an activation function."""
    return lambda call: apply(call, call.x)


def gelu(call: KerasCall) -> KerasValue:
    """Return GELU or, unless `approximate` is true, ExactGELU."""
    if call.flag("approximate", True):
        return call.elementwise(call.x, "GELU")
    return call.elementwise(call.x, "ExactGELU")


def clip(call: KerasCall) -> KerasValue:
    """Return Clip."""
    return clipped(call, call.x, call.number("x_min", -MAX_FLOAT32), call.number("x_max", MAX_FLOAT32))


def threshold(call: KerasCall) -> KerasValue:
    """Return ThresholdedReLU of x − value, plus the value that replaces elements up to the threshold."""
    limit = call.number("threshold", 0.0)
    value = call.number("default_value", 0.0)
    y = call.elementwise(affine(call, call.x, 1.0, -value), "ThresholdedReLU", threshold=limit - value)
    return affine(call, y, 1.0, value)


def pooling(kind: str) -> Translation:
    """Return the translation of pooling of images or sequences."""
    return lambda call: convolution.pool(f"{kind}{call.positions}D", call, call.channel_axis(call.x.rank))


def fake_quantize(call: KerasCall) -> KerasValue:
    """Return FakeQuantize. Keras has no such function; files of TensorFlow Lite are translated to it."""
    integers = {name: int(call.number(name, 0)) for name in ("zero", "low", "high")}
    return call.elementwise(call.x, "FakeQuantize", scale=call.number("scale", 1.0), **integers)


OPERATIONS: dict[str, MultiTranslation] = {
    **{name.title().replace("_", ""): activation(apply) for name, apply in activations.FUNCTIONS.items()},
    **{name: by_onnx(*operators.split()) for name, operators in NAMES.onnx.items()},
    "Square": lambda call: apply_operator(call, "Mul", [call.x, call.x]),
    "Cast": cast,
    "Gelu": gelu,
    "LeakyRelu": activations.leaky_relu,
    "Elu": activations.LAYERS["ELU"],
    "Clip": clip,
    "Threshold": threshold,
    "FakeQuantize": fake_quantize,
    **axes.OPERATIONS,
    "AveragePool": pooling("AveragePool"),
    "MaxPool": pooling("MaxPool"),
    "Identity": lambda call: call.x,
    "Resize": image_size.resize,
}
