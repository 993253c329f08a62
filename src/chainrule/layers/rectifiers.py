"""Rectifiers: activations composed of straight lines, and smooth forms of them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from chainrule.core.plan import Builder, Tensor
from chainrule.errors import OptionError
from chainrule.layers.base import Activation, Layer, Parameter, Shape, as_image, example
from chainrule.layers.peers import Peer, Peers

__all__ = ["ELU", "Clip", "HardSigmoid", "HardSwish", "LeakyReLU", "PReLU", "ReLU"]


@dataclass(frozen=True)
class ReLU(Activation):
    """Rectified linear unit, for inputs of any shape.

    y = max(0, x),  dx = dy where x > 0, else 0

    Source   numpy-cnn eq. 31–32; reference/rectifiers.py
    """

    kind: ClassVar[str] = "relu"
    keeps: ClassVar[str] = "y"
    peers = Peers(onnx=Peer("Relu"), functions=("relu",), torch=Peer("ReLU"))


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """Leaky rectified linear unit, for inputs of any shape.

    slope   factor for negative inputs, 0 ≤ slope < 1

    y = x where x > 0, else slope·x;  dx = dy where x > 0, else slope·dy

    Errors   OptionError when the slope is outside [0, 1)
    Source   Maas et al. 2013; reference/rectifiers.py
    """

    slope: float = 0.01

    kind: ClassVar[str] = "leaky_relu"
    peers = Peers(onnx=Peer("LeakyRelu", {"slope": "alpha"}), torch=Peer("LeakyReLU"))
    examples = (example(), example(slope=0.0), example(slope=0.3), example(slope=0.1))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.slope < 1:
            raise OptionError(f"LeakyReLU: slope {self.slope!r}: expected at least 0 and below 1")


@dataclass(frozen=True)
class Clip(Activation):
    """Clipping to an interval, for inputs of any shape; ReLU6 is Clip(0, 6).

    y = min(max(x, low), high),  dx = dy where low < x < high, else 0

    Errors   OptionError unless low < high and both are finite
    Source   reference/rectifiers.py
    """

    low: float
    high: float

    kind: ClassVar[str] = "clip"
    peers = Peers(torch=Peer("Hardtanh"))
    examples = (example(low=0.0, high=6.0), example(low=-1.0, high=0.5))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise OptionError(f"Clip: low {self.low!r}, high {self.high!r}: expected low below high")


@dataclass(frozen=True)
class HardSigmoid(Activation):
    """Piecewise linear sigmoid, for inputs of any shape.

    y = min(max(x + 3, 0), 6)/6,  dx = dy/6 where −3 < x < 3, else 0

    Source   Howard et al. 2019; reference/rectifiers.py
    """

    kind: ClassVar[str] = "hard_sigmoid"
    peers = Peers(onnx=Peer("HardSigmoid", fixed={"alpha": 1 / 6, "beta": 0.5}))


@dataclass(frozen=True)
class HardSwish(Activation):
    """Piecewise quadratic SiLU, for inputs of any shape.

    y = x min(max(x + 3, 0), 6)/6,  dx = (2x + 3)/6 dy where −3 < x < 3, dy where x ≥ 3, else 0

    Source   Howard et al. 2019; reference/rectifiers.py
    """

    kind: ClassVar[str] = "hard_swish"
    peers = Peers(
        onnx=Peer("HardSwish", opset=14),
        functions=("hard_swish", "hard_silu"),
        torch=Peer("Hardswish"),
        classes=("hardswish", "hswish"),
    )


@dataclass(frozen=True)
class ELU(Activation):
    """Exponential linear unit, for inputs of any shape.

    alpha   y approaches −alpha for very negative inputs; alpha ≥ 0

    y = x where x > 0, else alpha (eˣ − 1);  dx = dy where x > 0, else alpha eˣ dy

    Errors   OptionError when alpha is negative or not finite
    Source   Clevert et al. 2015; reference/rectifiers.py
    """

    alpha: float = 1.0

    kind: ClassVar[str] = "elu"
    peers = Peers(onnx=Peer("Elu"), keras=Peer("ELU"), torch=Peer("ELU"))
    examples = (example(alpha=0.5), example(alpha=2.0), example(alpha=1.0))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha < 0:
            raise OptionError(f"ELU: alpha {self.alpha!r}: expected at least 0")


@dataclass(frozen=True)
class PReLU(Layer):
    """Parametric rectified linear unit: a leaky ReLU with one learnt slope per channel.

    y = x where x > 0, else slope·x;  dx = dy where x > 0, else slope·dy;  dslope = Σ dy min(0, x)

    The initial slope is 0.25.

    Shapes   (C, H, W), (C, W) or (F,), unchanged
    Source   He et al. 2015; reference/prelu.py
    """

    kind: ClassVar[str] = "prelu"
    keeps_positions: ClassVar[bool] = True
    examples = (example(), example((7,)))
    peers = Peers(onnx=Peer("PRelu"), keras=Peer("PReLU", {"slope": "alpha"}), torch=Peer("prelu"))

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return the slopes, (C,)."""
        return (Parameter("slope", shape[:1], "zeros", values=np.full(shape[:1], 0.25)),)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y, dslope and dx."""
        output = builder.activation("y", x.shape)
        x = as_image(x)
        y = as_image(output)
        slope = builder.parameter("slope")
        builder.forward("prelu", (x, slope), (y,))
        builder.backward("prelu_dw", (y.gradient(), x), (slope.gradient(),))
        builder.backward("prelu_dx", (y.gradient(), x, slope), (x.gradient(),))
        return output
