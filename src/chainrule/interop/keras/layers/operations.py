"""Functions of keras.ops, such as x + y and ops.mean(x), as they occur in functional models."""

from collections.abc import Callable

import numpy as np

from chainrule.errors import quoted
from chainrule.interop.assembly import MAX_FLOAT32
from chainrule.interop.keras.config import NumberVector
from chainrule.interop.keras.layer_call import KerasCall
from chainrule.interop.keras.layers import activations, arithmetic, axes, convolution, image_size
from chainrule.interop.keras.weights import KerasValue

Translation = Callable[[KerasCall], KerasValue]


def binary(kind: str) -> Translation:
    """Return the translation of a function of two results, or of a result and a number."""

    def translate(call: KerasCall) -> KerasValue:
        if len(call.operands) != 2:
            raise call.unsupported(f"{len(call.operands)} operands", "two")
        if len(call.inputs) == 1:
            return _with_number(kind, call)
        if kind == "Divide":
            x, divisor = call.inputs
            return arithmetic.combine(call, "Multiply", [x, call.elementwise(divisor, "Reciprocal")])
        if kind == "Power":
            raise call.unsupported("an exponent that is a result", "a number")
        return arithmetic.LAYERS[kind](call)

    return translate


def _with_number(kind: str, call: KerasCall) -> KerasValue:
    """Return a function of a result x and a number or a vector a, or of a and x."""
    x, is_first = call.x, isinstance(call.operands[0], KerasValue)
    operand = next(operand for operand in call.operands if not isinstance(operand, KerasValue))
    number = np.array(operand.values if isinstance(operand, NumberVector) else operand, np.float64)
    if kind == "Add":
        return call.affine(x, 1.0, number)
    if kind == "Subtract":
        return call.affine(x, 1.0 if is_first else -1.0, -number if is_first else number)
    if kind == "Multiply":
        return call.affine(x, number)
    if kind == "Divide" and not is_first:
        return call.affine(call.elementwise(x, "Reciprocal"), number)
    if kind == "Divide" and number.all():
        return call.affine(x, 1 / number)
    if number.ndim or kind == "Divide" or (kind == "Power" and not is_first):
        raise call.unsupported(f"a result and {quoted(operand)}", "a number, and a divisor other than 0")
    if kind == "Power":
        return _power(call, x, float(number))
    if kind == "Maximum" and number == 0:
        return call.elementwise(x, "ReLU")
    bounds = (
        {"low": float(number), "high": MAX_FLOAT32}
        if kind == "Maximum"
        else {"low": -MAX_FLOAT32, "high": float(number)}
    )
    return call.elementwise(x, "Clip", **bounds)


def _power(call: KerasCall, x: KerasValue, exponent: float) -> KerasValue:
    """Return x to the power of 1, 2, 3, 4, ½, −½ or −1."""
    if exponent in (1, 2, 3, 4):
        nodes = [x.node] * int(exponent)
        while len(nodes) > 1:
            nodes = [call.assembly.apply("Multiply", nodes[0], nodes[1]), *nodes[2:]]
        return x.with_node(nodes[0])
    if exponent not in (0.5, -0.5, -1):
        raise call.unsupported(f"exponent {exponent}", "1, 2, 3, 4, 0.5, -0.5 or -1")
    y = x if exponent == -1 else call.elementwise(x, "Sqrt")
    return y if exponent > 0 else call.elementwise(y, "Reciprocal")


def unary(*kinds: str) -> Translation:
    """Return the translation of an element-wise function to one layer or several layers in a row."""

    def translate(call: KerasCall) -> KerasValue:
        y = call.x
        for kind in kinds:
            y = call.elementwise(y, kind)
        return y

    return translate


def activation(name: str) -> Translation:
    """Return the translation of an activation function without options."""

    def translate(call: KerasCall) -> KerasValue:
        return activations.FUNCTIONS[name](call, call.x)

    return translate


