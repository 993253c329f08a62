"""Normalization of inputs for training and prediction."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.words import CheckedOptions
from chainrule.data.sources import SampleSource, blocks, extremes
from chainrule.errors import DataError, FormatError, unknown_name

KINDS = ("scale", "standardize", "none")
PIXELS = ("bytes", "shares", "numbers")
LEVELS = (2.0, 65_535.0)  # range of the maximum for which images are scaled by default: up to 16 bits
MIN_PIXEL_VECTOR = 64  # minimum length for which a vector of integers is interpreted as pixels
BYTE_MAXIMUM = (128, 255)  # range of the maximum for which such vectors are scaled
STATISTICS_BYTES = 1 << 20  # size of the blocks processed at a time, to avoid a copy of all values

Pixels: TypeAlias = NDArray[Any]  # for statistics, also a `SampleSource`


@dataclass(frozen=True)
class Normalization(metaclass=CheckedOptions):
    """A normalization: x · gain + offset, where x is in the units of the training data.

    kind     scale: map the range 0 … 255 of bytes, or the range of the training data, to 0 … 1
             standardize: (x − mean) / standard deviation, over all training pixels
             none: no change
    pixels   type of the training data, which determines how `apply` converts pixels of other types:
             bytes: uint8. Integers are byte values. Each float image within 0 … 1 is multiplied by 255; float images
             within 0 … 255 with a maximum of at least 2 contain byte values; others are an error.
             shares: values within 0 … 1, or signed floats. Bytes, and integer images outside 0 … 1, are divided by 255;
             floats are not converted.
             numbers: other or unknown values. Nothing is converted.

    Errors   OptionError for an unknown kind, or if gain or offset is not finite

    >>> normalization = Normalization.fit("standardize", training.x)
    >>> x = normalization.apply(test.x)
    """

    kind: str
    gain: float = 1.0
    offset: float = 0.0
    pixels: str = "numbers"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("normalization", self.kind, KINDS)
        if self.pixels not in PIXELS:
            raise unknown_name("pixels of a normalization", self.pixels, PIXELS)

    @staticmethod
    def fit(kind: str, x: Pixels) -> "Normalization":
        """Fit a normalization to training images of any shape and dtype, in float64.

        For image files that are decoded when needed, the statistics are those of a random subset.

        Errors   DataError if a pixel is not finite, or if all pixels are equal
        """
        minimum, maximum = (0.0, 255.0) if x.dtype == np.uint8 else _range(x)
        pixels = _pixels(x, minimum, maximum)
        if kind == "scale":
            _check_spread(kind, maximum - minimum, minimum)
            return Normalization(kind, 1.0 / (maximum - minimum), -minimum / (maximum - minimum), pixels)
        if kind == "standardize":
            mean, deviation = mean_and_deviation(x)
            _check_spread(kind, deviation, mean)
            return Normalization(kind, 1.0 / deviation, -mean / deviation, pixels)
        return Normalization(kind, pixels=pixels)

    def apply(self, x: Pixels, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Return normalized images (N, …) as a C-contiguous array of the same shape, with the given dtype.

        If the normalization has no effect and x is already such an array, x itself is returned.

        Errors   DataError for floats that are neither within 0 … 1 nor byte values, if the training data were bytes
        """
        gains = self._gains(x, np.dtype(dtype))
        if isinstance(gains, float) and gains == 1.0 and not self.offset:
            return np.ascontiguousarray(x, dtype)
        out = x.astype(dtype, order="C")
        out *= gains
        if self.offset:
            out += self.offset
        return out

    def constants(self, x: Pixels) -> tuple[float, float] | None:
        """Return gain and offset for uint8 inputs, or for any inputs if `pixels` is "numbers"; None in other cases."""
        if x.dtype == np.uint8:
            return (self.gain / 255.0 if self.pixels == "shares" else self.gain), self.offset
        return (self.gain, self.offset) if self.pixels == "numbers" else None

    def _gains(self, x: Pixels, dtype: np.dtype[Any]) -> float | NDArray[Any]:
        """Return the gain for x. It is a number or, if the units of x depend on its values, an array (N, 1, …)."""
        if self.pixels == "bytes" and x.dtype.kind in "fb":
            return _per_image(x, np.where(_are_fractions(x), self.gain * 255.0, self.gain), dtype)
        if constants := self.constants(x):
            return constants[0]
        if self.pixels == "shares" and x.dtype.kind in "iu":
            minimum, maximum = _ranges(x)
            return _per_image(x, np.where((minimum >= 0) & (maximum <= 1), self.gain, self.gain / 255.0), dtype)
        return self.gain

    def largest(self, x: Pixels) -> float:
        """Return the largest absolute value of normalized inputs (N, …); for uint8, over all values 0 … 255."""
        if x.dtype == np.uint8 or self.pixels == "numbers":  # one gain for all samples
            limits = (0.0, 255.0) if x.dtype == np.uint8 else extremes(x)
            gain = (self.constants(x) or (self.gain, self.offset))[0]
            return max(abs(limit * gain + self.offset) for limit in limits)
        return max(map(self._largest_of_block, blocks(x)))

    def _largest_of_block(self, x: Pixels) -> float:
        gains = np.asarray(self._gains(x, np.dtype(np.float64))).reshape(-1)
        return float(np.abs(np.array(_ranges(x), np.float64) * gains + self.offset).max())

    @property
    def background(self) -> float:
        """Normalized value of a black pixel (0), for filling pixels outside a transformed image."""
        return self.offset

    @property
    def white(self) -> float | None:
        """Normalized value of a white pixel, the largest one; None if it is unknown."""
        maximum = {"bytes": 255.0, "shares": 1.0}.get(self.pixels)
        return None if maximum is None else maximum * self.gain + self.offset

    @property
    def parts(self) -> dict[str, "Normalization"]:
        """The normalization of each of several inputs, by name; empty for one input."""
        return {}

    def to_config(self) -> dict[str, Any]:
        """Return the normalization as JSON values."""
        config = {"kind": self.kind, "gain": self.gain, "offset": self.offset, "pixels": self.pixels}
        parts = {name: part.to_config() for name, part in self.parts.items()}
        return {**config, "parts": parts} if parts else config

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> "Normalization":
        """Restore a normalization from the values of `to_config`; FormatError if an entry is missing or invalid."""
        try:
            if parts := config.get("parts"):
                return JointNormalization.of({name: Normalization.from_config(part) for name, part in parts.items()})
            gain, offset = float(config["gain"]), float(config["offset"])
            return Normalization(str(config["kind"]), gain, offset, str(config["pixels"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FormatError(f"normalization {dict(config)}: expected kind, gain, offset, pixels ({error})") from error


@dataclass(frozen=True)
class JointNormalization(Normalization):
    """The normalizations of several inputs, which are applied before the inputs are packed into one array.

    The kind is that of the first input that is normalized. Packed inputs (N, F) are not changed.

    pairs   name and normalization of each input
    """

    pairs: tuple[tuple[str, Normalization], ...] = ()

    @staticmethod
    def of(parts: Mapping[str, Normalization]) -> "JointNormalization":
        """Return the normalization of inputs by name."""
        kind = next((part.kind for part in parts.values() if part.kind != "none"), "none")
        return JointNormalization(kind, pairs=tuple(parts.items()))

    @property
    def parts(self) -> dict[str, Normalization]:
        """The normalization of each input, by name."""
        return dict(self.pairs)

    def of_each(self, arrays: Mapping[str, Pixels], dtype: DTypeLike) -> dict[str, NDArray[Any]]:
        """Return normalized arrays by name. They have the given dtype, or a larger one that keeps exact numbers."""
        parts = self.parts
        return {name: parts[name].apply(array, np.result_type(array, dtype)) for name, array in arrays.items()}


def kind_for(x: Pixels) -> str:
    """Return the default normalization of training data (N, …): "scale" for pixels, "none" for other values.

    Pixels are bytes, images (N, C, H, W) of non-negative numbers with a maximum from 2 to 65535, and vectors of 64 or
    more non-negative integers with a maximum from 128 to 255. Signed values and values within 0 … 1 are not scaled.
    """
    if x.dtype == np.uint8:
        return "scale"
    minimum, maximum = extremes(x)
    if not minimum >= 0:  # also true for NaN
        return "none"
    if x.ndim == 4:
        return "scale" if LEVELS[0] <= maximum <= LEVELS[1] else "none"
    is_plane = x[0].size >= MIN_PIXEL_VECTOR and BYTE_MAXIMUM[0] <= maximum <= BYTE_MAXIMUM[1]
    return "scale" if is_plane and bool((x[:MIN_PIXEL_VECTOR] == np.rint(x[:MIN_PIXEL_VECTOR])).all()) else "none"


def decision(x: Pixels, normalization: Normalization) -> str:
    """Return a sentence that explains the choice of `kind_for`."""
    kind, parts = normalization.kind, normalization.parts
    if parts:
        words = {"none": "taken as it is", "scale": "scaled to 0 … 1", "standardize": "standardized"}
        return "; ".join(f"input {name} is {words[part.kind]}" for name, part in parts.items())
    if x.dtype == np.uint8:
        return "inputs are bytes and are scaled from 0 … 255 to 0 … 1"
    minimum, maximum = extremes(x)
    description = f"inputs are {x.dtype.name} from {minimum:g} to {maximum:g} and are"
    return (
        f"{description} scaled to 0 … 1; normalization='none' leaves them"
        if kind == "scale"
        else f"{description} taken as they are"
    )


def mean_and_deviation(x: Pixels) -> tuple[float, float]:
    """Return the mean and the population standard deviation of all values. Bytes are summed exactly, as integers."""
    samples = x.representative() if isinstance(x, SampleSource) else x
    if x.dtype == np.uint8:
        counts = np.zeros(256, np.int64)
        for block in blocks(samples, STATISTICS_BYTES):
            counts += np.bincount(block.reshape(-1), minlength=256)
        levels = np.arange(256)
        total, first, second = (int((counts * levels**power).sum()) for power in range(3))
        return first / total, math.sqrt(total * second - first * first) / total
    mean = sum(float(block.sum(dtype=np.float64)) for block in blocks(samples, STATISTICS_BYTES)) / samples.size
    squares = sum(
        float(np.square(block.astype(np.float64) - mean).sum()) for block in blocks(samples, STATISTICS_BYTES)
    )
    return mean, math.sqrt(squares / samples.size)


def _range(x: Pixels) -> tuple[float, float]:
    """Return the minimum and maximum of the training data; DataError if a value is not finite."""
    minimum, maximum = extremes(x)
    if not (math.isfinite(minimum) and math.isfinite(maximum)):
        first = next(number for number, image in enumerate(x) if not np.isfinite(image).all())
        raise DataError(f"the training data contain pixels that are not finite, the first in sample {first}")
    return minimum, maximum


def _pixels(x: Pixels, minimum: float, maximum: float) -> str:
    """Return the type of the training data (`Normalization.pixels`) from its minimum and maximum."""
    if x.dtype == np.uint8:
        return "bytes"
    shares = maximum <= 1 if minimum >= 0 else x.dtype.kind == "f"
    return "shares" if shares else "numbers"


def _ranges(x: Pixels) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the minimum and maximum of each image, (N,)."""
    axes = tuple(range(1, x.ndim))
    return x.min(axes), x.max(axes)


def _are_fractions(x: Pixels) -> NDArray[np.bool_]:
    """Return a mask (N,) of the float images within 0 … 1, for a network trained on bytes.

    Errors   DataError for an image whose values are neither within 0 … 1 nor byte values
    """
    minimum, maximum = _ranges(x)
    shares = (minimum >= 0) & (maximum <= 1)
    ambiguous = np.flatnonzero(~(shares | ((minimum >= 0) & (maximum >= 2) & (maximum <= 255))))
    if ambiguous.size:
        first = int(ambiguous[0])
        description = f"image {first} holds floats from {minimum[first]:g} to {maximum[first]:g}"
        raise DataError(f"{description}, but the network was trained on bytes; expected values 0 … 1 or 0 … 255")
    return shares


def _per_image(x: Pixels, gains: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Reshape the gains, one per image, to broadcast with x."""
    return gains.astype(dtype).reshape(-1, *(1,) * (x.ndim - 1))


def _check_spread(kind: str, spread: float, value: float) -> None:
    if not spread > 0:
        raise DataError(f"normalization {kind!r}: every training pixel is {value}; expected different values")
