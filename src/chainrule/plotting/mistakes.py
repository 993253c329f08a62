"""Grids of images: the most confident mistakes, and any batch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.errors import ShapeError
from chainrule.plotting.style import message
from chainrule.plotting.tiles import tiles

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Images: TypeAlias = NDArray[np.uint8] | NDArray[np.floating]

MOST_MISTAKES, MOST_IMAGES = 24, 64
SHORT = 16  # longest "true → predicted" that fits on one line


def mistakes(
    images: Images, true: ArrayLike, predicted: ArrayLike, confidence: ArrayLike, classes: Sequence[str]
) -> "Figure":
    """Plot the 24 most confident mistakes, each with "true → predicted" and its confidence.

    Shapes   images (M, C, H, W), uint8 or float; true, predicted (M,) class indices; confidence (M,), 0 … 1.
             Correctly classified images are left out
    """
    _check_images(images)
    truth, guess, sure = np.asarray(true), np.asarray(predicted), np.asarray(confidence, np.float64)
    for name, given in (("true", truth), ("predicted", guess), ("confidence", sure)):
        _check_one_each(images, name, given)
    wrong = np.flatnonzero(truth != guess)
    if wrong.size == 0:
        return message(
            "Mistakes", f"None: all {len(images):,} images are classified right." if len(images) else "None."
        )
    shown = wrong[np.argsort(-sure[wrong], kind="stable")][:MOST_MISTAKES]
    pairs = [(_name(int(truth[i]), classes), _name(int(guess[i]), classes), percent(float(sure[i]))) for i in shown]
    return tiles(images[shown], _captions(pairs), 8, _headline(shown.size, wrong.size))


def batch_grid(
    images: Images, labels: ArrayLike | None = None, classes: Sequence[str] | None = None, columns: int = 8
) -> "Figure":
    """Plot the first 64 images of a batch with their labels.

    Shapes   images (M, C, H, W), uint8 or float; labels (M,) class indices or None; classes their names or None
    """
    _check_images(images)
    numbers = None if labels is None else np.asarray(labels)
    if numbers is not None:
        _check_one_each(images, "labels", numbers)
    count = len(images)
    title = f"{count} image" + "s" * (count != 1)
    if count == 0:
        return message(title, "Nothing to show.")
    if count > MOST_IMAGES:
        title = f"The first {MOST_IMAGES} of {count:,} images"
    captions = [] if numbers is None else [_name(int(number), classes) for number in numbers[:MOST_IMAGES]]
    return tiles(images[:MOST_IMAGES], captions, max(columns, 1), title)


def percent(share: float) -> str:
    """Format a confidence in per cent; anything below 1 is at most 99.9 %."""
    return "100 %" if share >= 1 else f"{min(100 * share, 99.9):.1f} %"


def _captions(pairs: Sequence[tuple[str, str, str]]) -> list[str]:
    lines = [f"{true} → {guess}" for true, guess, _ in pairs]
    if max(map(len, lines)) <= SHORT:
        return [f"{line}\n{sure}" for line, (_, _, sure) in zip(lines, pairs, strict=True)]
    return [f"{true}\n→ {guess}\n{sure}" for true, guess, sure in pairs]


def _headline(shown: int, wrong: int) -> str:
    if shown < wrong:
        return f"The {shown} most confident of {wrong:,} mistakes"
    return "The only mistake" if wrong == 1 else f"All {wrong} mistakes, the most confident first"


def _name(number: int, classes: Sequence[str] | None) -> str:
    return classes[number] if classes is not None and 0 <= number < len(classes) else str(number)


def _check_images(images: Images) -> None:
    if images.ndim != 4:
        raise ShapeError(f"images of shape {images.shape}; expected four axes, (M, C, H, W)")


def _check_one_each(images: Images, name: str, given: NDArray[np.generic]) -> None:
    if given.shape != (len(images),):
        raise ShapeError(f"{len(images)} images but {name} of shape {given.shape}; expected one per image")
