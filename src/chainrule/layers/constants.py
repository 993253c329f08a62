"""Layers with constants, which training leaves unchanged."""

from dataclasses import dataclass
from math import prod
from typing import ClassVar

from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import text
from chainrule.errors import ShapeError
from chainrule.layers.base import Layer, Parameter, Shape, check_choice, check_whole, example

__all__ = ["FixedAffine", "FixedValue", "Gather"]

MAX_GATHERED = 1 << 24  # elements of a sample; float32 represents all integers up to this number


@dataclass(frozen=True)
class OfShape(Layer):
    """Base class of layers whose option is the shape of their output."""

    shape: Shape

    def __post_init__(self) -> None:
        super().__post_init__()
        for size in self.shape:
            check_whole(self, "shape", size)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the shape of the output."""
        return self.shape


@dataclass(frozen=True)
class FixedValue(OfShape):
    """Constants b, the same for every sample, which training leaves unchanged. The input only determines their number.

    shape   shape of the constants

    y = b,  dx = 0

    Initially, b is 0. Set it with `model.load_weights`; networks that are imported from other formats contain it.

    Source   reference/dense.py
    """

    kind: ClassVar[str] = "constant"
    examples = (example(shape=(2, 3)),)

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return b."""
        return (Parameter("b", self.shape, "zeros", trained=False),)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = b for every sample, and a gradient that is 0."""
        y = builder.activation("y", self.shape)
        b = builder.parameter("b")
        builder.forward("constant", (x, b.viewed((b.size,))), (y.viewed((y.size,)),))
        builder.backward("heaviside_dx", (x, x), (x.gradient(),))
        return y


@dataclass(frozen=True)
class FixedAffine(Layer):
    """Multiplication by constants w and addition of constants b, which training leaves unchanged.

    per   "channel": one w and one b for each channel; "element": one of each for every element of a sample

    y = w x + b,  dx = w dy

    Initially, w is 1 and b is 0. Set them with `model.load_weights`; networks that are imported from other formats
    contain them.

    Shapes   any, unchanged
    Source   reference/convolution.py, as a 1×1 convolution with one channel per group
    """

    per: str = "channel"

    kind: ClassVar[str] = "affine"
    examples = (example(), example(per="element"))

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, "per", self.per, ("channel", "element"))

    def _constants_shape(self, shape: Shape) -> Shape:
        return shape if self.per == "element" else shape[:1]

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return w and b: (C,), or the shape of the input for ``per="element"``."""
        constants_shape = self._constants_shape(shape)
        return (
            Parameter("w", constants_shape, "ones", trained=False),
            Parameter("b", constants_shape, "zeros", trained=False),
        )

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = w x + b and dx = w dy, as a convolution of images (rows, positions, 1)."""
        y = builder.activation("y", x.shape)
        rows = prod(self._constants_shape(x.shape))
        image = x.viewed((rows, x.size // rows, 1))
        result = y.viewed((rows, y.size // rows, 1))
        w = builder.parameter("w").viewed((rows, 1, 1, 1))
        b = builder.parameter("b").viewed((rows,))
        options: dict[str, object] = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
        options |= {"groups": rows, "flip": False}
        builder.forward("cross_correlate", (image, w, b), (result,), **options)
        reads = (result.gradient(), w)
        writes = (image.gradient(),)
        builder.backward("cross_correlate_dx", reads, writes, size=image.shape[1:], **options)
        return y


@dataclass(frozen=True)
class Gather(OfShape):
    """Select elements of every sample by constant indices, which training leaves unchanged.

    shape   shape of the output

    y[e] = x[indices[e]],  dx[h] = Σ_{e: indices[e] = h} dy[e]

    The elements of x and y are counted in row-major order. Initially, all indices are 0. Set them with
    `model.load_weights`; networks that are imported from other formats contain them.

    Errors   ShapeError for an input with more elements than indices of float32 can distinguish
    Source   reference/geometry.py
    """

    kind: ClassVar[str] = "gather"
    examples = (example(shape=(2, 5)),)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the shape of the output; raise ShapeError for too many elements."""
        if prod(shape) > MAX_GATHERED:
            raise ShapeError(f"Gather {name!r}: {text(shape)} has more than {MAX_GATHERED} elements")
        return super().output_shape(shape, name)

    def parameters(self, shape: Shape, name: str) -> tuple[Parameter, ...]:
        """Return the indices."""
        return (Parameter("indices", (prod(self.shape),), "zeros", trained=False),)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the selected elements of x;  dx = the sums of dy over all places of an element."""
        y = builder.activation("y", self.shape)
        indices = builder.parameter("indices")
        source = x.viewed((x.size,))
        result = y.viewed((y.size,))
        builder.forward("gather", (source, indices), (result,))
        builder.backward("gather_dx", (result.gradient(), indices), (source.gradient(),), shape=source.shape)
        return y
