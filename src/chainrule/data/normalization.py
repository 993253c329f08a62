"""Normalization of inputs for training and prediction, and the record of the unit that it applies to."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Array, Floats
from chainrule.core.options import checked_options
from chainrule.data.input_statistics import MAX_RATIO, InputStatistics, Pixels
from chainrule.data.sources import blocks, finite_extremes
from chainrule.errors import DataError, FormatError, InputUnitWarning, OptionError, quoted, unknown_name

KINDS = {"scale": "scaled to 0 … 1", "standardize": "standardized", "none": "taken as they are"}
AS_READ = "values as the first layer reads them, in a range that is not recorded"
BYTE = 255.0  # value of a white pixel in an image file
MAX_ORIGIN = 1 << 20  # distance of the origin from 0, in units of normalized values, where float32 still suffices


@checked_options
@dataclass(frozen=True)
class Normalization:
    """A normalization (x − origin) · gain, and what is known of the inputs x of training.

    Inputs are taken by their values, whatever their dtype: nothing is converted to the unit of the training data.

    kind     scale: map the range 0 … 255 of bytes, or the range of the training data, to 0 … 1
             standardize: (x − mean) / standard deviation, over all training samples: of each channel (C, …) or feature
             (F,), or of all pixels if `InputStatistics.are_pixels`, since pixels have one unit. A constant channel
             becomes 0
             none: no change
    gain, origin   a number, or a tuple with one for each channel or feature; equal ones become a number. The origin is
             the value that becomes 0: the mean, or the minimum
    limits   minimum and maximum of the training data; (0, 255) for bytes; empty: not recorded
    white    value of a white pixel in the training data: 255 for bytes, 1 for fractions. Image files are converted to
             this unit. None: unknown; image files are bytes
    digits   whether the training images are digits that were centered and scaled as in MNIST, as those in image files
             then have to be

    Errors   OptionError for an unknown kind, or if gain or origin is not finite

    >>> normalization = Normalization.fit("standardize", training.x)
    >>> x = normalization.apply(test.x)
    """

    kind: str
    gain: float | tuple[float, ...] = 1.0
    origin: float | tuple[float, ...] = 0.0
    limits: tuple[float, ...] = ()
    white: float | None = None
    digits: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("normalization", self.kind, [*KINDS])
        if len(self.limits) not in (0, 2):
            raise OptionError(f"limits {quoted(self.limits)} of a normalization: expected the minimum and the maximum")
        for name in ("gain", "origin"):
            values = np.unique(getattr(self, name))
            if not values.size:
                raise OptionError(f"{name} of a normalization: expected a number, or one for each channel")
            if values.size == 1:
                object.__setattr__(self, name, float(values[0]))

    def __getstate__(self) -> dict[str, object]:
        """Return the fields to copy or pickle, without the cached arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @staticmethod
    def fit(kind: str, x: Pixels | InputStatistics, *, digits: bool = False) -> "Normalization":
        """Fit a normalization to training inputs of any shape and dtype, in float64.

        For image files that are decoded when needed, the statistics are those of a random subset.

        Errors   DataError if a value is not finite, or if all values (of every channel) are equal
        """
        statistics = x if isinstance(x, InputStatistics) else InputStatistics(x)
        if not np.isfinite(statistics.limits).all():
            finite_extremes(statistics.x, "the training data")  # names the first sample
        origin = np.zeros(1)  # values that become 0 and, from there, 1
        spread = np.ones(1)
        if kind == "scale":
            origin = np.array([statistics.limits[0]])
            spread = np.ptp(statistics.limits, keepdims=True)
        elif kind == "standardize":
            origin, spread = statistics.standardization
        if not spread.max() > 0:
            raise DataError(f"normalization {kind!r}: every training pixel is {origin[0]}; expected different values")
        spread = np.where(spread == 0, 1.0, spread)
        return Normalization(kind, tuple(1.0 / spread), tuple(origin), statistics.limits, statistics.white, digits)

    def apply(self, x: Pixels, dtype: DTypeLike = np.float32) -> Array:
        """Return normalized inputs (N, …) as a C-contiguous array of the same shape, with the given dtype.

        If the normalization has no effect and x is already such an array, x itself is returned. The result depends on
        the numbers only and not on their dtype: it is that of a `rounded` origin and gain in the dtype of the result.
        """
        if self.origin == 0 and self.gain == 1:
            return np.ascontiguousarray(x, dtype)
        origin, rest, gain = self.factors(x.ndim, dtype)
        if self.origin == 0:
            return np.multiply(x, gain, dtype=gain.dtype, order="C", casting="unsafe")
        wide = np.result_type(x, gain)
        out: Array = np.subtract(x, origin, dtype=wide, order="C").astype(gain.dtype, copy=False)
        if rest.any():
            out -= rest
        out *= gain
        return out.astype(dtype, copy=False)

    def prepare(self, x: Pixels, dtype: DTypeLike) -> Array:
        """Return inputs of a trained network as its first layer reads them, and warn of another unit."""
        self.check_unit(x)
        return self.apply(x, dtype)

    @cached_property
    def constants(self) -> tuple[Floats, Floats]:
        """Origin and gain, both (1,) or (C,)."""
        origin, gain = np.array(np.broadcast_arrays(self.origin, self.gain), np.float64).reshape(2, -1)
        return origin, gain

    def arrays(self, axes: int) -> tuple[Floats, Floats]:
        """Return origin and gain as arrays that broadcast with samples of ``axes`` axes, including the sample axis."""
        origin, gain = self.constants
        shape = (-1, *(1,) * (axes - 2))
        return origin.reshape(shape), gain.reshape(shape)

    def rounded(self, axes: int, dtype: DTypeLike) -> tuple[Array, Array, Array]:
        """Return arrays like `arrays` in a dtype: origin, rest and gain of ((x − origin) − rest) · gain.

        The rest is what the rounded origin lacks. For x near the origin, the first difference is exact.
        """
        origin, gain = self.arrays(axes)
        nearest = origin.astype(dtype)
        return nearest, (origin - nearest).astype(dtype), gain.astype(dtype)

    def factors(self, axes: int, dtype: DTypeLike) -> tuple[Array, Array, Array]:
        """Return the arrays of `rounded` for `apply`; in float64 if the origin is very far from 0."""
        key = axes, dtype
        if key not in self._factors:
            origin, gain = self.constants
            is_far = np.abs(origin * gain).max() > MAX_ORIGIN
            self._factors[key] = self.rounded(axes, np.float64 if is_far else dtype)
        return self._factors[key]

    @cached_property
    def _factors(self) -> dict[tuple[int, DTypeLike], tuple[Array, Array, Array]]:
        """Results of `factors`, by arguments."""
        return {}

    @property
    def unit(self) -> str:
        """Description of the values of the training data, in ASCII."""
        if self.white == BYTE:
            return "bytes from 0 to 255, as floats"
        origin, gain = self.constants
        if self.limits:
            description = f"numbers from {self.limits[0]:.4g} to {self.limits[1]:.4g}"
        elif self.kind == "none" or not gain.all():
            return AS_READ
        else:
            description = "numbers"
        if self.kind == "standardize" and gain.all():
            description += f" with mean {_listed(origin)} and standard deviation {_listed(1 / gain)}"
        return description

    def of_image(self, pixels: NDArray[np.uint8]) -> Array:
        """Return the pixels of an image file in the unit of the training data: bytes, or floats of the same shape."""
        if self.white in (None, BYTE):
            return pixels
        return (pixels * (self.white / BYTE)).astype(np.float32)

    def check_unit(self, x: Pixels, prefix: str = "") -> None:
        """Warn of inputs (N, …) that are presumably not in the unit of the training data.

        prefix   beginning of the message
        """
        if not self.limits or not x.size or (x.dtype == np.uint8 and self.white == BYTE):
            return
        maximum = float(next(blocks(x)).max())
        is_small = self.white == BYTE and 0 < maximum <= 1
        if is_small or maximum > self._highest:
            self._warn_of_unit(maximum, is_small, prefix)

    @cached_property
    def _highest(self) -> float:
        """Highest input in the unit of the training data; infinite if they do not tell."""
        limit = max(map(abs, self.limits))
        return MAX_RATIO * limit if limit <= MAX_RATIO else math.inf

    def _warn_of_unit(self, maximum: float, is_small: bool, prefix: str) -> None:
        advice = "prepare them as the training data"
        if is_small:
            advice = "pass 255 * x"
        elif self.white:
            advice = "pass x / 255"
        trained = f"those of the training were from {self.limits[0]:.4g} to {self.limits[1]:.4g}"
        message = f"{prefix}inputs are numbers up to {maximum:.4g}, but {trained}: {advice}"
        warnings.warn(message, InputUnitWarning, stacklevel=6)

    @property
    def background(self) -> Floats:
        """Normalized value of a black pixel (0), for filling pixels outside a transformed image, (1 or C, 1, 1)."""
        return self._normalized(0.0)

    @property
    def levels(self) -> tuple[Any, Any]:
        """Normalized values of black and white, both (1 or C, 1, 1); white is None if the limits are not recorded.

        They are those of 0 and 255 for bytes, 0 and 1 for values within 0 … 1, 0 and 255 or the maximum for other
        values from 0, and the minimum and the maximum for signed values.
        """
        if not self.limits:
            return self._normalized(0.0), None
        low, high = self.limits
        if low >= 0:
            low = 0.0
            if high <= 1:
                high = 1.0
            elif high <= BYTE:
                high = BYTE
        return self._normalized(low), self._normalized(high)

    def _normalized(self, value: float) -> Floats:
        origin, gain = self.arrays(4)
        return (value - origin) * gain

    @property
    def parts(self) -> dict[str, "Normalization"]:
        """The normalization of each of several inputs, by name; empty for one input."""
        return {}

    def to_config(self) -> dict[str, object]:
        """Return the normalization as JSON values."""
        config: dict[str, object] = {"kind": self.kind, "gain": self.gain, "origin": self.origin}
        recorded: dict[str, object] = {"limits": self.limits, "white": self.white, "digits": self.digits}
        recorded["parts"] = {name: part.to_config() for name, part in self.parts.items()}
        for name, value in recorded.items():
            if value:
                config[name] = value
        return config

    @staticmethod
    def from_config(config: Mapping[str, Any]) -> "Normalization":
        """Restore a normalization from the values of `to_config`; FormatError if an entry is missing or invalid."""
        try:
            if config.get("parts"):
                parts = dict[str, Normalization]()
                for name, part in config["parts"].items():
                    parts[name] = Normalization.from_config(part)
                return JointNormalization.of(parts)
            limits = tuple(map(float, config.get("limits", ())))
            if len(limits) not in (0, 2):
                raise ValueError("limits: a minimum and a maximum")
            white = config.get("white")
            if white is not None and not white > 0:
                raise ValueError("white: a number above 0")
            digits = config.get("digits") is True
            return Normalization(str(config["kind"]), config["gain"], config["origin"], limits, white, digits)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise FormatError(f"normalization {dict(config)}: expected kind, gain, origin ({error})") from error


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

    @property
    def unit(self) -> str:
        """Description of the values of each input in the training data, in ASCII."""
        return "; ".join(f"{name}: {part.unit}" for name, part in self.pairs)

    def of_each(self, arrays: Mapping[str, Pixels], dtype: DTypeLike) -> dict[str, Array]:
        """Return normalized arrays by name. They have the given dtype, or a larger one that keeps exact numbers."""
        parts = self.parts
        return {name: parts[name].apply(array, np.result_type(array, dtype)) for name, array in arrays.items()}


