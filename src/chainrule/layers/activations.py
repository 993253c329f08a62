"""Activation layers: element-wise functions, and softmax over classes or channels."""

from dataclasses import dataclass, fields
from math import inf, isfinite
from typing import ClassVar

import numpy as np

from chainrule.core.plan import Builder, Tensor
from chainrule.errors import OptionError
from chainrule.layers.base import ACTIVATIONS, Layer, Parameter, Shape, as_image
from chainrule.operations import definitions

__all__ = [
    "ELU",
    "GELU",
    "Arctan",
    "Clip",
    "ExactGELU",
    "Exp",
    "HardSigmoid",
    "HardSwish",
    "LeakyReLU",
    "Mish",
    "PReLU",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Tanh",
]


@dataclass(frozen=True)
class OtherNames:
    """An activation's names in other libraries, used for import, export, checks, tests and benchmarks.

    onnx       ONNX operator that computes exactly this function; "" if there is none
    opset      first opset with this operator; 0: every supported opset
    keras      names of the equivalent Keras activation functions without arguments
    torch      PyTorch module with the same options in the same order; "" if there is none
    classes    lower-case names of a learner's class that is recognized as this function
    """

    onnx: str = ""
    opset: int = 0
    keras: tuple[str, ...] = ()
    torch: str = ""
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Activation(Layer):
    """Base class of activations: an operation and its gradient, which is computed from the input x or the output y.

    examples   options for the gradient checker and the tests; the last example is plotted
    names      names in other libraries
    """

    examples: ClassVar[tuple[dict[str, float], ...]] = ({},)
    names: ClassVar[OtherNames] = OtherNames()

    @property
    def keeps(self) -> str:
        """The tensor that the gradient is computed from: "x" or "y"."""
        return definitions.entries()[self.kind].get("keeps", "y")

    def attributes(self) -> dict[str, float]:
        """Return the operation's attributes: the layer's options."""
        return {field.name: float(getattr(self, field.name)) for field in fields(self)}

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = f(x) and dx = f'(x) dy."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        kept = y if self.keeps == "y" else x
        builder.forward(self.kind, (x,), (y,), **self.attributes())
        builder.backward(f"{self.kind}_dx", (y.gradient(), kept), (x.gradient(),), **self.attributes())
        return y


@dataclass(frozen=True)
class Sigmoid(Activation):
    """Sigmoid activation, for inputs of any shape.

    y = 1 / (1 + e⁻ˣ),  dx = y (1 − y) dy

    Source   VanillaCNN eq. 6; reference/activations.py
    """

    kind: ClassVar[str] = "sigmoid"
    names: ClassVar[OtherNames] = OtherNames(onnx="Sigmoid", keras=("sigmoid",), torch="Sigmoid")


@dataclass(frozen=True)
class Tanh(Activation):
    """Hyperbolic tangent, for inputs of any shape.

    y = tanh x,  dx = (1 − y²) dy

    Source   reference/activations.py
    """

    kind: ClassVar[str] = "tanh"
    names: ClassVar[OtherNames] = OtherNames(onnx="Tanh", keras=("tanh",), torch="Tanh")


@dataclass(frozen=True)
class Arctan(Activation):
    """Arctangent, for inputs of any shape.

    y = arctan x,  dx = dy / (1 + x²)

    Source   numpy-cnn section 2.6; reference/activations.py
    """

    kind: ClassVar[str] = "arctan"
    names: ClassVar[OtherNames] = OtherNames(onnx="Atan", classes=("arctan", "atan"))


@dataclass(frozen=True)
class ReLU(Activation):
    """Rectified linear unit, for inputs of any shape.

    y = max(0, x),  dx = dy where x > 0, else 0

    Source   numpy-cnn eq. 31–32; reference/activations.py
    """

    kind: ClassVar[str] = "relu"
    names: ClassVar[OtherNames] = OtherNames(onnx="Relu", keras=("relu",), torch="ReLU")


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """Leaky rectified linear unit, for inputs of any shape.

    slope   factor for negative inputs, 0 ≤ slope < 1

    y = x where x > 0, else slope·x;  dx = dy where x > 0, else slope·dy

    Errors   OptionError when the slope is outside [0, 1)
    Source   Maas et al. 2013; reference/activations.py
    """

    slope: float = 0.01

    kind: ClassVar[str] = "leaky_relu"
    names: ClassVar[OtherNames] = OtherNames(torch="LeakyReLU")
    examples: ClassVar[tuple[dict[str, float], ...]] = ({}, {"slope": 0.0}, {"slope": 0.3}, {"slope": 0.1})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.slope < 1:
            raise OptionError(f"LeakyReLU: slope {self.slope!r}: expected at least 0 and below 1")


