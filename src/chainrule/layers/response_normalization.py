"""Local response normalization."""

from dataclasses import dataclass
from math import inf
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import text
from chainrule.errors import OptionError, ShapeError
from chainrule.layers.base import Layer, Shape, as_image, check_whole


@dataclass(frozen=True)
class LocalResponseNorm(Layer):
    """Local response normalization: each value is divided by a power of the mean square in neighbouring channels.

    size    number of channels in a window, odd: the channel itself and as many on either side
    alpha   weight of the mean square
    beta    the power
    k       constant added to the weighted mean square

    y = x / (k + alpha/size · Σ x²)^beta, the sum over the window

    Shapes   (C, H, W) or (C, W), unchanged
    Errors   ShapeError for an input of another shape; OptionError unless size is odd and k, alpha and beta are above 0
    Source   Krizhevsky et al. 2012; reference/response_normalization.py
    """

    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0

    kind: ClassVar[str] = "lrn"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "size", self.size)
        if self.size % 2 == 0:
            raise OptionError(
                f"LocalResponseNorm: size {self.size}: expected an odd number; PyTorch and ONNX disagree on others"
            )
        if not all(0 < each < inf for each in (self.alpha, self.beta, self.k)):
            raise OptionError(f"{self.describe()}: expected alpha, beta and k above 0")

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the input's shape; ShapeError for a vector."""
        if len(shape) < 2:
            raise ShapeError(f"LocalResponseNorm {name!r}: expected an input (C, H, W) or (C, W), found {text(shape)}")
        return shape

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y and dx."""
        given = builder.activation("y", x.shape)
        x, y = as_image(x), as_image(given)
        options = {"size": self.size, "alpha": float(self.alpha), "beta": float(self.beta), "k": float(self.k)}
        builder.forward("local_response_norm", (x,), (y,), **options)
        builder.backward("local_response_norm_dx", (y.gradient(), x), (x.gradient(),), **options)
        return given
