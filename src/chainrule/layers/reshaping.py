"""Layers that reshape values. They emit no operations: in both passes, the result is a view of the input's memory."""

import math
from dataclasses import dataclass
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.layers.base import Layer, Shape, check_whole, example

__all__ = ["Flatten", "Reshape"]


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
