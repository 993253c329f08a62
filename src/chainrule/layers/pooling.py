"""Pooling layers: max, average and sum pooling in one and two dimensions, and global max and average pooling."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from chainrule.core import shapes
from chainrule.core.plan import Builder, Tensor
from chainrule.core.shapes import PaddingLike
from chainrule.errors import ShapeError
from chainrule.layers.base import Layer, Shape, as_image, example

__all__ = [
    "AveragePool1D",
    "AveragePool2D",
    "GlobalAveragePool1D",
    "GlobalAveragePool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "MaxPool1D",
    "MaxPool2D",
    "SumPool1D",
    "SumPool2D",
]


@dataclass(frozen=True)
class _Pool(Layer):
    """Base class of pooling layers: a window slides over each channel separately.

    window     size of the window: a number of pixels, or (vertical, horizontal)
    stride     distance between adjacent windows in pixels; by default the window size
    padding    as in `Conv2D`, but smaller than the window on every side
    ceil_mode  True: round the output size up; the last window may extend beyond the padded image, but must begin on
               the image or on the padding before it
    """

    window: int | tuple[int, ...] = 2
    _: KW_ONLY
    stride: int | tuple[int, ...] | None = None
    padding: PaddingLike = "valid"
    ceil_mode: bool = False

    axes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        self._padding((8,) * self.axes)  # checks all numbers

    def _window_sizes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the window and the stride along each axis."""
        layer = type(self).__name__
        window = shapes.per_axis(f"{layer}: window", self.window, self.axes)
        if self.stride is None:
            return window, window
        return window, shapes.per_axis(f"{layer}: stride", self.stride, self.axes)

    def _padding(self, size: Shape) -> tuple[shapes.Pair, ...]:
        """Return the padding option as (before, after) for each axis."""
        window, stride = self._window_sizes()
        dilation = (1,) * self.axes
        return shapes.resolve_padding(f"{type(self).__name__}: padding", self.padding, size, window, stride, dilation)

    def _whole_padding(self, size: Shape) -> tuple[shapes.Pair, ...]:
        """Return the padding (before, after) of each axis, extended to cover the last window if ceil_mode is set."""
        padding = self._padding(size)
        if not self.ceil_mode:
            return padding
        return tuple(map(shapes.ceil_padding, size, *self._window_sizes(), padding))

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (C, H', W') with H' = ⌊(H + p − K)/s⌋ + 1, rounded up in ceil_mode."""
        self._expect(shape, name, self.axes + 1, "(C, H, W)" if self.axes == 2 else "(C, W)")
        window, stride = self._window_sizes()
        padding = self._whole_padding(shape[1:])
        shapes.check_fits(f"{type(self).__name__} {name!r}", "window", window, shape[1:], padding)
        for cells, pair in zip(window, padding, strict=True):
            if max(pair) >= cells:
                raise ShapeError(
                    f"{type(self).__name__} {name!r}: padding {padding} must be smaller than the window {window}"
                )
        axes = zip(shape[1:], window, stride, padding, strict=True)
        return (shape[0], *(shapes.output_size(*axis) for axis in axes))

    def _attributes(self, size: Shape) -> dict[str, object]:
        lift = 2 - self.axes
        window, stride = self._window_sizes()
        return {
            "window": (1,) * lift + window,
            "stride": (1,) * lift + stride,
            "padding": ((0, 0),) * lift + self._whole_padding(size),
        }


def _emit_max(builder: Builder, image: Tensor, y: Tensor, options: Mapping[str, object]) -> None:
    winner = builder.activation("winner", y.shape, integer=True)
    builder.forward("max_pool", (image,), (y, winner), **options)
    builder.backward("max_pool_dx", (y.gradient(), winner), (image.gradient(),), size=image.shape[1:])


def emit_average(builder: Builder, image: Tensor, y: Tensor, options: Mapping[str, object]) -> None:
    """Emit average pooling of an image and its gradient."""
    builder.forward("average_pool", (image,), (y,), **options)
    builder.backward("average_pool_dx", (y.gradient(),), (image.gradient(),), size=image.shape[1:], **options)


@dataclass(frozen=True)
class _MaxPool(_Pool):
    kind: ClassVar[str] = "pool"

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the maximum of each window, with its position;  dx = dy at that position."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        _emit_max(builder, as_image(x), as_image(y), self._attributes(x.shape[1:]))
        return y


@dataclass(frozen=True)
class _AveragePool(_Pool):
    kind: ClassVar[str] = "pool"

    def _divisor_rule(self) -> str:
        return "cells"

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the sum of each window divided by D;  dx = dy/D at every position of the window."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        image = as_image(x)
        result = as_image(y)
        options = {**self._attributes(x.shape[1:]), "divisor": self._divisor_rule()}
        if options["divisor"] == "window" and self._whole_padding(x.shape[1:]) != self._padding(x.shape[1:]):
            self._emit_padded(builder, image, result, options)
        else:
            emit_average(builder, image, result, options)
        return y

    def _emit_padded(self, builder: Builder, image: Tensor, y: Tensor, options: dict[str, Any]) -> None:
        """Emit padding, then average pooling of the padded image. Elements added by ceil_mode alone are not counted."""
        padding = ((0, 0),) * (2 - self.axes) + self._padding(image.shape[3 - self.axes :])
        (top, bottom), (left, right) = padding
        before = (0, top, left)
        after = (0, bottom, right)
        sizes = tuple(front + size + back for front, size, back in zip(before, image.shape, after, strict=True))
        padded = builder.activation("padded", sizes)
        rest = tuple((0, whole[1] - own[1]) for whole, own in zip(options["padding"], padding, strict=True))
        options = {**options, "padding": rest, "divisor": "cells"}
        builder.forward("pad", (image,), (padded,), before=before, after=after)
        emit_average(builder, padded, y, options)
        builder.backward("crop", (padded.gradient(),), (image.gradient(),), before=before, after=after)


