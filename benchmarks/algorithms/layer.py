"""The shape of the layer on which the algorithms are compared, and its text form."""

import re
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from chainrule.core.shapes import Padding, PaddingLike, Pair, check_fits, output_size, resolve_padding, text
from chainrule.errors import OptionError, ShapeError

Array = NDArray[Any]

NO_PADDING: Padding = ((0, 0), (0, 0))
ONE: Pair = (1, 1)
LAYER_PATTERN = re.compile(r"(\d+),(\d+),(\d+)(?:[x×](\d+))?@(\d+)(?:[x×](\d+))?", re.ASCII)
EXAMPLES = {False: "16,32,3x3@28x28", True: "1,1,63@4096"}


@dataclass(frozen=True)
class Layer:
    """The shapes of a cross-correlation x (N, C, H, W) ⋆ w (O, C, KH, KW) with stride 1.

    In one dimension, KH = H = 1.

    kernel, size  (KH, KW) and (H, W)
    """

    batch: int
    channels: int
    filters: int
    kernel: Pair
    size: Pair
    padding: Padding = NO_PADDING

    def __post_init__(self) -> None:
        """Raise ShapeError if the shape is impossible."""
        if min(self.batch, self.channels, self.filters, *self.kernel, *self.size) < 1:
            raise ShapeError(f"layer {self.text}, batch {self.batch}: expected sizes of at least 1")
        check_fits(f"layer {self.text}", "kernel", self.kernel, self.size, self.padding)

    @property
    def outputs(self) -> Pair:
        """Output size (H', W')."""
        height, width = map(output_size, self.size, self.kernel, ONE, self.padding)
        return height, width

    @property
    def text(self) -> str:
        """Short description, such as "16→32, 3×3 on 28×28"."""
        flat = self.kernel[0] == self.size[0] == 1
        kernel, size = (str(pair[1]) if flat else text(pair) for pair in (self.kernel, self.size))
        return f"{self.channels}→{self.filters}, {kernel} on {size}"

    @property
    def taps(self) -> int:
        """Number of products per output: C·KH·KW."""
        return self.channels * self.kernel[0] * self.kernel[1]

    @property
    def products(self) -> int:
        """Number of products per image in the definition, including products with padding zeros: O·H'·W'·C·KH·KW."""
        return self.filters * self.outputs[0] * self.outputs[1] * self.taps


def of_arrays(x: Array, w: Array, padding: Padding = NO_PADDING) -> Layer:
    """Return the layer for a batch x (N, C, H, W) and kernels w (O, C, KH, KW)."""
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[1]:
        raise ShapeError(f"x {text(x.shape)}, w {text(w.shape)}: expected (N, C, H, W) and (O, C, KH, KW)")
    if x.dtype != w.dtype:
        raise ShapeError(f"x is {x.dtype}, w is {w.dtype}: expected the same dtype")
    return Layer(len(x), x.shape[1], len(w), (w.shape[2], w.shape[3]), (x.shape[2], x.shape[3]), padding)


def parse(written: str, batch: int, padding: PaddingLike, one_dimensional: bool) -> Layer:
    """Parse a layer from "16,32,3x3@28x28": channels, filters, kernel, image; "1,1,63@4096" in one dimension.

    In two dimensions, a single number for the kernel or the image means a square.
    """
    match = LAYER_PATTERN.fullmatch(written.replace(" ", ""))
    if not match:
        expected = EXAMPLES[one_dimensional]
        raise OptionError(f"layer {written!r}: expected CHANNELS,FILTERS,KERNEL@IMAGE, such as {expected}")
    channels, filters, *sides = (int(group) if group else None for group in match.groups())
    if one_dimensional and (sides[1] or sides[3]):
        raise OptionError(f"layer {written!r} has two dimensions; expected one, such as {EXAMPLES[True]}")
    kernel, size = _pair(sides[0], sides[1], one_dimensional), _pair(sides[2], sides[3], one_dimensional)
    return Layer(batch, channels or 0, filters or 0, kernel, size, pad(padding, size, kernel, one_dimensional))


def pad(padding: PaddingLike, size: Pair, kernel: Pair, one_dimensional: bool) -> Padding:
    """Return the padding as pairs, without padding above and below in one dimension."""
    if min(*size, *kernel) < 1:
        return NO_PADDING  # `Layer` raises the error
    if one_dimensional:
        return (0, 0), resolve_padding(padding, size[1:], kernel[1:], (1,), (1,))[0]
    rows, columns = resolve_padding(padding, size, kernel, ONE, ONE)
    return rows, columns


def _pair(first: int | None, second: int | None, one_dimensional: bool) -> Pair:
    side = first or 0
    return (1, side) if one_dimensional else (side, side if second is None else second)
