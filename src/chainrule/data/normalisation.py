"""Bringing pixels to the range that a network learns from, in one way for training and for prediction."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.data.dataset import Images
from chainrule.errors import DataError, FormatError, one_of

KINDS = ("scale", "standardise", "none")
BLOCK = 1 << 18  # values worked on at a time, so that no copy of all of them is made


@dataclass(frozen=True)
class Normalisation:
    """x · gain + offset, in the units of the data it was fitted to.

    kind     scale: bytes 0 … 255 to 0 … 1 (floats: from their least and greatest value in the training data)
             standardise: (x − mean) / standard deviation, one of each over all training pixels
             none: as they are
    floats   the training data were floats; bytes are then taken as 0 … 1 first, as pictures of such data are
    """

    kind: str
    gain: float = 1.0
    offset: float = 0.0
    floats: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise one_of("normalisation", self.kind, KINDS)
        if not (math.isfinite(self.gain) and math.isfinite(self.offset)):
            raise DataError(f"normalisation {self.kind!r}: gain {self.gain} and offset {self.offset} must be finite")

    @staticmethod
    def fit(kind: str, x: Images) -> "Normalisation":
        """The normalisation of a kind for training images of any shape, computed in float64."""
        floats = x.dtype.kind == "f"
        if kind == "scale":
            least, greatest = (float(x.min()), float(x.max())) if floats else (0.0, 255.0)
            _check_spread(kind, greatest - least, least)
            return Normalisation(kind, 1.0 / (greatest - least), -least / (greatest - least), floats)
        if kind == "standardise":
            mean, deviation = mean_and_deviation(x)
            _check_spread(kind, deviation, mean)
            return Normalisation(kind, 1.0 / deviation, -mean / deviation, floats)
        return Normalisation(kind, floats=floats)

    def apply(self, x: Images, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """The images normalised, in the same shape: a new C-contiguous array of `dtype`."""
        gain = self.gain / 255.0 if self.floats and x.dtype.kind != "f" else self.gain
        out = x.astype(dtype, order="C")
        out *= gain
        out += self.offset
        return out

    @property
    def background(self) -> float:
        """What a black pixel, 0, becomes: the value to fill with where an image is moved."""
        return self.offset

    def to_config(self) -> dict[str, Any]:
        """What `from_config` makes the same normalisation of, as JSON has it."""
        return {"kind": self.kind, "gain": self.gain, "offset": self.offset, "floats": self.floats}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> "Normalisation":
        """The normalisation that `to_config` described; FormatError when something is missing or of another kind."""
        try:
            gain, offset = float(config["gain"]), float(config["offset"])
            return Normalisation(str(config["kind"]), gain, offset, bool(config["floats"]))
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"normalisation {dict(config)}: expected kind, gain, offset, floats ({error})") from error


def mean_and_deviation(x: Images) -> tuple[float, float]:
    """Mean and (population) standard deviation over every value, in float64; bytes are counted, so exactly."""
    flat = x.reshape(-1)
    blocks = (flat[at : at + BLOCK] for at in range(0, flat.size, BLOCK))
    if x.dtype.kind != "f":
        counts = sum((np.bincount(block, minlength=256) for block in blocks), np.zeros(256, np.int64))
        levels = np.arange(256)
        total, first, second = (int((counts * levels**power).sum()) for power in range(3))
        return first / total, math.sqrt(total * second - first * first) / total
    mean = float(flat.mean(dtype=np.float64))
    squares = sum(float(np.square(block.astype(np.float64) - mean).sum()) for block in blocks)
    return mean, math.sqrt(squares / flat.size)


def _check_spread(kind: str, spread: float, value: float) -> None:
    if not spread > 0:
        raise DataError(f"normalisation {kind!r}: every pixel of the training data is {value}; expected several values")
