"""Statistics of training inputs, which determine their unit and their default normalization."""

import math
from typing import TypeAlias

import numpy as np

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Array, Floats
from chainrule.data.sources import PROBE_SAMPLES, blocks, extremes, representative

LEVELS = (2.0, 65_535.0)  # range of the maximum of images that are scaled by default: up to 16 bits
MAX_RATIO = 10.0  # ratio of the channels' deviations above which an image is no image of pixels
MIN_VALUES = 8  # minimum number of values per channel for statements on its mean and deviation
# Largest |mean| relative to the deviation, and range of the deviation, of channels that need no standardization
TYPICAL_MEAN, TYPICAL_DEVIATIONS = 0.25, (0.5, 2.0)
MIN_SHADE = 0.5  # smallest maximum of the absolute values of images within −1 … 1
MIN_PIXEL_VECTOR = 64  # minimum length of a vector of integers that is interpreted as pixels
BYTE_MAXIMUM = (128, 255)  # range of the maximum of such vectors that are scaled
ROUNDING = 1e-12  # smallest deviation relative to the mean that is not a rounding error
STATISTICS_BYTES = 1 << 20  # size of the blocks processed at a time, to avoid a copy of all values

Pixels: TypeAlias = Array  # or a `SampleSource`


class InputStatistics:
    """Statistics of training inputs (N, …). Each is computed once, when it is first used.

    Image files that are decoded when needed are represented by a random subset.

    x   array or `SampleSource`
    """

    def __init__(self, x: Pixels) -> None:
        self.x = x

    @cached_property
    def are_bytes(self) -> bool:
        """Whether the inputs are uint8 images (N, C, H, W). Images of 0 and 1 alone are numbers, such as boards."""
        if self.x.dtype != np.uint8 or self.x.ndim != 4:
            return False
        return any(block.max() > 1 for block in blocks(representative(self.x), STATISTICS_BYTES))

    @cached_property
    def limits(self) -> tuple[float, float]:
        """Minimum and maximum of all values; (0, 255) for bytes; NaN if a value is NaN."""
        return (0.0, 255.0) if self.are_bytes else extremes(self.x)

    @property
    def are_fractions(self) -> bool:
        """Whether all values are within 0 … 1."""
        return self.limits[0] >= 0 and self.limits[1] <= 1

    @property
    def white(self) -> float | None:
        """Value of a white pixel: 255 for bytes, 1 for images within 0 … 1 that are not only 0 and 1; None: unknown."""
        if self.are_bytes:
            return 255.0
        has_shades = self.x.ndim == 4 and self.are_fractions and ((self._sample > 0) & (self._sample < 1)).any()
        return 1.0 if has_shades else None

    @cached_property
    def are_pixels(self) -> bool:
        """Whether the inputs are pixels in the same unit.

        Pixels are bytes; images (N, C, H, W) of non-negative numbers with a maximum from 2 to 65535, unless the
        deviations of the channels differ by more than a factor of 10 and are not those of integers up to 255; and
        vectors of 64 or more non-negative integers with a maximum from 128 to 255.
        """
        if self.are_bytes:
            return True
        minimum, maximum = self.limits
        if not minimum >= 0:  # also true for NaN
            return False
        first = self.x[:MIN_PIXEL_VECTOR]
        are_whole = maximum <= BYTE_MAXIMUM[1] and bool((first == np.rint(first)).all())
        if self.x.ndim == 4:
            return LEVELS[0] <= maximum <= LEVELS[1] and (are_whole or self.spread <= MAX_RATIO)
        return are_whole and first[0].size >= MIN_PIXEL_VECTOR and maximum >= BYTE_MAXIMUM[0]

    @property
    def default_kind(self) -> str:
        """The default normalization: "scale" for pixels, "standardize" or "none".

        Other values are standardized, unless they are shades, few or not finite, or the mean and the deviation of every
        channel or feature are already near 0 and 1.
        """
        if self.are_pixels:
            return "scale"
        return "none" if self.are_shades or self.are_typical else "standardize"

    @property
    def are_shades(self) -> bool:
        """Whether the inputs are images within −1 … 1, or vectors of at least 64 numbers within 0 … 1 like images.

        Vectors are if no feature varies only far from black, 0, and white, 1.
        """
        minimum, maximum = self.limits
        if not (minimum >= -1 and MIN_SHADE <= max(maximum, -minimum) <= 1):
            return False
        if self.x.ndim == 4:
            return True
        mean, deviation = self._varying
        nearest = np.minimum(mean, 1 - mean)
        return self.x[0].size >= MIN_PIXEL_VECTOR and minimum >= 0 and bool((nearest <= MAX_RATIO * deviation).all())

    @property
    def are_typical(self) -> bool:
        """Whether the means and deviations of all channels are near 0 and 1, as far as enough values show."""
        if not self._is_comparable:
            return True
        mean, deviation = self._varying
        low, high = TYPICAL_DEVIATIONS
        is_centered = np.abs(mean) <= TYPICAL_MEAN * deviation
        return bool(is_centered.all() and low <= deviation.min() and deviation.max() <= high)

    @cached_property
    def spread(self) -> float:
        """Ratio of the largest to the smallest deviation of the channels (N, C, …) that are not constant.

        It is 1 for few values, and for values that are not finite. Of many samples, some are used.
        """
        return float(self.deviations.max() / self.deviations.min()) if self._is_comparable else 1.0

    @property
    def deviations(self) -> Floats:
        """Standard deviations of the channels that are not constant in a sample of the data, or a 1 if all are."""
        return self._varying[1]

    @cached_property
    def standardization(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of all pixels, (1,), or of each channel or feature, (C,), over all samples."""
        return mean_and_deviation(self.x, 1 if self.are_pixels else self._channel_count)

    def largest(self, origin: Floats, gain: Floats) -> float:
        """Return the largest absolute value of (x − origin) · gain, with one number, (1,), or one per channel, (C,)."""
        ends = self.limits if max(origin.size, gain.size) == 1 else self._channel_limits
        return float(np.abs((np.asarray(ends).reshape(2, -1) - origin) * gain).max())

    @cached_property
    def _channel_limits(self) -> Floats:
        """Minimum and maximum of each channel or feature, (2, C)."""
        if self.are_bytes:
            return np.array([[0.0], [255.0]])
        axes = (0, *range(2, self.x.ndim))
        pairs = np.array([(block.min(axes), block.max(axes)) for block in blocks(representative(self.x))], np.float64)
        return np.array([pairs[:, 0].min(0), pairs[:, 1].max(0)])

    @property
    def _channel_count(self) -> int:
        return self.x.shape[1] if self.x.ndim > 1 else 1

    @cached_property
    def _sample(self) -> Array:
        return self.x[np.arange(0, len(self.x), -(-len(self.x) // PROBE_SAMPLES))]

    @cached_property
    def _varying(self) -> tuple[Floats, Floats]:
        """Mean and deviation of each channel that is not constant; 0 and 1 if all are."""
        mean, deviation = mean_and_deviation(self._sample, self._channel_count)
        varies = deviation > 0
        return (mean[varies], deviation[varies]) if varies.any() else (np.zeros(1), np.ones(1))

    @property
    def _is_comparable(self) -> bool:
        minimum, maximum = self.limits
        has_enough = math.prod(self.x.shape) >= MIN_VALUES * self._channel_count
        return has_enough and math.isfinite(maximum - minimum)


def mean_and_deviation(x: Pixels, channels: int = 1) -> tuple[Floats, Floats]:
    """Return the mean and the population standard deviation, (channels,), which is 0 for a constant channel.

    The sums are those of the differences from a channel's first value. They are exact for bytes.

    channels   1 for the statistics of all values; x.shape[1] for those of each channel of x (N, C, …)
    """
    samples = representative(x)
    first = np.asarray(samples[:1], np.float64).reshape(channels, -1)[:, :1]
    sums = np.zeros((2, channels))
    for block in blocks(samples, STATISTICS_BYTES):
        differences = block.reshape(len(block), channels, -1) - first
        sums += differences.sum((0, 2)), np.einsum("ncp,ncp->c", differences, differences)
    count = math.prod(samples.shape) // channels
    total, squares = sums
    mean = first[:, 0] + total / count
    deviation = np.sqrt(np.maximum(count * squares - total * total, 0)) / count
    return mean, np.where(deviation > ROUNDING * np.abs(mean), deviation, 0.0)
