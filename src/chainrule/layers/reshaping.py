"""Layers that only rename the axes: the numbers stay where they are, forward and backward, so nothing is emitted."""

import math
from dataclasses import dataclass
from typing import ClassVar

from chainrule.errors import ShapeError
from chainrule.layers.base import Layer, Shape, whole
from chainrule.plan import Builder, Tensor
from chainrule.shapes import text


@dataclass(frozen=True)
class Flatten(Layer):
    """All axes of a sample as one, row by row, channel after channel.   Source   VanillaCNN eq. 21–22"""

    kind: ClassVar[str] = "flatten"

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """(C·H·W,)."""
        return (math.prod(shape),)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """The same memory in another shape."""
        return x.viewed(self.output_shape(x.shape, builder.layer))


@dataclass(frozen=True)
class Reshape(Layer):
    """The numbers of a sample in another shape with as many of them."""

    shape: tuple[int, ...]

    kind: ClassVar[str] = "reshape"

    def __post_init__(self) -> None:
        super().__post_init__()
        for size in self.shape:
            whole(self, "shape", size)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """``shape``."""
        if math.prod(shape) != math.prod(self.shape):
            raise ShapeError(f"Reshape {name!r}: {text(shape)} numbers do not fill {text(self.shape)}")
        return self.shape

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """The same memory in another shape."""
        return x.viewed(self.output_shape(x.shape, builder.layer))
