"""Segmentation of a drawn or photographed digit: the background and specks are removed."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError

MIN_CONTRAST = 12.0  # grey levels, of 255
STROKE_SHARE = 0.3  # strokes are narrower than this share of the image's longest side
SPECK_SHARE = 0.08  # share of the largest component's mass: below is dust, above may be the bar of a 5
CLEARLY_INK = 0.25


def find_ink(grey: NDArray[np.uint8], name: str = "image") -> NDArray[np.float64]:
    """Return the amount of ink at each pixel of a grey image (H, W), from 0 to 1, whatever the lighting.

    Dark ink on a light background is inverted; the background is the median of the image's rim. Slow changes of the
    light are removed by a top-hat transform: the image minus its opening with a window wider than a stroke.

    Errors   DataError when the image is blank
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
        raise DataError(f"{name}: no digit found, the image is blank")
    full = float(np.median(ink[ink > (peak + floor) / 2]))
    return _without_specks(((ink - floor) / (full - floor)).clip(0.0, 1.0))


def _background(light: NDArray[np.float64]) -> float:
    rim = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    return float(np.median(rim))


def _sliding_extreme(
    light: NDArray[np.float64], window: int, pick: Callable[..., NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the minimum or maximum (`pick`) in a square window around each pixel."""
    reach = window // 2
    for axis in (0, 1):
        pads = [(reach, reach) if each == axis else (0, 0) for each in (0, 1)]
        padded = np.pad(light, pads, mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=axis)
        light = pick(views, axis=-1)
    return light


def _without_specks(ink: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ink of the larger connected components, with two pixels of their soft rim."""
    pieces = _pieces(ink > CLEARLY_INK)
    masses = [float(ink.reshape(-1)[piece].sum()) for piece in pieces]
    kept = np.zeros(ink.size, np.bool_)
    for piece, mass in zip(pieces, masses, strict=True):
        kept[piece] = mass >= SPECK_SHARE * max(masses)
    near = _sliding_extreme(kept.reshape(ink.shape).astype(np.float64), 5, np.max)
    return ink * near


def _pieces(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the connected components of a mask (eight neighbours), each as flat indices."""
    height, width = mask.shape
    padded = np.zeros((height + 2, width + 2), np.bool_)
    padded[1:-1, 1:-1] = mask
    left = set(np.flatnonzero(padded).tolist())
    across = width + 2
    steps = [dy * across + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    pieces: list[NDArray[np.int64]] = []
    while left:
        piece = [left.pop()]
        for cell in piece:  # grows while it is walked through
            near = {cell + step for step in steps} & left
            left -= near
            piece.extend(near)
        cells = np.sort(np.array(piece, np.int64))
        pieces.append((cells // across - 1) * width + cells % across - 1)
    return pieces
