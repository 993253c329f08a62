"""Smooth activations, and activations with a threshold. The rectifiers, and softmax, have their own files."""

from dataclasses import dataclass
from typing import ClassVar

from chainrule.errors import OptionError
from chainrule.layers.base import Activation, example
from chainrule.layers.peers import Peer, Peers

__all__ = [
    "GELU",
    "SELU",
    "ExactGELU",
    "Mish",
    "Shrink",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Softsign",
    "Tanh",
    "ThresholdedReLU",
]


@dataclass(frozen=True)
class Sigmoid(Activation):
    """Sigmoid activation, for inputs of any shape.

    y = 1 / (1 + e⁻ˣ),  dx = y (1 − y) dy

    In training, a final sigmoid layer is joined with the binary cross-entropy loss: the gradient is (ŷ − t)/K.

    Source   VanillaCNN eq. 6; reference/activations.py
    """

    kind: ClassVar[str] = "sigmoid"
    keeps: ClassVar[str] = "y"
    peers = Peers(onnx=Peer("Sigmoid"), functions=("sigmoid",), torch=Peer("Sigmoid"))


@dataclass(frozen=True)
class Tanh(Activation):
    """Hyperbolic tangent, for inputs of any shape.

    y = tanh x,  dx = (1 − y²) dy

    Source   reference/activations.py
    """

    kind: ClassVar[str] = "tanh"
    keeps: ClassVar[str] = "y"
    peers = Peers(onnx=Peer("Tanh"), functions=("tanh",), torch=Peer("Tanh"))


@dataclass(frozen=True)
class GELU(Activation):
    """Gaussian error linear unit in the tanh approximation, for inputs of any shape.

    y = x/2 · (1 + tanh(√(2/π)·(x + 0.044715 x³)))

    Source   Hendrycks and Gimpel 2016; reference/activations.py
    """

    kind: ClassVar[str] = "gelu"
    peers = Peers(
        onnx=Peer("Gelu", fixed={"approximate": "tanh"}, opset=20), torch=Peer("GELU", fixed={"approximate": "tanh"})
    )


@dataclass(frozen=True)
class ExactGELU(Activation):
    """Gaussian error linear unit with the exact normal distribution function, for inputs of any shape.

    y = x Φ(x),  dx = (Φ(x) + x φ(x)) dy,  Φ(x) = ½ erfc(−x/√2),  φ = Φ′

    Source   Hendrycks and Gimpel 2016; reference/activations.py
    """

    kind: ClassVar[str] = "exact_gelu"
    peers = Peers(onnx=Peer("Gelu", fixed={"approximate": "none"}, opset=20), functions=("gelu",), torch=Peer("GELU"))


@dataclass(frozen=True)
class SiLU(Activation):
    """Sigmoid linear unit, also called swish, for inputs of any shape.

    y = x σ(x),  dx = σ(x) (1 + x (1 − σ(x))) dy

    Source   Hendrycks and Gimpel 2016; reference/activations.py
    """

    kind: ClassVar[str] = "silu"
    peers = Peers(functions=("silu", "swish"), torch=Peer("SiLU"), classes=("silu", "swish"))


@dataclass(frozen=True)
class Softplus(Activation):
    """Smooth rectified linear unit, for inputs of any shape.

    y = log(1 + eˣ),  dx = σ(x) dy

    Source   Dugas et al. 2000; reference/activations.py
    """

    kind: ClassVar[str] = "softplus"
    peers = Peers(onnx=Peer("Softplus"), functions=("softplus",), classes=("softplus",))


@dataclass(frozen=True)
class Mish(Activation):
    """Mish activation, a smooth form of ReLU with a small negative dip, for inputs of any shape.

    y = x tanh u  with  u = log(1 + eˣ),  dx = (tanh u + x σ(x) (1 − tanh² u)) dy

    Source   Misra 2019; reference/activations.py
    """

    kind: ClassVar[str] = "mish"
    peers = Peers(onnx=Peer("Mish", opset=18), functions=("mish",), torch=Peer("Mish"), classes=("mish",))


@dataclass(frozen=True)
class Softsign(Activation):
    """Softsign, a sigmoid function without exponentials, for inputs of any shape.

    y = x / (1 + |x|),  dx = dy / (1 + |x|)²

    Source   Bergstra et al. 2009; reference/activations.py
    """

    kind: ClassVar[str] = "softsign"
    peers = Peers(onnx=Peer("Softsign"), functions=("softsign",), torch=Peer("Softsign"), classes=("softsign",))


@dataclass(frozen=True)
class ThresholdedReLU(Activation):
    """Identity above a threshold and 0 elsewhere, for inputs of any shape.

    y = x where x > threshold, else 0;  dx = dy where x > threshold, else 0

    Errors   OptionError unless the threshold is finite
    Source   Konda et al. 2014; reference/activations.py
    """

    threshold: float = 1.0

    kind: ClassVar[str] = "thresholded_relu"
    peers = Peers(
        onnx=Peer("ThresholdedRelu", {"threshold": "alpha"}),
        keras=Peer("ThresholdedReLU", {"threshold": "theta"}),
        classes=("thresholdedrelu",),
    )
    examples = (example(), example(threshold=0.5))


@dataclass(frozen=True)
class Shrink(Activation):
    """Shrinkage: inputs within ±threshold become 0, and others move toward 0 by `bias`, for inputs of any shape.

    y = x − bias where x > threshold, x + bias where x < −threshold, else 0;  dx = dy where y was not set to 0, else 0

    A bias of 0 is hard shrinkage. A bias equal to the threshold is soft shrinkage.

    Errors   OptionError unless the threshold is at least 0 and both numbers are finite
    Source   Donoho and Johnstone 1994; reference/activations.py
    """

    threshold: float = 0.5
    bias: float = 0.0

    kind: ClassVar[str] = "shrink"
    peers = Peers(onnx=Peer("Shrink", {"threshold": "lambd"}), classes=("shrink", "hardshrink"))
    examples = (example(), example(threshold=0.3, bias=0.3))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.threshold < 0:
            raise OptionError(f"{self.describe()}: expected a threshold of at least 0")


@dataclass(frozen=True)
class SELU(Activation):
    """Scaled exponential linear unit, for inputs of any shape.

    y = gamma·x where x > 0, else gamma·alpha·(eˣ − 1);  dx = gamma·dy where x > 0, else gamma·alpha·eˣ·dy

    Errors   OptionError unless alpha and gamma are positive and finite
    Source   Klambauer et al. 2017; reference/activations.py
    """

    alpha: float = 1.6732632423543772
    gamma: float = 1.0507009873554805

    kind: ClassVar[str] = "selu"
    peers = Peers(onnx=Peer("Selu"), functions=("selu",), classes=("selu",))
    examples = (example(), example(alpha=0.5, gamma=2.0), example())

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.alpha > 0 and self.gamma > 0):
            raise OptionError(f"{self.describe()}: expected positive numbers")
