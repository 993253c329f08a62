"""Normalization of inputs for training and prediction."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule.core.words import CheckedOptions
from chainrule.data.sources import PROBE_SAMPLES, SampleSource, blocks, extremes, finite_extremes
from chainrule.errors import DataError, FormatError, OptionError, unknown_name

KINDS = ("scale", "standardize", "none")
PIXELS = ("bytes", "shares", "numbers")
LEVELS = (2.0, 65_535.0)  # range of the maximum for which images are scaled by default: up to 16 bits
MAX_RATIO = 10.0  # of the channels' standard deviations, above which inputs are standardized by default
MIN_VALUES = 32  # minimum number of values per channel for this comparison
MIN_PIXEL_VECTOR = 64  # minimum length for which a vector of integers is interpreted as pixels
BYTE_MAXIMUM = (128, 255)  # range of the maximum for which such vectors are scaled
ROUNDING = 1e-12  # smallest deviation relative to the mean that is not a rounding error
STATISTICS_BYTES = 1 << 20  # size of the blocks processed at a time, to avoid a copy of all values

Pixels: TypeAlias = NDArray[Any]  # for statistics, also a `SampleSource`


@dataclass(frozen=True)
class Normalization(metaclass=CheckedOptions):
    """A normalization: x · gain + offset, where x is in the units of the training data.

    kind     scale: map the range 0 … 255 of bytes, or the range of the training data, to 0 … 1
             standardize: (x − mean) / standard deviation, over all training samples: of each channel (C, …) or feature
             (F,), or of all pixels if `are_pixels`, since pixels have one unit. A constant channel becomes 0
             none: no change
    gain, offset   a number, or a tuple with one for each channel or feature; equal ones become a number
    pixels   type of the training data, which determines how `apply` converts pixels of other types:
             bytes: uint8. Integers are byte values. Each float image within 0 … 1 is multiplied by 255; float images
             within 0 … 255 with a maximum of at least 2 contain byte values; others are an error.
             shares: values within 0 … 1, or signed floats. Bytes, and integer images outside 0 … 1, are divided by 255;
             floats are not converted.
             numbers: other or unknown values. Nothing is converted.
    limits   minimum and maximum of training data that are not normalized, for descriptions; empty: not recorded

    Errors   OptionError for an unknown kind, or if gain or offset is not finite

    >>> normalization = Normalization.fit("standardize", training.x)
    >>> x = normalization.apply(test.x)
    """

    kind: str
    gain: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0
    pixels: str = "numbers"
    limits: tuple[float, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("normalization", self.kind, KINDS)
        if self.pixels not in PIXELS:
            raise unknown_name("pixels of a normalization", self.pixels, PIXELS)
        for name in ("gain", "offset"):
            values = np.unique(getattr(self, name))
            if not values.size:
                raise OptionError(f"{name} of a normalization: expected a number, or one for each channel")
            if values.size == 1:
                object.__setattr__(self, name, float(values[0]))

    @staticmethod
    def fit(kind: str, x: Pixels) -> "Normalization":
        """Fit a normalization to training images of any shape and dtype, in float64.

        For image files that are decoded when needed, the statistics are those of a random subset.

        Errors   DataError if a pixel is not finite, or if all pixels (of every channel) are equal
        """
        minimum, maximum = (0.0, 255.0) if x.dtype == np.uint8 else finite_extremes(x, "the training data")
        are_shares = maximum <= 1 if minimum >= 0 else x.dtype.kind == "f"
        pixels = "bytes" if x.dtype == np.uint8 else "shares" if are_shares else "numbers"
        if kind == "scale":
            _check_spread(kind, maximum - minimum, minimum)
            return Normalization(kind, 1.0 / (maximum - minimum), -minimum / (maximum - minimum), pixels)
        if kind == "standardize":
            return Normalization(kind, *_standardization(x), pixels=pixels)
        return Normalization(kind, pixels=pixels, limits=(minimum, maximum))

    def apply(self, x: Pixels, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Return normalized images (N, …) as a C-contiguous array of the same shape, with the given dtype.

        If the normalization has no effect and x is already such an array, x itself is returned.

        Errors   DataError for floats that are neither within 0 … 1 nor byte values, if the training data were bytes
        """
        gain, offset = self.arrays(x.ndim, np.float64)
        factor = np.asarray(self._unit(x) * gain, dtype)
        if not offset.any() and (factor == 1).all():
            return np.ascontiguousarray(x, dtype)
        out = x.astype(dtype, order="C")
        out *= factor
        if offset.any():
            out += offset.astype(dtype)
        return out

    def arrays(self, axes: int, dtype: DTypeLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return gain and offset as arrays that broadcast with samples of ``axes`` axes, including the sample axis."""
        shape = (-1, *(1,) * (axes - 2))
        return np.asarray(self.gain, dtype).reshape(shape), np.asarray(self.offset, dtype).reshape(shape)

    def constants(self, x: Pixels) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return gain and offset for x, (1,) or (C,), if they do not depend on its values; None in other cases."""
        if x.dtype != np.uint8 and self.pixels != "numbers":
            return None
        gain, offset = np.broadcast_arrays(*self.arrays(2, np.float64))
        return self._unit(x[:0]) * gain, offset

    def _unit(self, x: Pixels) -> float | NDArray[Any]:
        """Return the factor from the unit of x to that of the training data.

        It is a number or, if the units of x depend on its values, an array (N, 1, …).
        """
        if x.dtype == np.uint8:
            return 1 / 255 if self.pixels == "shares" else 1.0
        if self.pixels == "bytes" and x.dtype.kind in "fb":
            factors = np.where(_are_fractions(x), 255.0, 1.0)
        elif self.pixels == "shares" and x.dtype.kind in "iu":
            minimum, maximum = _ranges(x)
            factors = np.where((minimum >= 0) & (maximum <= 1), 1.0, 1 / 255)
        else:
            return 1.0
        return factors.reshape(-1, *(1,) * (x.ndim - 1))

    def largest(self, x: Pixels) -> float:
        """Return the largest absolute value of normalized inputs (N, …); for uint8, over all values 0 … 255."""
        if x.dtype == np.uint8:
            x = np.stack([np.full(x.shape[1:], byte, np.uint8) for byte in (0, 255)])
        return max(float(np.abs(self.apply(block, np.float64)).max()) for block in blocks(x))

    @property
    def background(self) -> NDArray[np.float64]:
        """Normalized value of a black pixel (0), for filling pixels outside a transformed image, (1 or C, 1, 1)."""
        return self.arrays(4, np.float64)[1]

    @property
    def white(self) -> NDArray[np.float64] | None:
        """Normalized value of a white pixel, the largest one, (1 or C, 1, 1); None if it is unknown."""
        maximum, (gain, offset) = {"bytes": 255.0, "shares": 1.0}.get(self.pixels), self.arrays(4, np.float64)
        return None if maximum is None else maximum * gain + offset

    @property
    def parts(self) -> dict[str, "Normalization"]:
        """The normalization of each of several inputs, by name; empty for one input."""
        return {}

    def to_config(self) -> dict[str, Any]:
        """Return the normalization as JSON values."""
        config = {"kind": self.kind, "gain": self.gain, "offset": self.offset, "pixels": self.pixels}
        parts = {name: part.to_config() for name, part in self.parts.items()}
        return config | {name: entry for name, entry in (("limits", self.limits), ("parts", parts)) if entry}

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> "Normalization":
        """Restore a normalization from the values of `to_config`; FormatError if an entry is missing or invalid."""
        try:
            if parts := config.get("parts"):
                return JointNormalization.of({name: Normalization.from_config(part) for name, part in parts.items()})
            limits = tuple(config.get("limits", ()))
            return Normalization(str(config["kind"]), config["gain"], config["offset"], str(config["pixels"]), limits)
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
    """Return the default normalization of training data (N, …): "scale" for pixels, "standardize" or "none".

    Other values are standardized if the standard deviations of their channels or features differ by more than a factor
    of 10. Values within 0 … 1 are not changed.
    """
    return "scale" if are_pixels(x) else "standardize" if _spread(x) > MAX_RATIO else "none"


def are_pixels(x: Pixels) -> bool:
    """Return whether training data (N, …) are pixels in the same unit.

    Pixels are bytes; images (N, C, H, W) of non-negative numbers with a maximum from 2 to 65535, unless the deviations
    of the channels differ by more than a factor of 10 and are not those of integers up to 255; and vectors of 64 or
    more non-negative integers with a maximum from 128 to 255.
    """
    if x.dtype == np.uint8:
        return True
    minimum, maximum = extremes(x)
    if not minimum >= 0:  # also true for NaN
        return False
    are_bytes = maximum <= BYTE_MAXIMUM[1] and bool((x[:MIN_PIXEL_VECTOR] == np.rint(x[:MIN_PIXEL_VECTOR])).all())
    if x.ndim == 4:
        return LEVELS[0] <= maximum <= LEVELS[1] and (are_bytes or _spread(x) <= MAX_RATIO)
    return are_bytes and x[0].size >= MIN_PIXEL_VECTOR and maximum >= BYTE_MAXIMUM[0]


def _spread(x: Pixels) -> float:
    """Return the ratio of the largest to the smallest standard deviation of channels (N, C, …) that are not constant.

    It is 1 for few values, and for values that are within 0 … 1 or not finite. Of many samples, some are used.
    """
    minimum, maximum = extremes(x)
    is_share = minimum >= 0 and maximum <= 1
    if is_share or not math.isfinite(maximum - minimum) or math.prod(x.shape) < MIN_VALUES * x.shape[1]:
        return 1.0
    deviation = _deviations(_probe(x))
    return float(deviation.max() / deviation.min())


def _probe(x: Pixels) -> NDArray[Any]:
    return x[np.arange(0, len(x), -(-len(x) // PROBE_SAMPLES))]


def _deviations(x: NDArray[Any]) -> NDArray[np.float64]:
    """Return the standard deviations of the channels that are not constant, or a 1 if all are."""
    _, deviation = mean_and_deviation(x, x.shape[1])
    return deviation[deviation > 0] if deviation.any() else np.ones(1)


def scale_hint(x: Pixels, normalization: Normalization) -> str:
    """Return advice on training inputs with a scale that may prevent learning, or ""."""
    if normalization.kind == ("scale" if x.dtype == np.uint8 else "standardize") or normalization.parts:
        return ""
    deviation = _deviations(normalization.apply(_probe(x), np.float64))
    if 1 / MAX_RATIO**2 <= deviation.max() <= MAX_RATIO and _spread(x) <= MAX_RATIO:
        return ""
    values = " to ".join(dict.fromkeys(f"{value:.3g}" for value in (deviation.min(), deviation.max())))
    return f"the inputs have standard deviations of {values}: try normalization='standardize'"


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
    if kind == "none":
        return f"{description} taken as they are"
    channels, spread = "features" if x.ndim == 2 else "channels", _spread(x)
    change = "scaled to 0 … 1" if kind == "scale" else f"standardized per {channels[:-1]}"
    if kind == "standardize" and spread > MAX_RATIO:
        change += f", since the deviations of the {channels} differ by a factor of {spread:.3g}"
    return f"{description} {change}; normalization='none' leaves them"


def mean_and_deviation(x: Pixels, channels: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and the population standard deviation, (channels,), which is 0 for a constant channel.

    Bytes are summed exactly, as integers.

    channels   1 for the statistics of all values; x.shape[1] for those of each channel of x (N, C, …)
    """
    samples = x.representative() if isinstance(x, SampleSource) else x
    if x.dtype == np.uint8 and channels == 1:
        counts = np.zeros(256, np.int64)
        for block in blocks(samples, STATISTICS_BYTES):
            counts += np.bincount(block.reshape(-1), minlength=256)
        levels = np.arange(256)
        total, first, second = (int((counts * levels**power).sum()) for power in range(3))
        return np.array([first / total]), np.array([math.sqrt(total * second - first * first) / total])
    count = math.prod(samples.shape) / channels

    def of_blocks(value: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[np.float64]:
        parts = (block.reshape(len(block), channels, -1) for block in blocks(samples, STATISTICS_BYTES))
        return sum((value(part).sum((0, 2), dtype=np.float64) for part in parts), np.zeros(channels)) / count

    mean = of_blocks(lambda part: part)
    deviation = np.sqrt(of_blocks(lambda part: np.square(part.astype(np.float64) - mean[:, None])))
    return mean, np.where(deviation > ROUNDING * np.abs(mean), deviation, 0.0)


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


def _standardization(x: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return gains and offsets that standardize training data."""
    mean, deviation = mean_and_deviation(x, 1 if are_pixels(x) else x.shape[1])
    _check_spread("standardize", float(deviation.max()), float(mean[0]))
    deviation[deviation == 0] = 1.0
    return tuple(1.0 / deviation), tuple(-mean / deviation)


def _check_spread(kind: str, spread: float, value: float) -> None:
    if not spread > 0:
        raise DataError(f"normalization {kind!r}: every training pixel is {value}; expected different values")
