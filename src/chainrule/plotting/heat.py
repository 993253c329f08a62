"""Heat maps over images: where a network looks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ShapeError
from chainrule.plotting.figures import INK, MARGIN, SMALL, legible, new_sheet, ruled, typeface
from chainrule.plotting.mistakes import as_images

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE, _GAP, _LINE = 2.4, 0.15, 0.25  # inches: longer side of an image; gap; line height of captions
_OPACITY = 0.65  # of the heat where it is largest


def heat_maps(image: NDArray[np.generic], maps: Mapping[str, NDArray[np.floating]], title: str) -> "Figure":
    """Plot an image, and each heat map over the image. Heat is shown from 0 to the maximum of its map.

    Shapes   image (C, H, W), uint8 or float; maps: caption → heat ≥ 0, (H', W') of any size, stretched over the image
    Errors   ShapeError for another number of axes
    """
    if image.ndim != 3 or any(heat.ndim != 2 for heat in maps.values()):
        shapes = ", ".join(str(heat.shape) for heat in maps.values())
        raise ShapeError(f"image of shape {image.shape}, maps of {shapes}; expected (C, H, W), and (H, W) for each map")
    height, width = image.shape[1:]
    tall, wide = _SIDE * height / max(height, width), _SIDE * width / max(height, width)
    across = (wide + _GAP) * (1 + len(maps)) - _GAP
    sheet = new_sheet(max(across + 2 * MARGIN, 4.5), tall + _LINE + MARGIN, title)
    axes = sheet.axes(MARGIN, 0, across, tall + _LINE)
    ruled(axes)
    (picture,) = as_images(image[None])
    gray = picture if picture.ndim == 2 else picture.mean(axis=2)
    for number, (caption, heat) in enumerate({"image": None, **maps}.items()):
        start = number * (wide + _GAP)
        place = {"extent": (start, start + wide, tall, 0), "aspect": "auto"}
        shown = picture if heat is None else gray
        axes.imshow(shown, cmap="gray", vmin=0, vmax=1, interpolation="nearest", **place)
        if heat is not None:
            share = np.nan_to_num(heat / (float(heat.max()) or 1.0))
            axes.imshow(share, cmap="inferno", vmin=0, vmax=1, alpha=_OPACITY, interpolation="bilinear", **place)
        where = (start + wide / 2, tall + 0.05)
        axes.text(*where, legible(caption), ha="center", va="top", fontsize=SMALL, color=INK, **typeface())
    return sheet.figure
