"""Layers that only change the shape: values keep their memory, forward and backward, so nothing is emitted."""

import math
from dataclasses import dataclass
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.layers.base import Layer, Shape, check_whole


@dataclass(frozen=True)
class Flatten(Layer):
    """Flatten every sample to a vector, in row-major order, channel after channel.

    Shapes   (C, H, W) → (C·H·W,); likewise for any other shape
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
    """Reshape every sample, in row-major order.

    shape   the new shape, without the batch axis

    Errors   ShapeError when the input has another number of elements
    """

    shape: tuple[int, ...]

    kind: ClassVar[str] = "reshape"

    def __post_init__(self) -> None:
        super().__post_init__()
        for size in self.shape:
            check_whole(self, "shape", size)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return ``self.shape``; ShapeError when the input has another number of elements."""
        if math.prod(shape) != math.prod(self.shape):
            raise ShapeError(f"Reshape {name!r}: {text(shape)} elements do not fill {text(self.shape)}")
        return self.shape

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Return a view of the same memory in the new shape."""
        return x.viewed(self.output_shape(x.shape, builder.layer))
