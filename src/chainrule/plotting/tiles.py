"""Figures of several images with captions."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.plotting.style import INK, MARGIN, SMALL, legible, new_sheet, ruled, typeface, widest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_CHARACTERS = 20  # in a line of a caption

_SIDE, _GAP, _LINE = 1.0, 0.14, 0.155  # inches: longer side of an image; gap; line height of captions


def tiles(images: NDArray[np.generic], captions: Sequence[str], columns: int, title: str) -> "Figure":
    """Plot images row by row.

    Shapes   images (M, C, H, W), M ≥ 1; captions: M texts of one or more lines, or none
    """
    lines = [[legible(line, MAX_CHARACTERS) for line in caption.split("\n")] for caption in captions]
    count, _, height, width = images.shape
    tall, wide = _SIDE * height / max(height, width), _SIDE * width / max(height, width)
    across = max(wide, widest(("\n".join(caption) for caption in lines), SMALL)) + _GAP
    down = tall + _GAP + _LINE * max(map(len, lines), default=0)
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    width, length = columns * across - _GAP, rows * down - _GAP
    sheet = new_sheet(max(width + 2 * MARGIN, 4.5), length + MARGIN, title)
    axes = sheet.axes(MARGIN, 0, width, length)
    ruled(axes)
    for number, picture in enumerate(as_images(images)):
        row, column = divmod(number, columns)
        left, top = column * across + (across - _GAP - wide) / 2, row * down
        extent = (left, left + wide, top + tall, top)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=extent, aspect="auto")
        if lines:
            where = (left + wide / 2, top + tall + 0.04)
            text = "\n".join(lines[number])
            axes.text(*where, text, ha="center", va="top", fontsize=SMALL, color=INK, linespacing=1.15, **typeface())
    return sheet.figure


def as_images(images: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return images (M, C, H, W) in 0 … 1: (M, H, W, 3) for three channels, else their mean over channels, (M, H, W).

    Bytes are divided by 255. Floats beyond 0 … 1 (standardized ones) are scaled together from minimum to maximum.
    """
    bright = np.asarray(images, np.float64)
    if images.dtype.kind in "ui":
        bright = bright / 255
    low, high = float(bright.min()), float(bright.max())
    if low < 0 or high > 1:
        bright = (bright - low) / ((high - low) or 1.0)
    return bright.transpose(0, 2, 3, 1) if images.shape[1] == 3 else bright.mean(axis=1)
