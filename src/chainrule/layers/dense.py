"""The dense (fully connected) layer, and layers that reshape values, such as Flatten before it.

Reshaping emits no operations: in both passes, the result is a view of the input's memory.
"""

import math
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.layers import initializers
from chainrule.layers.base import Layer, Parameter, Shape, check_whole, example

__all__ = ["Dense", "Flatten", "Reshape"]


@dataclass(frozen=True)
class Dense(Layer):
    """Dense (fully connected) layer: y = W x + b.

    features     number of outputs
    bias         whether to add a bias
    initializer  initializer of W (features, F_in); b is initialized to 0

    Shapes   (F_in,) → (features,)
    Errors   ShapeError when the input is not a vector
    Source   VanillaCNN eq. 23–24, 29–31; numpy-cnn eq. 1–5; reference/dense.py
    """

    features: int
    _: KW_ONLY
    bias: bool = True
    initializer: str = "glorot_uniform"

    kind: ClassVar[str] = "dense"
    takes_activation: ClassVar[bool] = True
    examples = (example((7,), features=4), example((3,), features=5, bias=False))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole(self, "features", self.features)
        initializers.find(self.initializer, f"{type(self).__name__} initializer")

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (features,)."""
        self._expect(shape, name, 1, "vector (put Flatten() before it)")
        return (self.features,)

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return W (features, F_in) and, unless ``bias=False``, b (features,)."""
        self.output_shape(shape, name)
        fans = initializers.Fans(shape[0], self.features)
        w = Parameter("w", (self.features, shape[0]), self.initializer, fans)
        return (w, Parameter("b", (self.features,), "zeros", fans)) if self.bias else (w,)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = W x + b;  db = Σ dy,  dW = Σ dy xᵀ,  dx = Wᵀ dy."""
        y = builder.activation("y", (self.features,))
        w = builder.parameter("w")
        b = builder.parameter("b") if self.bias else None
        dy = y.gradient()
        builder.forward("dense", (x, w, b), (y,))
        if b is not None:
            builder.backward("bias_gradient", (dy,), (b.gradient(),), untied=False)
        builder.backward("dense_dw", (x, dy), (w.gradient(),))
        builder.backward("dense_dx", (dy, w), (x.gradient(),))
        return y


@dataclass(frozen=True)
class Flatten(Layer):
    """Flatten every sample to a vector in row-major order, channel by channel.

    Shapes   (C, H, W) → (C·H·W,), or any other shape
    Source   VanillaCNN eq. 21–22
    """

    kind: ClassVar[str] = "flatten"

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (C·H·W,)."""
        return (math.prod(shape),)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Return a view of the same memory in the new shape."""
        return x.viewed(self.output_shape(x.shape, builder.layer))


@dataclass(frozen=True)
class Reshape(Layer):
    """Reshape every sample in row-major order.

    shape   the new shape, without the batch axis

    Errors   ShapeError when the input has a different number of elements
    """

    shape: tuple[int, ...]

    kind: ClassVar[str] = "reshape"
    examples = (example(shape=(5, 12)),)

    def __post_init__(self) -> None:
        super().__post_init__()
        for size in self.shape:
            check_whole(self, "shape", size)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return ``self.shape``; raise ShapeError if the input has a different number of elements."""
        if math.prod(shape) != math.prod(self.shape):
            raise ShapeError(f"Reshape {name!r}: {text(shape)} elements do not fill {text(self.shape)}")
        return self.shape

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Return a view of the same memory in the new shape."""
        return x.viewed(self.output_shape(x.shape, builder.layer))
