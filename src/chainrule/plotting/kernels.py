"""The learned kernels of a layer as a grid of tiles."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import OptionError, ShapeError, unknown_name
from chainrule.plotting.figures import BODY, MARGIN, MUTED, RULE, SMALL, Drawing, color_bar, new_sheet, ruled, typeface

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_FILTERS, MAX_CHANNELS = 64, 16
COLORS = "RdBu_r"  # blue below 0, white at 0, red above: safe for color-blind readers

_WIDEST, _AREA = 9.5, 24.0  # inches; square inches
_LARGEST_TILE, _SMALLEST_TILE = 0.85, 0.2  # inches
_GAP, _LABEL = 0.05, 0.2  # inches: gap between the channels of a filter; height of the number above a filter
_NOTE, _BAR = 0.24, 0.75  # inches: height of the line below the title; width of the color bar with its ticks


def kernel_grid(w: ArrayLike, title: str = "Kernels") -> "Figure":
    """Plot every filter as a row of tiles, one per channel, on a common color scale symmetric about 0.

    Shapes   w (C_out, C_in, KH, KW); only the first 64 filters and 16 channels are shown, with a note in the figure
    Errors   ShapeError if w does not have four axes or is empty
    """
    kernels = np.asarray(w, np.float64)
    if kernels.ndim != 4 or kernels.size == 0:
        raise ShapeError(f"kernels of shape {kernels.shape}; expected four axes (C_out, C_in, KH, KW), none of size 0")
    shown = kernels[:MAX_FILTERS, :MAX_CHANNELS]
    layout = _layout(*shown.shape)
    sheet = new_sheet(max(layout.width + 2 * MARGIN + _BAR, 5.0), layout.height + _NOTE + MARGIN, title)
    axes = sheet.axes(MARGIN, _NOTE, layout.width, layout.height)
    ruled(axes)
    largest = float(np.abs(kernels[np.isfinite(kernels)]).max(initial=0.0)) or 1.0
    _draw(axes, shown, layout, largest)
    bar_height = min(layout.height - _LABEL, 3.0)
    color_bar(axes, sheet.axes(MARGIN + layout.width + 0.15, _NOTE + _LABEL, 0.13, bar_height))
    axes.set_title(_describe_shape(kernels.shape), loc="left", fontsize=BODY, color=MUTED, pad=4, **typeface())
    return sheet.figure


@dataclass(frozen=True)
class _KernelLayout:
    """Layout of the tiles. Filters are arranged in columns and rows; each is a strip of its channels side by side.

    tile_height, tile_width  size of a tile, in inches
    strip                    width of a strip, including the gap to the next, in inches
    """

    columns: int
    rows: int
    tile_height: float
    tile_width: float
    strip: float

    @property
    def width(self) -> float:
        return self.columns * self.strip

    @property
    def height(self) -> float:
        return self.rows * (self.tile_height + _LABEL)

    def corner(self, filter_: int, channel: int) -> tuple[float, float]:
        """Return (left, top) of a tile, in inches."""
        row, column = divmod(filter_, self.columns)
        left = column * self.strip + channel * (self.tile_width + _GAP)
        return left, row * (self.tile_height + _LABEL) + _LABEL


def _layout(filters: int, channels: int, kh: int, kw: int) -> _KernelLayout:
    side = min(max(math.sqrt(_AREA / (filters * channels)), _SMALLEST_TILE), _LARGEST_TILE) / max(kh, kw)
    tile_height = kh * side
    tile_width = kw * side
    strip = channels * (tile_width + _GAP) + 2 * _GAP
    ideal_columns = math.sqrt(1.8 * filters * (tile_height + _LABEL) / strip)  # for an aspect ratio of about 1.8
    columns = max(1, min(filters, round(ideal_columns), int(_WIDEST / strip)))
    return _KernelLayout(columns, math.ceil(filters / columns), tile_height, tile_width, strip)


def _draw(axes: Drawing, w: NDArray[np.float64], layout: _KernelLayout, largest: float) -> None:
    colors = {"cmap": COLORS, "vmin": -largest, "vmax": largest}
    for o, kernels in enumerate(w):
        for c, kernel in enumerate(kernels):
            left, top = layout.corner(o, c)
            extent = (left, left + layout.tile_width, top + layout.tile_height, top)
            axes.imshow(kernel, **colors, interpolation="nearest", extent=extent, aspect="auto")
        left, top = layout.corner(o, 0)
        axes.text(left, top - 0.03, str(o), fontsize=SMALL - 1, color=MUTED, va="bottom", **typeface())
    _frames(axes, w, layout)


def _frames(axes: Drawing, w: NDArray[np.float64], layout: _KernelLayout) -> None:
    from chainrule.plotting.library import PatchCollection, Rectangle

    frames = list[Rectangle]()
    for o in range(w.shape[0]):
        for c in range(w.shape[1]):
            frames.append(Rectangle(layout.corner(o, c), layout.tile_width, layout.tile_height))
    collection = PatchCollection(frames, facecolor="none", edgecolor=RULE, linewidth=0.6, clip_on=False)
    axes.add_collection(collection, autolim=False)


def layer_kernels(weights: Mapping[str, ArrayLike], model: str, layer: str | None = None) -> "Figure":
    """Plot the kernels of one of a model's convolutions, by default the first.

    weights  the model's weights by name, such as "conv1.w"
    Errors   OptionError if the model has no such convolution
    """
    convolutions = [name.removesuffix(".w") for name, w in weights.items() if name.endswith(".w") and np.ndim(w) == 4]
    if not convolutions:
        raise OptionError(f"{model} has no two-dimensional convolution whose kernels can be plotted")
    if layer is not None and layer not in convolutions:
        raise unknown_name("convolution", layer, convolutions)
    selected = layer or convolutions[0]
    return kernel_grid(weights[f"{selected}.w"], f"{model}: kernels {selected}")


def _describe_shape(shape: tuple[int, ...]) -> str:
    filters, channels, kh, kw = shape
    description = f"{_count(filters, MAX_FILTERS, 'filter')} of {kh}×{kw}, {_count(channels, MAX_CHANNELS, 'channel')}"
    if channels > 1:
        description += " side by side"
    return description[0].upper() + description[1:]


def _count(number: int, limit: int, noun: str) -> str:
    plural = noun
    if number != 1:
        plural = f"{noun}s"
    if number > limit:
        return f"the first {limit} of {number} {plural}"
    return f"{number} {plural}"
