"""Heat maps over images: where a network looks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import ShapeError
from chainrule.plotting.mistakes import as_images, tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIDE = 2.4  # inches: longer side of an image


def heat_maps(image: NDArray[np.generic], maps: Mapping[str, NDArray[np.floating]], title: str) -> "Figure":
    """Plot an image, and each heat map over the image. Heat is shown from 0 to the maximum of its map.

    Shapes   image (C, H, W), uint8 or float; maps: caption → heat ≥ 0, (H', W') of any size, stretched over the image
    Errors   ShapeError for another number of axes
    """
    heats = list(maps.values())
    if image.ndim != 3 or any(heat.ndim != 2 for heat in heats):
        shapes = ", ".join(str(heat.shape) for heat in heats)
        raise ShapeError(f"image of shape {image.shape}, maps of {shapes}; expected (C, H, W), and (H, W) for each map")
    (picture,) = as_images(image[None])
    colored = np.atleast_3d(picture).transpose(2, 0, 1)
    gray = np.broadcast_to(colored.mean(axis=0), colored.shape)
    images = np.stack([colored] + [gray] * len(maps))
    return tiles(images, ["image", *maps], len(images), title, _SIDE, dict(enumerate(heats, 1)))
