"""Functions of every element, and softmax."""

import math
from collections.abc import Callable

import numpy as np

from chainrule.interop.assembly import permuted, reshaped
from chainrule.interop.onnx.call import Call, Feature
from chainrule.interop.onnx.readers.affine import scaled

LARGEST = float(np.finfo(np.float32).max)


def plain(kind: str) -> Callable[[Call], Feature]:
    """Return the translation of an operator that is a layer without options."""

    def translate(call: Call) -> Feature:
        return call.layer(kind, call.feature())

    translate.__doc__ = f"Return {kind}."
    return translate


def leaky_relu(call: Call) -> Feature:
    """Return LeakyReLU with the slope α."""
    return call.layer("LeakyReLU", call.feature(), slope=call.real("alpha", 0.01))


def elu(call: Call) -> Feature:
    """Return ELU."""
    return call.layer("ELU", call.feature(), alpha=call.real("alpha", 1.0))


def celu(call: Call) -> Feature:
    """Return ELU; for α other than 1, α times ELU of x/α."""
    x, alpha = call.feature(), call.real("alpha", 1.0)
    if alpha == 1:
        return call.layer("ELU", x)
    if not alpha > 0:
        raise call.refusal(f"alpha {alpha}", "a number above 0")
    return scaled(call, call.layer("ELU", scaled(call, x, np.array(1 / alpha))), np.array(alpha))


def selu(call: Call) -> Feature:
    """Return γ times ELU."""
    alpha, gamma = call.real("alpha", 1.6732632423543772), call.real("gamma", 1.0507009873554805)
    return scaled(call, call.layer("ELU", call.feature(), alpha=alpha), np.array(gamma))


def prelu(call: Call) -> Feature:
    """Return PReLU with one slope, or one for each channel."""
    x, slope = call.feature(), call.constant(1)
    if slope.ndim > len(x.shape):
        raise call.refusal(f"slopes of {slope.ndim} axes", f"at most {len(x.shape)}")
    channels, rank = x.node.shape[0], len(x.node.shape)
    by_channel = (channels, *[1] * (rank - 1))
    legacy = slope.shape == (channels,) and (call.opset < 7 or channels != x.node.shape[-1])  # not aligned at the end
    if slope.size != 1 and not legacy and slope.shape not in (by_channel, (1, *by_channel)):
        raise call.refusal(f"slopes of shape {slope.shape}", f"one slope, or one for each of {channels} channels")
    return call.weighted("PReLU", x, {}, {"slope": np.broadcast_to(slope.reshape(-1), (channels,))})


def gelu(call: Call) -> Feature:
    """Return ExactGELU, or GELU for the tanh form."""
    if (form := call.text("approximate", "none")) not in ("none", "tanh"):
        raise call.refusal(f"approximate {form!r}", "'none' or 'tanh'")
    return call.layer("GELU" if form == "tanh" else "ExactGELU", call.feature())


def swish(call: Call) -> Feature:
    """Return SiLU."""
    if (alpha := call.real("alpha", 1.0)) != 1:
        raise call.refusal(f"alpha {alpha}", "1: x σ(x)")
    return call.layer("SiLU", call.feature())


def hard_sigmoid(call: Call) -> Feature:
    """Return HardSigmoid for α = 1/6 and β = 1/2, else α x + β clipped to [0, 1]."""
    alpha, beta = call.real("alpha", 0.2), call.real("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5:
        return call.layer("HardSigmoid", call.feature())
    return call.layer("Clip", scaled(call, call.feature(), np.array(alpha), np.array(beta)), low=0.0, high=1.0)


def clip(call: Call) -> Feature:
    """Return Clip, or ReLU where only negative values are clipped; bounds are attributes before opset 11."""
    if call.opset < 11:
        bounds = [call.real(name, default) for name, default in (("min", -LARGEST), ("max", LARGEST))]
    else:
        bounds = [
            float(call.constant(index).reshape(-1)[0]) if call.has(index) else default
            for index, default in ((1, -LARGEST), (2, LARGEST))
        ]
    return clipped(call, call.feature(), *bounds)


def clipped(call: Call, x: Feature, low: float, high: float) -> Feature:
    """Return values clipped to an interval that may be open on either side."""
    low, high = max(low, -LARGEST), min(high, LARGEST)
    if (low, high) == (-LARGEST, LARGEST):
        return x
    return call.layer("ReLU", x) if (low, high) == (0, LARGEST) else call.layer("Clip", x, low=low, high=high)


def softmax(call: Call) -> Feature:
    """Return Softmax, along one axis of a sample.

    Before opset 13 it is over all axes from `axis` on.
    """
    x = call.feature()
    x, (axis,) = call.in_sample(x, [call.axis("axis", -1 if call.opset >= 13 else 1, len(x.shape))])
    shape = x.node.shape
    before, along = shape[:axis], shape[axis : axis + 1] if call.opset >= 13 else shape[axis:]
    parts = (math.prod(before), math.prod(along), math.prod(shape[axis + len(along) :]))
    first = permuted(reshaped(x.node, parts), (1, 0, 2))
    flat = (parts[1],) if parts[0] * parts[2] == 1 else (parts[1], parts[0] * parts[2])
    y = call.layer("Softmax", x.at(reshaped(first, flat)))
    back = permuted(reshaped(y.node, (parts[1], parts[0], parts[2])), (1, 0, 2))
    return call.reshape(x.at(back), shape)


OPERATORS = {
    **{name: plain(name) for name in ("Sigmoid", "Tanh", "Softplus")},
    "Relu": plain("ReLU"),
    "Atan": plain("Arctan"),
    "HardSwish": plain("HardSwish"),
    "LeakyRelu": leaky_relu,
    "Elu": elu,
    "Celu": celu,
    "Selu": selu,
    "PRelu": prelu,
    "Gelu": gelu,
    "Swish": swish,
    "HardSigmoid": hard_sigmoid,
    "Clip": clip,
    "Softmax": softmax,
}