@dataclass(frozen=True)
class GELU(Activation):
    """Gaussian error linear unit in the tanh approximation, for inputs of any shape.

    y = x/2 · (1 + tanh(√(2/π)·(x + 0.044715 x³)))

    Source   Hendrycks and Gimpel 2016; reference/activations.py
    """

    kind: ClassVar[str] = "gelu"


@dataclass(frozen=True)
class ExactGELU(Activation):
    """Gaussian error linear unit with the exact normal distribution function, for inputs of any shape.

    y = x Φ(x),  dx = (Φ(x) + x φ(x)) dy,  Φ(x) = ½ erfc(−x/√2),  φ = Φ′

    Source   Hendrycks and Gimpel 2016; reference/activations.py
    """

    kind: ClassVar[str] = "exact_gelu"
    names: ClassVar[OtherNames] = OtherNames(keras=("gelu",), torch="GELU")


@dataclass(frozen=True)
class Clip(Activation):
    """Clipping to an interval, for inputs of any shape; ReLU6 is Clip(0, 6).

    y = min(max(x, low), high),  dx = dy where low < x < high, else 0

    Errors   OptionError unless low < high and both are finite
    Source   reference/activations.py
    """

    low: float
    high: float

    kind: ClassVar[str] = "clip"
    names: ClassVar[OtherNames] = OtherNames(torch="Hardtanh")
    examples: ClassVar[tuple[dict[str, float], ...]] = ({"low": 0.0, "high": 6.0}, {"low": -1.0, "high": 0.5})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isfinite(self.low) and isfinite(self.high) and self.low < self.high):
            raise OptionError(f"Clip: low {self.low!r}, high {self.high!r}: expected finite numbers, low below high")


@dataclass(frozen=True)
class SiLU(Activation):
    """Sigmoid linear unit, also called swish, for inputs of any shape.

    y = x σ(x),  dx = σ(x) (1 + x (1 − σ(x))) dy

    Source   Hendrycks and Gimpel 2016; reference/activations.py
    """

    kind: ClassVar[str] = "silu"
    names: ClassVar[OtherNames] = OtherNames(keras=("silu", "swish"), torch="SiLU", classes=("silu", "swish"))


@dataclass(frozen=True)
class HardSigmoid(Activation):
    """Piecewise linear sigmoid, for inputs of any shape.

    y = min(max(x + 3, 0), 6)/6,  dx = dy/6 where −3 < x < 3, else 0

    Source   Howard et al. 2019; reference/activations.py
    """

    kind: ClassVar[str] = "hard_sigmoid"


@dataclass(frozen=True)
class HardSwish(Activation):
    """Piecewise quadratic SiLU, for inputs of any shape.

    y = x min(max(x + 3, 0), 6)/6,  dx = (2x + 3)/6 dy where −3 < x < 3, dy where x ≥ 3, else 0

    Source   Howard et al. 2019; reference/activations.py
    """

    kind: ClassVar[str] = "hard_swish"
    names: ClassVar[OtherNames] = OtherNames(
        onnx="HardSwish",
        opset=14,
        keras=("hard_swish", "hard_silu"),
        torch="Hardswish",
        classes=("hardswish", "hswish"),
    )


@dataclass(frozen=True)
class ELU(Activation):
    """Exponential linear unit, for inputs of any shape.

    alpha   y approaches −alpha for very negative inputs; alpha ≥ 0

    y = x where x > 0, else alpha (eˣ − 1);  dx = dy where x > 0, else alpha eˣ dy

    Errors   OptionError when alpha is negative or not finite
    Source   Clevert et al. 2015; reference/activations.py
    """

    alpha: float = 1.0

    kind: ClassVar[str] = "elu"
    names: ClassVar[OtherNames] = OtherNames(torch="ELU")
    examples: ClassVar[tuple[dict[str, float], ...]] = ({"alpha": 0.5}, {"alpha": 2.0}, {"alpha": 1.0})

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.alpha < inf:
            raise OptionError(f"ELU: alpha {self.alpha!r}: expected a finite number, at least 0")