def gelu(call: KerasCall) -> KerasValue:
    """Return GELU or, unless `approximate` is true, ExactGELU."""
    return call.elementwise(call.x, "GELU" if call.flag("approximate", True) else "ExactGELU")


def leaky_relu(call: KerasCall) -> KerasValue:
    """Return LeakyReLU."""
    return call.elementwise(call.x, "LeakyReLU", slope=call.number("negative_slope", 0.2))


def log_softmax(call: KerasCall) -> KerasValue:
    """Return LogSoftmax, along one axis of a sample."""
    return activations.softmax_along(call, call.x, call.axis("axis"), "LogSoftmax")


def clip(call: KerasCall) -> KerasValue:
    """Return Clip."""
    low, high = call.number("x_min", -MAX_FLOAT32), call.number("x_max", MAX_FLOAT32)
    return call.elementwise(call.x, "Clip", low=max(low, -MAX_FLOAT32), high=min(high, MAX_FLOAT32))


def threshold(call: KerasCall) -> KerasValue:
    """Return ThresholdedReLU of x − value, plus the value that replaces elements up to the threshold."""
    limit, value = call.number("threshold", 0.0), call.number("default_value", 0.0)
    y = call.elementwise(call.affine(call.x, 1.0, -value), "ThresholdedReLU", threshold=limit - value)
    return call.affine(y, 1.0, value)


def pooling(kind: str) -> Translation:
    """Return the translation of pooling of images or sequences."""

    def translate(call: KerasCall) -> KerasValue:
        return convolution.pool(f"{kind}{call.x.rank - 1}D", call.x.rank - 1)(call)

    return translate


def identity(call: KerasCall) -> KerasValue:
    """Return the input."""
    return call.x


def fake_quantize(call: KerasCall) -> KerasValue:
    """Return FakeQuantize. Keras has no such function; files of TensorFlow Lite are translated to it."""
    integers = {name: int(call.number(name, 0)) for name in ("zero", "low", "high")}
    return call.elementwise(call.x, "FakeQuantize", scale=call.number("scale", 1.0), **integers)


OPERATIONS: dict[str, Translation] = {
    **{kind: binary(kind) for kind in ("Add", "Subtract", "Multiply", "Divide", "Power", "Maximum", "Minimum")},
    "TrueDivide": binary("Divide"),
    **{kind: unary(kind) for kind in ("Exp", "Sqrt", "Reciprocal", "Log", "Tanh", "Erf", "Softplus", "Softsign")},
    "Rsqrt": unary("Sqrt", "Reciprocal"),
    "Absolute": unary("Abs"),
    "Abs": unary("Abs"),
    "Arctan": unary("Arctan"),
    "Negative": lambda call: call.affine(call.x, -1.0),
    "Square": lambda call: _power(call, call.x, 2),
    **{
        kind: activation(name)
        for kind, name in (
            *(("Relu", "relu"), ("Relu6", "relu6"), ("Sigmoid", "sigmoid"), ("Silu", "silu"), ("Selu", "selu")),
            *(("HardSigmoid", "hard_sigmoid"), ("HardSilu", "hard_silu"), ("HardTanh", "hard_tanh")),
            *(("LogSigmoid", "log_sigmoid"), ("TanhShrink", "tanh_shrink"), ("SparseSigmoid", "sparse_sigmoid")),
        )
    },
    "Gelu": gelu,
    "LeakyRelu": leaky_relu,
    "Elu": activations.LAYERS["ELU"],
    "Softmax": activations.softmax,
    "LogSoftmax": log_softmax,
    "Clip": clip,
    "Threshold": threshold,
    "FakeQuantize": fake_quantize,
    **axes.OPERATIONS,
    "AveragePool": pooling("AveragePool"),
    "MaxPool": pooling("MaxPool"),
    "Identity": identity,
    "Resize": image_size.resize,
}
