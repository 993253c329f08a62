"""A drawn or photographed digit, prepared as the makers of MNIST prepared theirs.

They scaled each digit to fit a box of 20×20 pixels, its proportions kept, with grey levels from the anti-aliasing, and
moved its centre of mass to the centre of a field of 28×28 (yann.lecun.com/exdb/mnist).
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.images import MOST_PIXELS, open_image, to_array
from chainrule.data.ink import find_ink
from chainrule.errors import DataError
from chainrule.shapes import text

if TYPE_CHECKING:
    from PIL.Image import Image

FIELD = 28
BOX = 20
CENTRE = 14.0  # of mass, as MNIST has it: 14.0 on average, from 13.5 to 14.5
WORKING_SIZE = 160  # pixels of the longest side that the ink is looked for at
FAINT = 0.05
PAPER = 0.3  # of the size of the digit, on every side of it


def load_digit(path: str | Path, most_pixels: int = MOST_PIXELS) -> NDArray[np.uint8]:
    """A PNG or JPEG picture of one digit as MNIST would have it: (1, 28, 28), light on dark, 0 … 255.

    Errors   DataError, FormatError, naming the file: no image, damaged, too large, blank
    """
    return as_mnist(open_image(path, most_pixels), str(path))[None]


def as_mnist(image: "NDArray[Any] | Image", name: str = "image") -> NDArray[np.uint8]:
    """A picture of one digit as MNIST would have it: (28, 28), light on dark, 0 … 255.

    image   a Pillow image, or bytes (H, W), (1, H, W) or (H, W, 3), of any size, dark on light or light on dark
    name    what an error calls it
    """
    from PIL import Image

    picture = _picture(image, name) if isinstance(image, np.ndarray) else image
    grey = Image.fromarray(to_array(picture, 1)[0])
    if min(grey.size) < 3:
        raise DataError(f"{name}: {picture.width}×{picture.height} pixels is too small for a digit")
    if max(grey.size) > WORKING_SIZE:
        grey = grey.crop(_surroundings(find_ink(_reduced(grey), name), grey.size))
    ink = find_ink(_reduced(grey), name)
    rows, columns = _extent(ink)
    digit = _scaled(ink[rows.start : rows.stop, columns.start : columns.stop])
    return _centred(np.rint(255.0 * digit / digit.max()).astype(np.uint8))


def _picture(array: NDArray[Any], name: str) -> "Image":
    from PIL import Image

    pixels = array[0] if array.ndim == 3 and array.shape[0] == 1 else array
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        found = f"{array.dtype} of shape {text(array.shape)}"
        raise DataError(f"{name}: expected bytes of shape (H, W) or (H, W, 3), found {found}")
    if not pixels.size:
        raise DataError(f"{name}: the picture is empty")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _reduced(grey: "Image") -> NDArray[np.uint8]:
    """The picture at a size at which ink can be looked for quickly."""
    from PIL import Image

    small = grey.copy()
    small.thumbnail((WORKING_SIZE, WORKING_SIZE), Image.Resampling.BOX)
    if min(small.size) < 3:
        small = small.resize((max(3, small.width), max(3, small.height)))
    return np.asarray(small, np.uint8)


def _extent(ink: NDArray[np.float64]) -> tuple[range, range]:
    """The rows and the columns that the ink takes up."""
    rows, columns = (np.flatnonzero((ink > FAINT).any(axis)).tolist() for axis in (1, 0))
    return range(rows[0], rows[-1] + 1), range(columns[0], columns[-1] + 1)


def _surroundings(ink: NDArray[np.float64], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where the digit is in a picture of (width, height) `size`, with some paper: left, top, right, bottom."""
    rows, columns = _extent(ink)
    margin = max(2.0, PAPER * max(len(rows), len(columns)))
    across, down = size[0] / ink.shape[1], size[1] / ink.shape[0]
    return (
        max(0, int((columns.start - margin) * across)),
        max(0, int((rows.start - margin) * down)),
        min(size[0], math.ceil((columns.stop + margin) * across)),
        min(size[1], math.ceil((rows.stop + margin) * down)),
    )


def _scaled(ink: NDArray[np.float64]) -> NDArray[np.float64]:
    """Resized so that the longest side is 20 pixels."""
    from PIL import Image

    height, width = ink.shape
    longest = max(height, width)
    size = (max(1, round(width * BOX / longest)), max(1, round(height * BOX / longest)))
    picture = Image.fromarray(ink.astype(np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BICUBIC), np.float64).clip(0.0, 1.0)


def _centred(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The digit in a field of 28×28, its centre of mass in the middle as far as whole pixels go."""
    field = np.zeros((FIELD, FIELD), np.uint8)
    corner: list[int] = []
    for axis, size in enumerate(digit.shape):
        weights = digit.sum(1 - axis, dtype=np.float64)
        centre = float((weights * np.arange(size, dtype=np.float64)).sum() / weights.sum())
        corner.append(min(max(round(CENTRE - centre), 0), FIELD - size))
    top, left = corner
    field[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return field
