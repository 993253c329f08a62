"""Finding the ink of a drawn or photographed digit: background removed, specks dropped."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import DataError

LEAST_CONTRAST = 12.0  # grey levels of 255
STROKE_SHARE = 0.3  # strokes are narrower than this share of the picture's longest side
SPECK_SHARE = 0.08  # of the mass of the largest piece: less is dust, more is the bar of a 5
CLEARLY_INK = 0.25


def find_ink(grey: NDArray[np.uint8], name: str = "image") -> NDArray[np.float64]:
    """How much ink there is at each pixel of a grey picture (H, W), from 0 to 1, whatever its light.

    Dark ink on a light ground is turned round: the ground is what the rim of the picture mostly is. Slow changes of
    the light are removed by a top-hat transform, the picture less its opening with a window wider than a stroke.

    Errors   DataError when the picture is blank
    """
    light = grey.astype(np.float64)
    if _ground(light) > (light.min() + light.max()) / 2:
        light = 255.0 - light
    window = max(3, int(STROKE_SHARE * max(light.shape)) | 1)
    ink = light - _slid(_slid(light, window, np.min), window, np.max)
    noise = float(np.median(ink))
    floor = noise + 4.0 * float(np.median(np.abs(ink - noise)))
    peak = float(ink.max())
    if peak - floor < LEAST_CONTRAST:
        raise DataError(f"{name}: no digit found, the picture is blank")
    full = float(np.median(ink[ink > (peak + floor) / 2]))
    return _without_specks(((ink - floor) / (full - floor)).clip(0.0, 1.0))


def _ground(light: NDArray[np.float64]) -> float:
    rim = np.concatenate([light[0], light[-1], light[:, 0], light[:, -1]])
    return float(np.median(rim))


def _slid(light: NDArray[np.float64], window: int, pick: Callable[..., NDArray[np.float64]]) -> NDArray[np.float64]:
    """The least or the greatest value in a square window around each pixel."""
    reach = window // 2
    for axis in (0, 1):
        pads = [(reach, reach) if each == axis else (0, 0) for each in (0, 1)]
        padded = np.pad(light, pads, mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=axis)
        light = pick(views, axis=-1)
    return light


def _without_specks(ink: NDArray[np.float64]) -> NDArray[np.float64]:
    """The ink of the larger connected pieces, with two pixels of their soft rim."""
    pieces = _pieces(ink > CLEARLY_INK)
    masses = [float(ink.reshape(-1)[piece].sum()) for piece in pieces]
    kept = np.zeros(ink.size, np.bool_)
    for piece, mass in zip(pieces, masses, strict=True):
        kept[piece] = mass >= SPECK_SHARE * max(masses)
    near = _slid(kept.reshape(ink.shape).astype(np.float64), 5, np.max)
    return ink * near


def _pieces(mask: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """The connected pieces of a mask (eight neighbours), each as flat indices."""
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
