"""Arrays as small PNGs with one pixel per value: blue below 0, vermilion above, transparent at 0.

Translucent colours are legible on light and dark pages, and colour-blind readers can tell blue from vermilion.
"""

import math
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

MAX_MAPS = 16
LOW, HIGH = (33, 102, 172), (213, 94, 0)  # #2166ac, #d55e00

_GAP = 1  # transparent pixels between two maps


def png(values: NDArray[np.float64]) -> bytes:
    """Return an array of any shape as a mosaic of at most 16 maps, on one scale symmetric about 0, as PNG bytes.

    Shapes   (C, H, W): C maps; (H, W): one map; (F,): a nearly square map, row by row; (): a single pixel
    """
    from PIL import Image

    maps = _maps(np.asarray(values, np.float64))
    largest = float(np.abs(maps[np.isfinite(maps)]).max(initial=0.0)) or 1.0
    colours = np.stack([_coloured(each, largest) for each in maps])
    picture = Image.fromarray(_mosaic(colours))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _maps(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reshape values to maps (M, H, W), with NaN at the end of a vector's last row."""
    if values.ndim >= 2:
        return values.reshape(-1, *values.shape[-2:])[:MAX_MAPS]
    flat = values.reshape(-1)
    width = math.ceil(math.sqrt(flat.size))
    full = np.full(math.ceil(flat.size / width) * width, np.nan)
    full[: flat.size] = flat
    return full.reshape(1, -1, width)


def _coloured(values: NDArray[np.float64], largest: float) -> NDArray[np.uint8]:
    """Return RGBA (H, W, 4): the colour of the sign, with opacity proportional to magnitude; NaN is transparent."""
    share = np.nan_to_num(values / largest, nan=0.0, posinf=1.0, neginf=-1.0)
    colour = np.where((share < 0)[..., None], np.array(LOW), np.array(HIGH))
    strength = np.rint(np.abs(share) * 255)[..., None]
    return np.concatenate([colour, strength], axis=-1).astype(np.uint8)


def _mosaic(tiles: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Arrange maps (M, H, W, 4) in a nearly square grid."""
    many, height, width, _ = tiles.shape
    columns = math.ceil(math.sqrt(many))
    rows = math.ceil(many / columns)
    sheet = np.zeros((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 4), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (number // columns) * (height + _GAP), (number % columns) * (width + _GAP)
        sheet[top : top + height, left : left + width] = tile
    return sheet
