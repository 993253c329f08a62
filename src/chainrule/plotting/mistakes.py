"""Grids of images: the most confident mistakes, or any batch."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError
from chainrule.plotting.figures import INK, MARGIN, SMALL, legible, message, new_sheet, ruled, typeface, widest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Images: TypeAlias = NDArray[np.uint8] | NDArray[np.floating]

MAX_MISTAKES, MAX_IMAGES = 24, 64
SHORT = 16  # maximum number of characters for "true → predicted" on one line
MAX_CHARACTERS = 20  # maximum number of characters per line of a caption
_SIDE, _GAP, _LINE = 1.0, 0.14, 0.155  # inches: longer side of an image; gap; line height of captions
_OPACITY = 0.65  # of the heat where it is largest


def mistakes(
    images: Images, true: ArrayLike, predicted: ArrayLike, confidence: ArrayLike, classes: Sequence[str]
) -> "Figure":
    """Plot the 24 most confident mistakes with "true → predicted" and the confidence.

    Shapes   images (M, C, H, W), uint8 or float; true, predicted (M,) class indices; confidence (M,), 0 … 1.
             Correctly classified images are skipped
    """
    _check_images(images)
    truth = np.asarray(true)
    guess = np.asarray(predicted)
    sure = np.asarray(confidence, np.float64)
    for name, values in (("true", truth), ("predicted", guess), ("confidence", sure)):
        _check_length(images, name, values)
    wrong = np.flatnonzero(truth != guess)
    if len(images) == 0:
        return message("Mistakes", "None.")
    if wrong.size == 0:
        return message("Mistakes", f"None: all {len(images):,} images are classified correctly.")
    shown = wrong[np.argsort(-sure[wrong], kind="stable")][:MAX_MISTAKES]
    answers = list[_Answer]()
    for i in shown:
        true_name = _name(int(truth[i]), classes)
        guess_name = _name(int(guess[i]), classes)
        answers.append(_Answer(true_name, guess_name, percent(float(sure[i]))))
    return tiles(images[shown], _captions(answers), 8, _headline(shown.size, wrong.size))


class _Answer(NamedTuple):
    """The texts of a caption."""

    true: str
    predicted: str
    confidence: str


def batch_grid(
    images: Images, labels: ArrayLike | None = None, classes: Sequence[str] | None = None, columns: int = 8
) -> "Figure":
    """Plot the first 64 images of a batch with their labels.

    Shapes   images (M, C, H, W), uint8 or float; labels (M,) class indices or None; classes: names or None
    """
    _check_images(images)
    count = len(images)
    captions = list[str]()
    if labels is not None:
        numbers = np.asarray(labels)
        _check_length(images, "labels", numbers)
        captions = [_name(int(number), classes) for number in numbers[:MAX_IMAGES]]
    if count == 0:
        return message("0 images", "No images.")
    title = "1 image" if count == 1 else f"{count} images"
    if count > MAX_IMAGES:
        title = f"The first {MAX_IMAGES} of {count:,} images"
    return tiles(images[:MAX_IMAGES], captions, max(columns, 1), title)


def percent(share: float) -> str:
    """Format a confidence as a percentage; values below 1 are rounded to at most 99.9 %."""
    if share >= 1:
        return "100 %"
    return f"{min(100 * share, 99.9):.1f} %"


def _captions(answers: Sequence[_Answer]) -> list[str]:
    """Return the captions: "true → predicted" on one line, if that is short enough for all of them."""
    short = list[str]()
    long = list[str]()
    fits = True
    for true, predicted, confidence in answers:
        line = f"{true} → {predicted}"
        fits &= len(line) <= SHORT
        short.append(f"{line}\n{confidence}")
        long.append(f"{true}\n→ {predicted}\n{confidence}")
    return short if fits else long


def _headline(shown: int, wrong: int) -> str:
    if shown < wrong:
        return f"The {shown} most confident of {wrong:,} mistakes"
    if wrong == 1:
        return "The only mistake"
    return f"All {wrong} mistakes, the most confident first"


def _name(number: int, classes: Sequence[str] | None) -> str:
    if classes is not None and 0 <= number < len(classes):
        return classes[number]
    return str(number)


def _check_images(images: Images) -> None:
    if images.ndim != 4:
        raise ShapeError(f"images of shape {images.shape}; expected four axes, (M, C, H, W)")


def _check_length(images: Images, name: str, values: NDArray[np.generic]) -> None:
    if values.shape != (len(images),):
        raise ShapeError(f"{len(images)} images but {name} of shape {values.shape}; expected one per image")


def tiles(
    images: NDArray[np.generic],
    captions: Sequence[str],
    columns: int,
    title: str,
    side: float = _SIDE,
    heat: Mapping[int, NDArray[np.floating]] | None = None,
) -> "Figure":
    """Plot images row by row.

    side     longer side of an image, in inches
    heat     number of an image → heat that is shown over it, from 0 to its maximum

    Shapes   images (M, C, H, W), M ≥ 1; captions: M texts, possibly of several lines, or none; heat (H', W')
    """
    texts = list(map(_legible_lines, captions))
    count, _, height, width = images.shape
    tile_height = side * height / max(height, width)
    tile_width = side * width / max(height, width)
    across = max(tile_width, widest(texts, SMALL)) + _GAP
    most_lines = max((text.count("\n") + 1 for text in texts), default=0)
    down = tile_height + _GAP + _LINE * most_lines
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    width = columns * across - _GAP
    grid_height = rows * down - _GAP
    sheet = new_sheet(max(width + 2 * MARGIN, 4.5), grid_height + MARGIN, title)
    axes = sheet.axes(MARGIN, 0, width, grid_height)
    ruled(axes)
    for number, picture in enumerate(as_images(images)):
        row, column = divmod(number, columns)
        left = column * across + (across - _GAP - tile_width) / 2
        top = row * down
        placement = {
            "extent": (left, left + tile_width, top + tile_height, top),
            "aspect": "auto",
            "vmin": 0,
            "vmax": 1,
        }
        axes.imshow(picture, cmap="gray", interpolation="nearest", **placement)
        if heat and number in heat:
            relative_heat = np.nan_to_num(heat[number] / (float(heat[number].max()) or 1.0))
            axes.imshow(relative_heat, cmap="inferno", alpha=_OPACITY, interpolation="bilinear", **placement)
        if texts:
            where = (left + tile_width / 2, top + tile_height + 0.04)
            axes.text(
                *where, texts[number], ha="center", va="top", fontsize=SMALL, color=INK, linespacing=1.15, **typeface()
            )
    return sheet.figure


def _legible_lines(caption: str) -> str:
    """Return a caption with legible lines of limited length."""
    lines = [legible(line, MAX_CHARACTERS) for line in caption.split("\n")]
    return "\n".join(lines)


def as_images(images: NDArray[np.generic]) -> NDArray[np.float64]:
    """Return images (M, C, H, W) in 0 … 1: (M, H, W, 3) for three channels, else the mean over channels, (M, H, W).

    Bytes are divided by 255. If floats are outside 0 … 1, as after standardization, all images are scaled together
    such that the minimum is 0 and the maximum 1.
    """
    bright = np.asarray(images, np.float64)
    if images.dtype.kind in "ui":
        bright = bright / 255
    low = float(bright.min())
    high = float(bright.max())
    if low < 0 or high > 1:
        bright = (bright - low) / ((high - low) or 1.0)
    if images.shape[1] == 3:
        return bright.transpose(0, 2, 3, 1)
    return bright.mean(axis=1)
