"""Model inputs from files and Pillow images, and preparation of digits as in MNIST.

The authors of MNIST scaled each digit to fit a box of 20×20 pixels, preserving its aspect ratio, with gray levels from
anti-aliasing, and moved its center of mass to the center of an image of 28×28 pixels (yann.lecun.com/exdb/mnist).
Before that, the digit in a drawing or photograph is segmented: the background and specks are removed.
"""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Array, Bools, Floats, Ints
from chainrule.core.shapes import text
from chainrule.data import npz
from chainrule.data.folder_layout import images_below
from chainrule.data.images import FORMATS_TEXT, MAX_PIXELS, image_input, open_image, to_array, upright
from chainrule.data.normalization import Normalization
from chainrule.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

ImageSource: TypeAlias = "str | os.PathLike[str] | Image"

DIGIT = (1, 28, 28)  # input shape of a model for digits

FIELD = 28  # pixels; side of an MNIST image
BOX = 20  # pixels; longest side of a digit in MNIST
CENTER = 14.0  # center of mass in MNIST: from 13.5 to 14.5, on average 14.0
WORKING_SIZE = 160  # pixels; longest side of the image that is segmented
FAINT_INK = 0.05  # minimum amount of ink (0 … 1) for a pixel to be within the digit's bounding box
DIGIT_MARGIN = 0.3  # margin on every side, as a fraction of the digit's size
MIN_CONTRAST = 12.0  # minimum contrast in gray levels (0 … 255)
STROKE_SHARE = 0.3  # maximum width of a stroke, as a fraction of the image's longest side
SPECK_SHARE = 0.08  # minimum mass relative to the largest component; less is dust, more may be the bar of a 5
MIN_INK = 0.25  # minimum amount of ink (0 … 1) for a pixel to be part of a connected component


# ------------------------------------------------------------------ inputs of a model


def read_inputs(x: Any, shape: Sequence[int], normalization: Normalization) -> Any:
    """Return the inputs (N, C, H, W) in a file, a folder or a list of files or Pillow images; or x of an .npz file.

    shape, normalization   input shape (C, H, W) of the model, and the record of its training data
    Errors                 as in `read_input`; DataError for a folder without images
    """
    values: list[Any] = [*x] if isinstance(x, list | tuple) else [x]
    if isinstance(x, str | os.PathLike):
        path = Path(cast("str", x))
        if path.suffix.lower() == ".npz":
            return npz.read_inputs(path, len(shape))
        if path.is_dir():
            values = [file for file, _ in images_below(path)]
        if not values:
            raise DataError(f"{path}: no images in this folder or its subfolders")
    images = [read_input(value, shape, digits=normalization.digits) for value in values]
    return normalization.of_image(np.stack(images))


def read_input(source: ImageSource, shape: Sequence[int], *, digits: bool = False) -> NDArray[np.uint8]:
    """Return an image as the input of a model: uint8 (C, H, W), 0 … 255.

    The image is made upright, converted to the model's channels and resized.

    shape    input shape (C, H, W) of the model
    digits   whether to locate a digit in the image instead, and to center and scale it as in MNIST; requires 1×28×28

    Errors   DataError or FormatError for an unreadable file; OptionError if the model's input is not an image
    """
    if isinstance(source, (str, os.PathLike)):
        name = os.fspath(source)
        channels, size = image_input(shape, name)
        if os.path.isdir(source):
            raise DataError(f"{name}: is a folder; expected a {FORMATS_TEXT} file, or a list of files")
        image = open_image(name)
    else:
        name = "image"
        channels, size = image_input(shape, name)
        image = upright(source)
    if digits and tuple(shape) == DIGIT:
        return as_mnist(image, name)[None]
    return to_array(image, channels, size)


# ------------------------------------------------------------------ digits as in MNIST


