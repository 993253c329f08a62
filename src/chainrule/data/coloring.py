"""Random changes of images: brightness, contrast, a square that is cut out, and their random numbers.

Source   torchvision's ColorJitter, in a fixed order, and Pillow's ImageEnhance; DeVries and Taylor 2017 (cutout)
"""

from typing import NamedTuple, TypeAlias

import numpy as np

from chainrule.core.arrays import Array, Floats, Ints
from chainrule.core.randomness import uniform

Value: TypeAlias = float | Floats  # of all channels, or of each, (C, 1, 1)


class Draw(NamedTuple):
    """What determines the random numbers of samples: the seed, the number of the epoch, and their numbers, (N,)."""

    seed: int
    step: int
    samples: Ints

    def uniform(self, stream: int, elements: int) -> Floats:
        """Return uniform random numbers, (N, elements); see `core.randomness`."""
        return uniform(self.seed, stream, self.step, self.samples, elements)


GRAY = (0.299, 0.587, 0.114)  # share of red, green and blue in the gray level (ITU-R BT.601)


def jitter(x: Array, factors: Floats, black: Value, white: Value | None) -> Array:
    """Return images with another brightness and contrast, in this order. A factor of 1 changes nothing.

    With v = x − black: brightness is f·v; contrast is f·v + (1 − f)·(mean gray level). After each, values are limited
    to black … white.

    x        images (N, C, H, W)
    factors  factor of each image for brightness and contrast, (N, 2)
    white    largest value; None: unknown, values are not limited
    """
    base = np.asarray(black, x.dtype)
    v = x - base
    for factor, gray in zip(factors.T, (None, _mean_gray), strict=True):
        if (factor == 1).all():
            continue
        share = factor.astype(x.dtype)[:, None, None, None]
        if gray is None:
            v = share * v
        else:
            v = share * v + (1 - share) * gray(v)
        if white is not None:
            v = v.clip(0, np.asarray(white - black, x.dtype))
    return v + base


def cut_out(x: Array, size: int, centers: Floats, fill: Value) -> Array:
    """Return images with a square of ``size`` pixels that is filled with ``fill``, cut at the border.

    centers   centers of the squares in rows and columns, as shares of the image's height and width, (N, 2)
    """
    result = x.copy()
    for image, (row, column) in zip(result, np.floor(centers * x.shape[2:]).astype(np.int64).tolist(), strict=True):
        top = row - size // 2
        left = column - size // 2
        image[:, max(top, 0) : top + size, max(left, 0) : left + size] = fill
    return result


def _gray(v: Array) -> Array:
    """Return the gray levels (N, 1, H, W): weighted for three channels, otherwise the mean of the channels."""
    channels = v.shape[1]
    weights = [1 / channels] * channels
    if channels == len(GRAY):
        weights = GRAY
    total = weights[0] * v[:, :1]
    for channel in range(1, channels):
        total = total + weights[channel] * v[:, channel : channel + 1]
    return total


def _mean_gray(v: Array) -> Array:
    """Return the mean gray level of each image, (N, 1, 1, 1); each sum is independent of the other images."""
    means = [float(np.add.reduce(image.ravel(), dtype=np.float64)) / image.size for image in _gray(v)]
    return np.array(means, v.dtype)[:, None, None, None]
