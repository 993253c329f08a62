"""Layers that move values: padding, cropping, permutations of axes, and repetition."""

from dataclasses import dataclass
from typing import ClassVar

from chainrule.core import shapes
from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import Ends, Pair
from chainrule.errors import ShapeError
from chainrule.layers.base import Layer, Shape, check_whole, example

__all__ = ["Broadcast", "Crop2D", "Pad2D", "Permute"]

EndsLike = int | tuple[int | Pair, ...]


@dataclass(frozen=True)
class Pad2D(Layer):
    """Surround every channel with zeros.

    padding  number of zeros: one for all sides, (vertical, horizontal), or ((top, bottom), (left, right))

    y[c,i,j] = x[c, i − top, j − left] inside the image, else 0

    Shapes   (C, H, W) → (C, top + H + bottom, left + W + right)
    Source   reference/geometry.py
    """

    padding: EndsLike

    kind: ClassVar[str] = "pad"
    examples = (example(padding=((1, 0), (2, 3))),)

    def __post_init__(self) -> None:
        super().__post_init__()
        _ends(self, "padding", self.padding)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (C, top + H + bottom, left + W + right)."""
        self._expect(shape, name, 3, "(C, H, W)")
        before, after = _ends(self, "padding", self.padding)
        return tuple(front + size + back for size, front, back in zip(shape, before, after, strict=True))

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = x with a border of zeros;  dx = dy without the border."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        before, after = _ends(self, "padding", self.padding)
        builder.forward("pad", (x,), (y,), before=before, after=after)
        builder.backward("crop", (y.gradient(),), (x.gradient(),), before=before, after=after)
        return y


@dataclass(frozen=True)
class Crop2D(Layer):
    """Crop rows and columns from the edges of every channel.

    cropping  number of rows and columns: one for all sides, (vertical, horizontal), or ((top, bottom), (left, right))

    y[c,i,j] = x[c, i + top, j + left]

    Shapes   (C, H, W) → (C, H − top − bottom, W − left − right)
    Errors   ShapeError when the cropping removes everything
    Source   reference/geometry.py
    """

    cropping: EndsLike

    kind: ClassVar[str] = "crop"
    examples = (example((3, 4, 6), cropping=((1, 0), (2, 1))),)

    def __post_init__(self) -> None:
        super().__post_init__()
        _ends(self, "cropping", self.cropping)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (C, H − top − bottom, W − left − right); raise ShapeError if the result is empty."""
        self._expect(shape, name, 3, "(C, H, W)")
        before, after = _ends(self, "cropping", self.cropping)
        sizes = tuple(size - front - back for size, front, back in zip(shape, before, after, strict=True))
        if min(sizes) < 1:
            raise ShapeError(
                f"Crop2D {name!r}: cropping {tuple(zip(before, after, strict=True))[1:]} leaves nothing of the "
                f"{shapes.text(shape[1:])} input"
            )
        return sizes

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = x without the border;  dx = dy with a border of zeros."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        before, after = _ends(self, "cropping", self.cropping)
        builder.forward("crop", (x,), (y,), before=before, after=after)
        builder.backward("pad", (y.gradient(),), (x.gradient(),), before=before, after=after)
        return y


@dataclass(frozen=True)
class Permute(Layer):
    """Permute the axes of every sample: axis a of the output is axis ``axes[a]`` of the input.

    axes  a permutation of the axes, excluding the batch axis: (1, 2, 0) turns (C, H, W) into (H, W, C)

    Source   reference/geometry.py
    """

    axes: tuple[int, ...]

    kind: ClassVar[str] = "permute"
    examples = (example(axes=(1, 2, 0)),)

    def __post_init__(self) -> None:
        super().__post_init__()
        shapes.check_permutation("Permute", self.axes, len(self.axes))

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the sizes of the axes in the new order."""
        self._expect(shape, name, len(self.axes), f"with {len(self.axes)} axes")
        return tuple(shape[axis] for axis in self.axes)

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = x with permuted axes;  dx = dy with the inverse permutation."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        builder.forward("permute", (x,), (y,), axes=self.axes)
        inverse = shapes.inverse_permutation(self.axes)
        builder.backward("permute", (y.gradient(),), (x.gradient(),), axes=inverse)
        return y


@dataclass(frozen=True)
class Broadcast(Layer):
    """Repeat every sample along its axes of size 1.

    shape   shape of the output, with the sizes of the input along all other axes

    Errors   ShapeError when the input cannot be repeated to the shape
    Source   reference/merging.py
    """

    shape: Shape

    kind: ClassVar[str] = "broadcast"
    examples = (example((3, 1, 1), shape=(3, 4, 2)),)

    def __post_init__(self) -> None:
        super().__post_init__()
        for size in self.shape:
            check_whole(self, "shape", size)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return the shape of the output; raise ShapeError if the input does not fit."""
        if not shapes.is_repeatable(shape, self.shape):
            own, whole = map(shapes.text, (shape, self.shape))
            raise ShapeError(f"Broadcast {name!r}: {own} cannot be repeated to {whole}")
        return self.shape

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = x, repeated;  dx = the sums of dy over all repetitions."""
        y = builder.activation("y", self.shape)
        builder.forward("broadcast", (x,), (y,), shape=self.shape)
        builder.backward("broadcast_dx", (y.gradient(),), (x.gradient(),), shape=x.shape)
        return y


def _ends(layer: Layer, what: str, value: EndsLike) -> tuple[Ends, Ends]:
    """Return the numbers of elements before and after each axis of (C, H, W); OptionError for an invalid value."""
    (top, bottom), (left, right) = shapes.resolve_ends(f"{type(layer).__name__}: {what}", value, 2)
    return (0, top, left), (0, bottom, right)