def load_digit(path: str | Path, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Return an image file of a digit, prepared as in MNIST: uint8 (1, 28, 28), light on dark.

    Errors   DataError for an image that is missing, too large or blank; FormatError if it is damaged or not an image
    """
    return as_mnist(open_image(path, max_pixels), str(path))[None]


def as_mnist(image: "Array | Image", name: str = "image") -> NDArray[np.uint8]:
    """Prepare an image of a digit as in MNIST, and return it as uint8 (28, 28), light on dark.

    image   Pillow image, or uint8 array (H, W), (1, H, W) or (H, W, 3), of any size, dark on light or light on dark
    name    name of the image in messages

    Errors   DataError for a blank image, or an array of another shape or dtype
    """
    from chainrule._io.pillow import Image

    source = _as_image(image, name) if isinstance(image, np.ndarray) else image
    grey = Image.fromarray(to_array(source, 1)[0])
    if min(grey.size) < 3:
        raise DataError(f"{name}: {source.width}×{source.height} pixels is too small for a digit")
    if max(grey.size) > WORKING_SIZE:
        grey = grey.crop(_digit_box(find_ink(_shrink(grey), name), grey.size))
    ink = find_ink(_shrink(grey), name)
    rows, columns = _extent(ink)
    digit = _scale(ink[rows.start : rows.stop, columns.start : columns.stop])
    return _center(np.rint(255.0 * digit / digit.max()).astype(np.uint8))


def _as_image(array: Array, name: str) -> "Image":
    from chainrule._io.pillow import Image

    pixels = array
    if array.ndim == 3 and array.shape[0] == 1:
        pixels = array[0]
    has_image_axes = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype != np.uint8 or not has_image_axes:
        description = f"{array.dtype} of shape {text(array.shape)}"
        raise DataError(f"{name}: expected bytes of shape (H, W) or (H, W, 3), found {description}")
    if not pixels.size:
        raise DataError(f"{name}: the image is empty")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _shrink(grey: "Image") -> NDArray[np.uint8]:
    """Shrink an image to speed up the segmentation."""
    from chainrule._io.pillow import Image

    small = grey.copy()
    small.thumbnail((WORKING_SIZE, WORKING_SIZE), Image.Resampling.BOX)
    if min(small.size) < 3:
        small = small.resize((max(3, small.width), max(3, small.height)))
    return np.asarray(small, np.uint8)


def _extent(ink: Floats) -> tuple[range, range]:
    """Return the ranges of rows and columns that contain ink."""
    rows, columns = np.nonzero(ink > FAINT_INK)
    return range(int(rows.min()), int(rows.max()) + 1), range(int(columns.min()), int(columns.max()) + 1)


def _digit_box(ink: Floats, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the digit's bounding box with a margin, as (left, top, right, bottom).

    size   (width, height) of the original image
    """
    rows, columns = _extent(ink)
    margin = max(2.0, DIGIT_MARGIN * max(len(rows), len(columns)))
    x_scale = size[0] / ink.shape[1]
    y_scale = size[1] / ink.shape[0]
    return (
        max(0, int((columns.start - margin) * x_scale)),
        max(0, int((rows.start - margin) * y_scale)),
        min(size[0], math.ceil((columns.stop + margin) * x_scale)),
        min(size[1], math.ceil((rows.stop + margin) * y_scale)),
    )


def _scale(ink: Floats) -> Floats:
    """Resize the ink so that its longest side is 20 pixels."""
    from chainrule._io.pillow import Image

    height, width = ink.shape
    longest = max(height, width)
    size = (max(1, round(width * BOX / longest)), max(1, round(height * BOX / longest)))
    image = Image.fromarray(ink.astype(np.float32))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC), np.float64).clip(0.0, 1.0)


def _center(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Place the digit in an image of 28×28 pixels, with its center of mass within half a pixel of the middle."""
    field = np.zeros((FIELD, FIELD), np.uint8)
    corner: list[int] = []
    for axis, size in enumerate(digit.shape):
        weights = digit.sum(1 - axis, dtype=np.float64)
        center = float((weights * np.arange(size, dtype=np.float64)).sum() / weights.sum())
        corner.append(min(max(round(CENTER - center), 0), FIELD - size))
    top, left = corner
    field[top : top + digit.shape[0], left : left + digit.shape[1]] = digit
    return field


# ------------------------------------------------------------------ segmentation


def find_ink(grey: NDArray[np.uint8], name: str = "image") -> Floats:
    """Return the amount of ink at each pixel of a gray image (H, W), from 0 to 1.

    Dark ink on a light background is inverted. The gray level of the background is the median at the image's border.
    Uneven lighting is removed by a top-hat transform: the image minus its opening with a window wider than a stroke.

    Errors   DataError if the image is blank
    """
    light = grey.astype(np.float64)
    if _background(light) > (light.min() + light.max()) / 2:
        light = 255.0 - light
    window = max(3, int(STROKE_SHARE * max(light.shape)) | 1)
    ink = light - _sliding_extreme(_sliding_extreme(light, window, np.min), window, np.max)
    noise = float(np.median(ink))
    floor = noise + 4.0 * float(np.median(np.abs(ink - noise)))
    peak = float(ink.max())
    if peak - floor < MIN_CONTRAST:
        raise DataError(f"{name}: no digit found; the image is blank")
    full = float(np.median(ink[ink > (peak + floor) / 2]))
    return _without_specks(((ink - floor) / (full - floor)).clip(0.0, 1.0))


def _background(light: Floats) -> float:
    rim = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    return float(np.median(rim))


def _sliding_extreme(light: Floats, window: int, reduce: Callable[..., Floats]) -> Floats:
    """Return the minimum or maximum over a square window around each pixel.

    reduce   np.min or np.max
    """
    radius = window // 2
    for axis in (0, 1):
        pads = [(0, 0), (0, 0)]
        pads[axis] = (radius, radius)
        padded = np.pad(light, pads, mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=axis)
        light = reduce(views, axis=-1)
    return light


def _without_specks(ink: Floats) -> Floats:
    """Remove specks: keep only the larger connected components, with a margin of two pixels for soft edges."""
    pieces = _components(ink > MIN_INK)
    flat = ink.reshape(-1)
    masses = [float(flat[piece].sum()) for piece in pieces]
    kept = np.zeros(ink.size, np.bool_)
    for piece, mass in zip(pieces, masses, strict=True):
        kept[piece] = mass >= SPECK_SHARE * max(masses)
    mask = _sliding_extreme(kept.reshape(ink.shape).astype(np.float64), 5, np.max)
    return ink * mask


def _components(mask: Bools) -> list[Ints]:
    """Return the 8-connected components of a mask as arrays of flat indices."""
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), np.bool_)
    padded[1:-1, 1:-1] = mask
    remaining = set(np.flatnonzero(padded).tolist())
    row_length = width + 2
    rows_and_columns = np.add.outer((-row_length, 0, row_length), (-1, 0, 1))
    steps: list[int] = rows_and_columns.ravel().tolist()
    pieces: list[Ints] = []
    while remaining:
        piece = [remaining.pop()]
        for position in piece:  # the list grows during the iteration
            near = {position + step for step in steps} & remaining
            remaining -= near
            piece.extend(near)
        positions = np.sort(np.array(piece, np.int64))
        pieces.append((positions // row_length - 1) * width + positions % row_length - 1)
    return pieces
