"""Layers that resample images to another size: adaptive average pooling and upsampling."""

from dataclasses import dataclass
from typing import Any, ClassVar

from chainrule.core import shapes
from chainrule.core.plan import Builder, Tensor
from chainrule.layers.base import Layer, Shape, check_choice


@dataclass(frozen=True)
class AdaptiveAveragePool2D(Layer):
    """Average pooling to a given size: output (i, j) is the mean of a window from ⌊i·H/h⌋ to ⌈(i+1)·H/h⌉, likewise j.

    outputs  size of the output: a number of pixels, or (vertical, horizontal)

    Shapes   (C, H, W) → (C, h, w)
    Source   PyTorch AdaptiveAvgPool2d; reference/resampling.py
    """

    outputs: int | tuple[int, ...]

    kind: ClassVar[str] = "pool"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._sizes()

    def _sizes(self) -> tuple[int, ...]:
        return shapes.per_axis("AdaptiveAveragePool2D: outputs", self.outputs, 2)

    def output_shape(self, shape: Shape, name: str) -> Shape:
        """Return (C, h, w)."""
        self._expect(shape, name, 3, "(C, H, W)")
        return (shape[0], *self._sizes())

    def emit(self, builder: Builder, x: Tensor) -> Tensor:
        """Emit y = the mean of each window;  dx = dy divided among its cells.

        Where windows are all of one size, side by side, that is ordinary average pooling.
        """
        y, outputs = builder.activation("y", self.output_shape(x.shape, builder.layer)), self._sizes()
        size = x.shape[1:]
        if any(cells % many for cells, many in zip(size, outputs, strict=True)):
            _emit_resampling(builder, x, y, "average")
            return y
        window = tuple(cells // many for cells, many in zip(size, outputs, strict=True))
        options: dict[str, Any] = {"window": window, "stride": window, "padding": ((0, 0), (0, 0)), "divisor": "cells"}
        builder.forward("average_pool", (x,), (y,), **options)
        builder.backward("average_pool_dx", (y.gradient(),), (x.gradient(),), size=size, **options)
        return y


@dataclass(frozen=True)
class UpSample2D(Layer):
    """Enlarge every channel by whole factors.

    factor  outputs per pixel: a number, or (vertical, horizontal)
    mode    "nearest" repeats pixels; "bilinear" interpolates between their centres, with the corners not aligned

    Shapes   (C, H, W) → (C, factor·H, factor·W)
    Source   PyTorch Upsample; reference/resampling.py
    """

    factor: int | tuple[int, ...] = 2
    mode: str = "nearest"

    kind: ClassVar[str] = "upsample"

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
        """Emit y = the enlarged image;  dx = dy, given back to the pixels that were read, by the same weights."""
        y = builder.activation("y", self.output_shape(x.shape, builder.layer))
        _emit_resampling(builder, x, y, self.mode)
        return y


def _emit_resampling(builder: Builder, x: Tensor, y: Tensor, mode: str) -> None:
    builder.forward("resample", (x,), (y,), outputs=y.shape[1:], mode=mode)
    builder.backward("resample_dx", (y.gradient(),), (x.gradient(),), size=x.shape[1:], mode=mode)
