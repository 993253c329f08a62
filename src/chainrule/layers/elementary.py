"""Layers that apply an elementary function to every element."""

from dataclasses import dataclass
from typing import ClassVar

from chainrule.core.shapes import MAX_INT32
from chainrule.errors import OptionError
from chainrule.layers.base import Activation, example
from chainrule.layers.peers import Peer, Peers

__all__ = ["Abs", "Arctan", "Erf", "Exp", "FakeQuantize", "Heaviside", "Log", "Reciprocal", "Rescaling", "Sqrt"]


@dataclass(frozen=True)
class Rescaling(Activation):
    """Multiplication by a number and addition of another, for inputs of any shape.

    y = scale·x + shift,  dx = scale·dy

    Errors   OptionError unless both numbers are finite
    Source   reference/elementary.py
    """

    scale: float = 1.0
    shift: float = 0.0

    kind: ClassVar[str] = "rescaling"
    examples = (example(scale=-0.5, shift=1.0), example(scale=3.0, shift=-1.0))


@dataclass(frozen=True)
class Abs(Activation):
    """Absolute value, for inputs of any shape.

    y = |x|,  dx = dy where x > 0, −dy where x < 0, and 0 where x = 0

    Source   reference/elementary.py
    """

    kind: ClassVar[str] = "absolute"
    peers = Peers(onnx=Peer("Abs"), torch=Peer("abs"), classes=("abs",))


@dataclass(frozen=True)
class Arctan(Activation):
    """Arctangent, for inputs of any shape.

    y = arctan x,  dx = dy / (1 + x²)

    Source   numpy-cnn section 2.6; reference/activations.py
    """

    kind: ClassVar[str] = "arctan"
    peers = Peers(onnx=Peer("Atan"), torch=Peer("atan"), classes=("arctan", "atan"))


@dataclass(frozen=True)
class Exp(Activation):
    """Exponential function, for inputs of any shape. Large inputs overflow to infinity.

    y = eˣ,  dx = y dy

    Source   reference/elementary.py
    """

    kind: ClassVar[str] = "exp"
    keeps: ClassVar[str] = "y"
    peers = Peers(onnx=Peer("Exp"), functions=("exponential",), torch=Peer("exp"), classes=("exp", "exponential"))


@dataclass(frozen=True)
class Sqrt(Activation):
    """Square root, for inputs of any shape. The square root of a negative number is NaN.

    y = √x,  dx = dy / (2y)

    Source   reference/elementary.py
    """

    kind: ClassVar[str] = "sqrt"
    keeps: ClassVar[str] = "y"
    peers = Peers(onnx=Peer("Sqrt"), torch=Peer("sqrt"), classes=("sqrt",))


@dataclass(frozen=True)
class Log(Activation):
    """Natural logarithm, for inputs of any shape. The logarithm of 0 is −∞, and that of a negative number is NaN.

    y = log x,  dx = dy / x

    Source   reference/elementary.py
    """

    kind: ClassVar[str] = "log"
    peers = Peers(onnx=Peer("Log"), torch=Peer("log"), classes=("log",))


@dataclass(frozen=True)
class Reciprocal(Activation):
    """Reciprocal, for inputs of any shape. The reciprocal of 0 is infinite.

    y = 1/x,  dx = −y² dy

    Source   reference/elementary.py
    """

    kind: ClassVar[str] = "reciprocal"
    keeps: ClassVar[str] = "y"
    peers = Peers(onnx=Peer("Reciprocal"), torch=Peer("reciprocal"), classes=("reciprocal",))


@dataclass(frozen=True)
class Erf(Activation):
    """Error function, for inputs of any shape.

    y = erf x = 2 Φ(√2 x) − 1,  dx = 2/√π · e^{−x²} dy        Φ: the standard normal distribution function

    Source   reference/elementary.py
    """

    kind: ClassVar[str] = "erf"
    peers = Peers(onnx=Peer("Erf"), torch=Peer("erf"), classes=("erf",))


@dataclass(frozen=True)
class Heaviside(Activation):
    """Heaviside step function, for inputs of any shape: 1 for positive inputs, else 0. Its gradient is 0.

    y = 1 where x > 0, else 0;  dx = 0

    Source   reference/elementary.py
    """

    kind: ClassVar[str] = "heaviside"
    peers = Peers(classes=("heaviside", "step"))


@dataclass(frozen=True)
class FakeQuantize(Activation):
    """Rounding to the numbers that 8-bit integers represent, for inputs of any shape. Its gradient is 0.

    y = scale·(q − zero)  with  q = min(max(round(x/scale) + zero, low), high),  dx = 0

    The integer q represents the number y. A quantized network is computed by layers of floats, each followed by this
    layer. Ties are rounded to even integers. Because no gradient passes, such a network cannot be trained.

    scale       distance between neighboring numbers
    zero        integer that represents 0
    low, high   smallest and largest integer

    Errors   OptionError unless the scale is positive and finite, and the integers are ordered low ≤ zero ≤ high
    Source   Jacob et al. 2018, eq. 1; reference/elementary.py
    """

    scale: float = 1.0
    zero: int = 0
    low: int = -128
    high: int = 127

    kind: ClassVar[str] = "fake_quantize"
    examples = (example(), example(scale=0.25, zero=3, low=0, high=15))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scale <= 0:
            raise OptionError(f"{self.describe()}: expected a positive scale")
        if not (-MAX_INT32 <= self.low <= self.zero <= self.high <= MAX_INT32 and self.low < self.high):
            raise OptionError(f"{self.describe()}: expected low ≤ zero ≤ high, each from −{MAX_INT32} to {MAX_INT32}")