def _listed(values: Floats) -> str:
    return ", ".join(f"{value + 0.0:.4g}" for value in values.tolist())


def scale_hint(statistics: InputStatistics, normalization: Normalization) -> str | None:
    """Return advice on training inputs with a scale that may prevent learning; None if theirs does not."""
    suitable_kind = "scale" if statistics.are_bytes else "standardize"
    if normalization.kind == suitable_kind or normalization.parts:
        return None
    deviation = statistics.deviations * np.abs(normalization.gain).min()
    if 1 / MAX_RATIO**2 <= deviation.max() <= MAX_RATIO and statistics.spread <= MAX_RATIO:
        return None
    values = " to ".join(dict.fromkeys(f"{value:.3g}" for value in (deviation.min(), deviation.max())))
    return f"the inputs have standard deviations of {values}: try normalization='standardize'"


def decision(normalization: Normalization, statistics: InputStatistics | None = None) -> str:
    """Return a sentence that states the unit of the training data, and explains the choice of the normalization."""
    kind = normalization.kind
    parts = normalization.parts
    if parts:
        return "; ".join(f"values of {name} are {KINDS[part.kind]}" for name, part in parts.items())
    if statistics is None or statistics.are_bytes:
        return f"inputs are bytes from 0 to 255 and are {KINDS[kind]}"
    minimum, maximum = statistics.limits
    description = f"inputs are {statistics.x.dtype.name} from {minimum:g} to {maximum:g} and are {KINDS[kind]}"
    if kind == "none":
        return description
    if kind == "standardize":
        description += " per feature" if statistics.x.ndim == 2 else " per channel"
    return f"{description}; normalization='none' leaves them"
