"""Activation layers: one number in, one number out, but for softmax, which sees all the classes of a sample."""

from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.errors import OptionError
from chainrule.layers.base import Layer, Shape
from chainrule.plan import Builder, Tensor


@dataclass(frozen=True)
class Activation(Layer):
    """An operation and its gradient, which reads what forward kept: the result y or the input x."""

    keeps: ClassVar[str] = "x"

    def _attributes(self) -> dict[str, Any]:
        return {}

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """y = f(x);  dx = f'(x) dy."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        kept = y if self.keeps == "y" else x
        builder.forward(self.kind, (x,), (y,), **self._attributes())
        builder.backward(f"{self.kind}_dx", (y.gradient(), kept), (x.gradient(),), **self._attributes())
        return y


@dataclass(frozen=True)
class Sigmoid(Activation):
    """y = 1 / (1 + e^−x),  dx = y (1 − y) dy.   Source   VanillaCNN eq. 6"""

    kind: ClassVar[str] = "sigmoid"
    keeps: ClassVar[str] = "y"


@dataclass(frozen=True)
class Tanh(Activation):
    """y = tanh x,  dx = (1 − y²) dy.   Source   reference/activations.py"""

    kind: ClassVar[str] = "tanh"
    keeps: ClassVar[str] = "y"


@dataclass(frozen=True)
class Arctan(Activation):
    """y = arctan x,  dx = dy / (1 + x²).   Source   named by numpy-cnn, section 2.6"""

    kind: ClassVar[str] = "arctan"


@dataclass(frozen=True)
class ReLU(Activation):
    """y = max(0, x),  dx = dy where x > 0, else 0.   Source   numpy-cnn eq. 31–32"""

    kind: ClassVar[str] = "relu"
    keeps: ClassVar[str] = "y"


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """y = x where x > 0, else slope·x;  dx = dy, or slope·dy.   Source   Maas et al. 2013"""

    slope: float = 0.01

    kind: ClassVar[str] = "leaky_relu"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.slope < 1:
            raise OptionError(f"LeakyReLU: slope {self.slope!r}: expected at least 0 and below 1")

    def _attributes(self) -> dict[str, Any]:
        return {"slope": float(self.slope)}


@dataclass(frozen=True)
class GELU(Activation):
    """y = x/2 · (1 + tanh(√(2/π)·(x + 0.044715 x³))): the tanh form.   Source   Hendrycks and Gimpel 2016"""

    kind: ClassVar[str] = "gelu"


@dataclass(frozen=True)
class Softmax(Activation):
    """y_k = e^{x_k} / Σ_j e^{x_j} over the classes of a sample.   Source   numpy-cnn eq. 33–34

    As the last layer before categorical cross-entropy it is trained fused with it: the gradient is ŷ − t.
    """

    kind: ClassVar[str] = "softmax"
    keeps: ClassVar[str] = "y"

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """The shape that came, a vector."""
        self._expect(shape, name, 1, "vector of classes")
        return shape


# Layers that map every element by itself, by the operation that they emit.
ELEMENTWISE = {kind.kind: kind for kind in Activation.__subclasses__() if kind is not Softmax}
