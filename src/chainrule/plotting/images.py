"""Images with captions, and the most confident mistakes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError
from chainrule.plotting.figures import Drawing, legible, new_figure, text_options, user_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Images: TypeAlias = NDArray[np.uint8] | NDArray[np.floating]

COLUMNS = 8
MAX_MISTAKES, MAX_IMAGES = 24, 64
SHORT, MAX_CHARACTERS = 13, 20  # characters of two names on one line, and of any line of a caption
SIDE, LINE = 1.3, 0.18  # inches: longer side of an image; height of a line


def plot_images(images: Images, captions: Sequence[str] = (), title: str = "", axes: Drawing = None) -> "Figure":
    """Plot the first 64 images, each with its caption.

    axes     matplotlib axes to draw in, one for each image; None: a new figure with eight images in a row
    Shapes   images (M, C, H, W), uint8 or float; captions: M texts, possibly of several lines, or none
    """
    _check(images, captions=captions or None)
    if axes is None and len(images) == 0:
        return new_figure(6, 1, title or "No images")
    shown = as_images(images[:MAX_IMAGES])
    if axes is None:
        columns = min(COLUMNS, len(shown))
        rows = math.ceil(len(shown) / columns)
        height, width = images.shape[2:]
        lines = max((caption.count("\n") + 1 for caption in captions), default=0)
        tall = SIDE * height / max(height, width) + LINE * lines + 0.1
        axes = new_figure(max(columns * SIDE, 5), rows * tall + 0.4, title).subplots(rows, columns)
    places = user_axes(axes, len(shown))
    for place in np.ravel(axes):
        place.set_axis_off()
    for number, (place, image) in enumerate(zip(places, shown, strict=True)):
        place.imshow(image, cmap="gray", vmin=0, vmax=1)
        if captions:
            place.set_title(_legible_lines(captions[number]), fontsize="small", **text_options())
    return places[0].figure


def plot_mistakes(
    images: Images,
    true: ArrayLike,
    predicted: ArrayLike,
    confidence: ArrayLike,
    classes: Sequence[str],
    axes: Drawing = None,
) -> "Figure":
    """Plot the 24 most confident mistakes with "true → predicted" and the confidence.

    axes     matplotlib axes to draw in, one for each mistake; None: a new figure
    Shapes   images (M, C, H, W), uint8 or float; true, predicted (M,) class indices; confidence (M,), 0 … 1.
             Correctly classified images are skipped
    """
    truth: NDArray[Any] = np.asarray(true)
    guess: NDArray[Any] = np.asarray(predicted)
    sure = np.asarray(confidence, np.float64)
    _check(images, true=truth, predicted=guess, confidence=sure)
    wrong = np.flatnonzero(truth != guess)
    shown = wrong[np.argsort(-sure[wrong], kind="stable")][:MAX_MISTAKES]
    captions = list[str]()
    for i in shown:
        names = classes[int(truth[i])], classes[int(guess[i])]
        arrow = " → " if sum(map(len, names)) <= SHORT else "\n→ "
        captions.append(f"{arrow.join(names)}\n{percent(float(sure[i]))}")
    title = f"The {len(shown)} most confident of {len(wrong):,} mistakes among {len(images):,} images"
    return plot_images(images[shown], captions, title, axes)


def _legible_lines(caption: str) -> str:
    lines = list[str]()
    for line in caption.split("\n"):
        lines.append(legible(line, MAX_CHARACTERS))
    return "\n".join(lines)


def percent(share: float) -> str:
    """Format a confidence as a percentage; values below 1 are rounded to at most 99.9 %."""
    if share >= 1:
        return "100 %"
    return f"{min(100 * share, 99.9):.1f} %"


def _check(images: Images, **values: ArrayLike | None) -> None:
    if images.ndim != 4:
        raise ShapeError(f"images of shape {images.shape}; expected four axes, (M, C, H, W)")
    for name, array in values.items():
        if array is not None and np.shape(array) != (len(images),):
            raise ShapeError(f"{len(images)} images but {name} of shape {np.shape(array)}; expected one per image")


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