@dataclass(frozen=True)
class MaxPool2D(_MaxPool):
    """Max pooling: the maximum of each window. The first of equal values wins; padding is ignored; NaN propagates.

    window, stride, padding, ceil_mode   as in `AveragePool2D`

    y[c,i,j] = max_{u,v} x[c, s·i + u, s·j + v]

    Shapes   (C, H, W) → (C, H', W'), H' = ⌊(H + p_top + p_bottom − K)/s⌋ + 1
    Source   numpy-cnn eq. 28–30; Zayan, max-pooling; reference/pooling.py
    """

    examples = (
        example((3, 6, 5), window=(3, 2), stride=(2, 1), padding=((1, 0), (0, 1))),
        example((3, 6, 5), window=(3, 2), stride=2, ceil_mode=True),
    )


@dataclass(frozen=True)
class MaxPool1D(_MaxPool):
    """`MaxPool2D` for inputs (C, W)."""

    axes: ClassVar[int] = 1
    examples = (example((3, 9), window=3, stride=2),)


@dataclass(frozen=True)
class AveragePool2D(_AveragePool):
    """Average pooling: the mean of each window.

    window         size of the window: a number of pixels, or (vertical, horizontal)
    stride         distance between adjacent windows in pixels; by default the window size
    padding        as in `Conv2D`, but smaller than the window on every side
    ceil_mode      True: round H' and W' up; the last window may extend beyond the padded image, but must begin on the
                   image or on the padding before it
    count_padding  True: divide by the full window size even if the window overlaps padding; the extension by
                   ceil_mode is never counted

    y[c,i,j] = 1/D · Σ_{u,v} x̄[c, s·i + u, s·j + v],   D: the number of elements in the window that are not padding

    Shapes   (C, H, W) → (C, H', W'), H' = ⌊(H + p_top + p_bottom − K)/s⌋ + 1
    Source   VanillaCNN eq. 16, 20, 34, 39; reference/pooling.py
    """

    count_padding: bool = field(default=False, kw_only=True)

    examples = (
        example((3, 6, 5), window=(3, 2), stride=(2, 1), padding=((1, 0), (0, 1))),
        example((3, 5, 6), window=(2, 3), padding=1, count_padding=True),
        example((3, 5, 6), window=(2, 3), padding=(0, 1), ceil_mode=True, count_padding=True),
    )

    def _divisor_rule(self) -> str:
        return "window" if self.count_padding else "cells"


@dataclass(frozen=True)
class AveragePool1D(AveragePool2D):
    """`AveragePool2D` for inputs (C, W)."""

    axes: ClassVar[int] = 1
    examples = (example((3, 9), window=3, stride=2, padding=1),)


@dataclass(frozen=True)
class SumPool2D(_AveragePool):
    """Sum pooling: the sum of each window. Options, except ``count_padding``, and shapes are as in `AveragePool2D`.

    y[c,i,j] = Σ_{u,v} x̄[c, s·i + u, s·j + v]
    """

    examples = (example((3, 5, 4), window=(2, 3), stride=1),)

    def _divisor_rule(self) -> str:
        return "one"


@dataclass(frozen=True)
class SumPool1D(SumPool2D):
    """`SumPool2D` for inputs (C, W)."""

    axes: ClassVar[int] = 1
    examples = (example((3, 9), window=3),)


@dataclass(frozen=True)
class _GlobalPool(Layer):
    """Base class of global pooling layers: a single window covers the whole image."""

    kind: ClassVar[str] = "pool"
    axes: ClassVar[int] = 2

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (C,)."""
        self._expect(shape, name, self.axes + 1, "(C, H, W)" if self.axes == 2 else "(C, W)")
        return shape[:1]

    def _whole(self, builder: Builder, x: Tensor) -> tuple[Tensor, Tensor, Tensor, dict[str, Any]]:
        """Return the output (C,), the input as an image, the output viewed as (C, 1, 1), and the attributes."""
        y = builder.activation("y", x.shape[:1])
        image = as_image(x)
        size = image.shape[1:]
        options = {"window": size, "stride": size, "padding": ((0, 0), (0, 0))}
        return y, image, y.viewed((*y.shape, 1, 1)), options


@dataclass(frozen=True)
class GlobalAveragePool2D(_GlobalPool):
    """Global average pooling: the mean of each channel, (C, H, W) → (C,)."""

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the mean of each channel;  dx = dy/(H·W) at every position."""
        y, image, result, options = self._whole(builder, x)
        emit_average(builder, image, result, {**options, "divisor": "cells"})
        return y


@dataclass(frozen=True)
class GlobalAveragePool1D(GlobalAveragePool2D):
    """`GlobalAveragePool2D` for inputs (C, W)."""

    axes: ClassVar[int] = 1
    examples = (example((3, 7)),)


@dataclass(frozen=True)
class GlobalMaxPool2D(_GlobalPool):
    """Global max pooling: the maximum of each channel, (C, H, W) → (C,). The first of equal values wins."""

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the maximum of each channel, with its position;  dx = dy at that position."""
        y, image, result, options = self._whole(builder, x)
        _emit_max(builder, image, result, options)
        return y


@dataclass(frozen=True)
class GlobalMaxPool1D(GlobalMaxPool2D):
    """`GlobalMaxPool2D` for inputs (C, W)."""

    axes: ClassVar[int] = 1
    examples = (example((3, 7)),)