@dataclass(frozen=True)
class Softplus(Activation):
    """Smooth rectified linear unit, for inputs of any shape.

    y = log(1 + eˣ),  dx = σ(x) dy

    Source   Dugas et al. 2000; reference/activations.py
    """

    kind: ClassVar[str] = "softplus"
    names: ClassVar[OtherNames] = OtherNames(onnx="Softplus", keras=("softplus",), classes=("softplus",))


@dataclass(frozen=True)
class Mish(Activation):
    """Mish activation, a smooth form of ReLU with a small negative dip, for inputs of any shape.

    y = x tanh u  with  u = log(1 + eˣ),  dx = (tanh u + x σ(x) (1 − tanh² u)) dy

    Source   Misra 2019; reference/activations.py
    """

    kind: ClassVar[str] = "mish"
    names: ClassVar[OtherNames] = OtherNames(onnx="Mish", opset=18, keras=("mish",), torch="Mish", classes=("mish",))


@dataclass(frozen=True)
class Exp(Activation):
    """Exponential function, for inputs of any shape. Large inputs overflow to infinity.

    y = eˣ,  dx = y dy

    Source   reference/activations.py
    """

    kind: ClassVar[str] = "exp"
    names: ClassVar[OtherNames] = OtherNames(onnx="Exp", keras=("exponential",), classes=("exp", "exponential"))


@dataclass(frozen=True)
class Softsign(Activation):
    """Softsign, a sigmoid function without exponentials, for inputs of any shape.

    y = x / (1 + |x|),  dx = dy / (1 + |x|)²

    Source   Bergstra et al. 2009; reference/activations.py
    """

    kind: ClassVar[str] = "softsign"
    names: ClassVar[OtherNames] = OtherNames(
        onnx="Softsign", keras=("softsign",), torch="Softsign", classes=("softsign",)
    )


@dataclass(frozen=True)
class Softmax(Activation):
    """Softmax over the classes of each sample, or over the channels at each position.

    y_k = e^{x_k} / Σ_j e^{x_j},  dx_k = y_k (dy_k − Σ_j dy_j y_j)

    In training, a final softmax layer is fused with the categorical cross-entropy loss: the gradient is ŷ − t.

    Shapes   (K,) → (K,), (C, H, W) → (C, H, W)
    Source   numpy-cnn eq. 33–34; reference/activations.py
    """

    kind: ClassVar[str] = "softmax"


# Operation → the element-wise layer that emits it.
ELEMENTWISE = {kind.kind: kind for kind in Activation.__subclasses__() if kind is not Softmax}
EXAMPLES = {name: tuple(kind(**options) for options in kind.examples) for name, kind in ELEMENTWISE.items()}


@dataclass(frozen=True)
class PReLU(Layer):
    """Parametric rectified linear unit: a leaky ReLU with one learnt slope per channel.

    y = x where x > 0, else slope·x;  dx = dy where x > 0, else slope·dy;  dslope = Σ dy min(0, x)

    The initial slope is 0.25.

    Shapes   (C, H, W), (C, W) or (F,), unchanged
    Source   He et al. 2015; reference/prelu.py
    """

    kind: ClassVar[str] = "prelu"

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return the slopes, (C,)."""
        return (Parameter("slope", shape[:1], "zeros", values=np.full(shape[:1], 0.25)),)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y, dslope and dx."""
        output = builder.activation("y", x.shape)
        x, y, slope = as_image(x), as_image(output), builder.parameter("slope")
        builder.forward("prelu", (x, slope), (y,))
        builder.backward("prelu_dw", (y.gradient(), x), (slope.gradient(),))
        builder.backward("prelu_dx", (y.gradient(), x, slope), (x.gradient(),))
        return output


ACTIVATIONS.update({name: globals()[name] for name in __all__ if name != "Clip"})
