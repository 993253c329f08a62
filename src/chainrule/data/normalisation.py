"""Bringing pixels to the range that a network learns from, in one way for training and for prediction."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.errors import DataError, FormatError, one_of

KINDS = ("scale", "standardise", "none")
PIXELS = ("bytes", "shares", "numbers")
LEVELS = (2.0, 65_535.0)  # the greatest value of images that are not shares yet: of 2 grey levels and more, of 16 bits
PLANE = 64  # values of a sample from which on vectors of whole numbers may be the pixels of an image
BYTE = (128, 255)  # the greatest value of such vectors
BLOCK = 1 << 18  # values worked on at a time, so that no copy of all of them is made

Pixels: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Normalisation:
    """x · gain + offset, in the units of the data it was fitted to.

    kind     scale: bytes 0 … 255 to 0 … 1 (other numbers: from their least and greatest in the training data)
             standardise: (x − mean) / standard deviation, one of each over all training pixels
             none: as they are
    pixels   what the training data were, and so what `apply` makes of pixels of another type:
             bytes: of uint8. Whole numbers are byte values. An image of floats is taken as shares of 255 when all of
             it is within 0 … 1, as byte values when it is within 0 … 255 and reaches 2; any other is refused, for it
             is neither. Each image is judged alone: the others of its batch do not matter.
             shares: within 0 … 1, or floats around zero. Bytes, and whole-number images beyond 0 … 1, are divided by
             255, as pictures of such data are; floats are taken as they are.
             numbers: any other, or unknown. Everything is taken as it is.
    """

    kind: str
    gain: float = 1.0
    offset: float = 0.0
    pixels: str = "numbers"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise one_of("normalisation", self.kind, KINDS)
        if self.pixels not in PIXELS:
            raise one_of("pixels of a normalisation", self.pixels, PIXELS)
        if not (math.isfinite(self.gain) and math.isfinite(self.offset)):
            raise DataError(f"normalisation {self.kind!r}: gain {self.gain} and offset {self.offset} must be finite")

    @staticmethod
    def fit(kind: str, x: Pixels) -> "Normalisation":
        """The normalisation of a kind for training images of any shape and type, computed in float64.

        Errors   DataError when a pixel is not finite, or when all are the same and would be divided by 0
        """
        least, greatest = (0.0, 255.0) if x.dtype == np.uint8 else _range(x)
        pixels = _pixels(x, least, greatest)
        if kind == "scale":
            _check_spread(kind, greatest - least, least)
            return Normalisation(kind, 1.0 / (greatest - least), -least / (greatest - least), pixels)
        if kind == "standardise":
            mean, deviation = mean_and_deviation(x)
            _check_spread(kind, deviation, mean)
            return Normalisation(kind, 1.0 / deviation, -mean / deviation, pixels)
        return Normalisation(kind, pixels=pixels)

    def apply(self, x: Pixels, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The images (N, …) normalised, in the same shape: a C-contiguous array of `dtype`, x itself if it is that
        and nothing is to be changed.

        Errors   DataError for floats that are neither shares nor byte values, where the training data were bytes
        """
        gains = self._gains(x, np.dtype(dtype))
        if isinstance(gains, float) and gains == 1.0 and not self.offset:
            return np.ascontiguousarray(x, dtype)
        out = x.astype(dtype, order="C")
        out *= gains
        if self.offset:
            out += self.offset
        return out

    def _gains(self, x: Pixels, dtype: np.dtype[Any]) -> float | NDArray[Any]:
        """The gain in the units of x: one for all images, or where it depends on their values, one for each."""
        if self.pixels == "bytes" and x.dtype.kind in "fb":
            return _each(x, np.where(_are_shares(x), self.gain * 255.0, self.gain), dtype)
        if self.pixels == "shares" and x.dtype == np.uint8:
            return self.gain / 255.0
        if self.pixels == "shares" and x.dtype.kind in "iu":
            least, greatest = _ranges(x)
            return _each(x, np.where((least >= 0) & (greatest <= 1), self.gain, self.gain / 255.0), dtype)
        return self.gain

    @property
    def background(self) -> float:
        """What a black pixel, 0, becomes: the value to fill with where an image is moved."""
        return self.offset

    def to_config(self) -> dict[str, Any]:
        """What `from_config` makes the same normalisation of, as JSON has it."""
        return {"kind": self.kind, "gain": self.gain, "offset": self.offset, "pixels": self.pixels}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> "Normalisation":
        """The normalisation that `to_config` described; FormatError when something is missing or of another kind."""
        try:
            gain, offset = float(config["gain"]), float(config["offset"])
            return Normalisation(str(config["kind"]), gain, offset, str(config["pixels"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"normalisation {dict(config)}: expected kind, gain, offset, pixels ({error})") from error


def kind_for(x: Pixels) -> str:
    """Return how training data (N, …) are normalised where nobody says: "scale" for pixels, "none" for other numbers.

    Pixels are bytes; images (N, C, H, W) of integers or floats that begin at 0 or above and reach 2; and vectors of 64
    whole numbers and more, from 0 to somewhere in 128 … 255. What is within 0 … 1 or has a sign is taken as it is.
    """
    if x.dtype == np.uint8:
        return "scale"
    least, greatest = float(x.min()), float(x.max())
    if not least >= 0:  # or not a number
        return "none"
    if x.ndim == 4:
        return "scale" if LEVELS[0] <= greatest <= LEVELS[1] else "none"
    is_plane = x[0].size >= PLANE and BYTE[0] <= greatest <= BYTE[1]
    return "scale" if is_plane and bool((x[:PLANE] == np.rint(x[:PLANE])).all()) else "none"


def decision(x: Pixels, kind: str) -> str:
    """Return the sentence that says what `kind_for` decided."""
    if x.dtype == np.uint8:
        return "inputs are bytes and are scaled from 0 … 255 to 0 … 1"
    found = f"inputs are {x.dtype.name} from {float(x.min()):g} to {float(x.max()):g} and are"
    return f"{found} scaled to 0 … 1; normalise='none' leaves them" if kind == "scale" else f"{found} taken as they are"


def mean_and_deviation(x: Pixels) -> tuple[float, float]:
    """Mean and (population) standard deviation over every value, in float64; bytes are counted, so exactly."""
    flat = x.reshape(-1)
    blocks = (flat[at : at + BLOCK] for at in range(0, flat.size, BLOCK))
    if x.dtype == np.uint8:
        counts = sum((np.bincount(block, minlength=256) for block in blocks), np.zeros(256, np.int64))
        levels = np.arange(256)
        total, first, second = (int((counts * levels**power).sum()) for power in range(3))
        return first / total, math.sqrt(total * second - first * first) / total
    mean = float(flat.mean(dtype=np.float64))
    squares = sum(float(np.square(block.astype(np.float64) - mean).sum()) for block in blocks)
    return mean, math.sqrt(squares / flat.size)


def _range(x: Pixels) -> tuple[float, float]:
    """The least and the greatest value of the training data; DataError when one is not finite."""
    least, greatest = float(x.min()), float(x.max())
    if not (math.isfinite(least) and math.isfinite(greatest)):
        first = next(number for number, image in enumerate(x) if not np.isfinite(image).all())
        raise DataError(f"the training data hold pixels that are not finite, the first in sample {first}")
    return least, greatest


def _pixels(x: Pixels, least: float, greatest: float) -> str:
    """Which of `PIXELS` training data are, by their type and their least and greatest value."""
    if x.dtype == np.uint8:
        return "bytes"
    shares = greatest <= 1 if least >= 0 else x.dtype.kind == "f"
    return "shares" if shares else "numbers"


def _ranges(x: Pixels) -> tuple[NDArray[Any], NDArray[Any]]:
    """The least and the greatest value of each image, (N,)."""
    axes = tuple(range(1, x.ndim))
    return x.min(axes), x.max(axes)


def _are_shares(x: Pixels) -> NDArray[np.bool_]:
    """Which images, of floats for a network trained on bytes, are shares of 255: the others are byte values. (N,)"""
    least, greatest = _ranges(x)
    shares = (least >= 0) & (greatest <= 1)
    doubtful = np.flatnonzero(~(shares | ((least >= 0) & (greatest >= 2) & (greatest <= 255))))
    if doubtful.size:
        first = int(doubtful[0])
        found = f"image {first} holds floats from {least[first]:g} to {greatest[first]:g}"
        raise DataError(f"{found}, but the network was trained on bytes; expected shares 0 … 1 or values 0 … 255")
    return shares


def _each(x: Pixels, gains: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """One gain an image, in the shape that multiplies x."""
    return gains.astype(dtype).reshape(-1, *(1,) * (x.ndim - 1))


def _check_spread(kind: str, spread: float, value: float) -> None:
    if not spread > 0:
        raise DataError(f"normalisation {kind!r}: every pixel of the training data is {value}; expected several values")
