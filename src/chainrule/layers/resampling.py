"""Layers that resample images: every output is a weighted sum of neighboring pixels."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from chainrule.core import shapes
from chainrule.core.plan import Builder, Tensor
from chainrule.errors import OptionError, quoted
from chainrule.layers.base import Layer, Shape, check_choice, example
from chainrule.layers.pooling import emit_average

__all__ = ["AdaptiveAveragePool2D", "Resample2D", "UpSample2D"]


class _Resized(Layer):
    """Base class of layers with the option `outputs`, the size of their output."""

    outputs: int | tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        self._sizes()

    def _sizes(self) -> tuple[int, ...]:
        return shapes.per_axis(f"{type(self).__name__}: outputs", self.outputs, 2)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (C, h, w)."""
        self._expect(shape, name, 3, "(C, H, W)")
        return (shape[0], *self._sizes())


@dataclass(frozen=True)
class AdaptiveAveragePool2D(_Resized):
    """Average pooling to a given output size, h×w.

    Output (i, j) is the mean over the rows from ⌊i·H/h⌋ to ⌈(i+1)·H/h⌉ (exclusive), and the columns from ⌊j·W/w⌋ to
    ⌈(j+1)·W/w⌉ (exclusive).

    outputs  size of the output: a number of pixels, or (vertical, horizontal)

    Shapes   (C, H, W) → (C, h, w)
    Source   PyTorch AdaptiveAvgPool2d; reference/geometry.py
    """

    outputs: int | tuple[int, ...]

    kind: ClassVar[str] = "pool"
    examples = (
        example((3, 5, 7), outputs=(2, 3)),
        example((2, 6, 4), outputs=(3, 2)),
    )

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the mean of each window;  dx = dy, divided equally among the window's elements.

        If all windows have the same size, ordinary average pooling is emitted.
        """
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        _, height, width = x.shape
        rows, columns = self._sizes()
        if height % rows or width % columns:
            _emit_resampling(builder, x, y, "average")
            return y
        window = (height // rows, width // columns)
        options: dict[str, object] = {
            "window": window,
            "stride": window,
            "padding": ((0, 0), (0, 0)),
            "divisor": "cells",
        }
        emit_average(builder, x, y, options)
        return y


@dataclass(frozen=True)
class UpSample2D(Layer):
    """Enlarge every channel by whole factors.

    factor  enlargement: a number, or (vertical, horizontal)
    mode    "nearest" repeats pixels; "bilinear" interpolates between their centers, without aligning corners

    Shapes   (C, H, W) → (C, factor·H, factor·W)
    Source   PyTorch Upsample; reference/geometry.py
    """

    factor: int | tuple[int, ...] = 2
    _: KW_ONLY
    mode: str = "nearest"

    kind: ClassVar[str] = "upsample"
    examples = (
        example(factor=(2, 3)),
        example(factor=(3, 2), mode="bilinear"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._factors()
        check_choice(self, "mode", self.mode, ("nearest", "bilinear"))

    def _factors(self) -> tuple[int, ...]:
        return shapes.per_axis("UpSample2D: factor", self.factor, 2)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (C, factor·H, factor·W)."""
        self._expect(shape, name, 3, "(C, H, W)")
        return (shape[0], *(factor * size for factor, size in zip(self._factors(), shape[1:], strict=True)))

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the enlarged image;  dx = the sum of dy over the outputs that read the pixel, with their weights."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        _emit_resampling(builder, x, y, self.mode)
        return y


@dataclass(frozen=True)
class Resample2D(_Resized):
    """Read every channel at equally spaced positions, to enlarge, reduce, flip or shift it, or to skip pixels.

    outputs   size of the output: a number of pixels, or (vertical, horizontal)
    rows      whole numbers (a, b, c): output row i lies at position (a·i + b)/c of the input's rows, limited to the
              first and the last row
    columns   the same for columns; None: the numbers of `rows`
    mode      "nearest" copies the pixel at the position rounded down; "bilinear" interpolates between pixels

    For example, rows=(2, 0, 1) keeps every second row, and rows=(-1, H - 1, 1) reverses the H rows. For a bilinear
    enlargement from H to h rows, rows=(H - 1, 0, h - 1) aligns the corners.

    Shapes   (C, H, W) → (C, h, w)
    Errors   OptionError unless a, b and c are whole numbers and c is positive
    Source   PyTorch interpolate; reference/geometry.py
    """

    outputs: int | tuple[int, ...]
    rows: tuple[int, int, int]
    columns: tuple[int, int, int] | None = None
    _: KW_ONLY
    mode: str = "nearest"

    kind: ClassVar[str] = "resample"
    examples = (
        example(outputs=(2, 3), rows=(2, 0, 1), columns=(-1, 4, 1)),
        example(outputs=(6, 7), rows=(3, 0, 5), columns=(2, 1, 3), mode="bilinear"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, "mode", self.mode, ("nearest", "bilinear"))
        for option, line in (("rows", self.rows), ("columns", self.columns or self.rows)):
            _, _, divisor = line
            if not shapes.is_whole(divisor, 1):
                raise OptionError(
                    f"Resample2D: {option} {quoted(line)}: expected three whole numbers (a, b, c), and c of at least 1"
                )

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the pixels at the positions;  dx = dy, distributed to the pixels that were read."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        _emit_resampling(builder, x, y, self.mode, lines=(self.rows, self.columns or self.rows))
        return y


def _emit_resampling(builder: Builder, x: Tensor, y: Tensor, mode: str, **lines: object) -> None:
    builder.forward("resample", (x,), (y,), outputs=y.shape[1:], mode=mode, **lines)
    builder.backward("resample_dx", (y.gradient(),), (x.gradient(),), size=x.shape[1:], mode=mode, **lines)
