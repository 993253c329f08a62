"""Mixup and CutMix: every training sample is mixed with another one that is drawn at random.

The other sample and the amount are functions of the seed, the epoch and the number of the sample. So a mixed sample
does not depend on the rest of its batch, and every process can mix its own share.

Source   Zhang et al. 2018 (mixup), Yun et al. 2019 (CutMix), and torchvision.transforms.v2, whose amount and rectangle
         are drawn once per batch
"""

import math

import numpy as np

from chainrule.core.arrays import Array, Floats, Ints
from chainrule.core.randomness import stream_key
from chainrule.data.coloring import Draw

STREAM = stream_key("mixing")
PARTNER, CHOICE, RADIUS, ANGLE, ROW, COLUMN = range(6)  # random numbers of a sample


def partners(draw: Draw, count: int) -> Ints:
    """Return the position, from 0 to count − 1, of the sample that each sample is mixed with, (N,)."""
    return np.floor(draw.uniform(STREAM, 1)[:, PARTNER] * count).astype(np.int64)


def mix(
    x: Array,
    targets: Array,
    weights: Array | None,
    strengths: tuple[float, float],
    draw: Draw,
) -> tuple[Array, Array, Array | None]:
    """Mix images with their partners: λ·x + (1 − λ)·partner, or x with a rectangle of the partner.

    Return the mixed images, targets and weights.

    λ is distributed as Beta(α, α). The rectangle of CutMix covers 1 − λ of the image, before it is cut at the border;
    then λ is the remaining share. Targets and weights are λ·t + (1 − λ)·t of the partner.

    x          images (2N, C, H, W), with the partners in the second half
    targets, weights   targets (2N, K), and weights (2N,) or None
    strengths  α of mixup and of CutMix; 0: it is not used. If both are used, each is chosen with probability ½
    draw       seed, epoch and numbers (N,) of the samples
    """
    count = len(x) // 2
    mixup, cutmix = strengths
    u = draw.uniform(STREAM, 6)
    # whether each image is cut: always if only CutMix is used, never if only mixup is
    is_cut = np.zeros(count, np.bool_)
    if cutmix:
        is_cut = (u[:, CHOICE] < 0.5) | (mixup == 0)
    mixed = np.array(x[:count])
    shares = np.empty(count)
    for n in range(count):
        partner = x[count + n]
        share = _beta(cutmix if is_cut[n] else mixup, u[n, RADIUS], u[n, ANGLE])
        shares[n] = share
        if is_cut[n]:
            box = _box(share, x.shape[2:], u[n, ROW], u[n, COLUMN])
            mixed[n][:, *box] = partner[:, *box]
            shares[n] = 1 - mixed[n, 0][box].size / mixed[n, 0].size
        else:
            mixed[n] = x.dtype.type(share) * x[n] + x.dtype.type(1 - share) * partner
    mixed_weights = None if weights is None else _blend(weights, shares)
    return mixed, _blend(targets, shares), mixed_weights


def _blend(array: Array, shares: Floats) -> Floats:
    share = shares.reshape(-1, *(1 for _ in array.shape[1:]))
    return share * array[: len(shares)] + (1 - share) * array[len(shares) :]


def _beta(alpha: float, u: float, v: float) -> float:
    """Return a number distributed as Beta(α, α), from two uniform numbers.

    T² = 2α (u^(−1/α) − 1) cos²(2πv) is the square of Student's t with 2α degrees of freedom (Bailey 1994), and
    ½ + ½ T/√(2α + T²) is distributed as Beta(α, α). Python's functions are used, because the last bit of NumPy's may
    depend on the length of an array.
    """
    power = math.pow(u, 1 / alpha)
    cosine = math.cos(2 * math.pi * v)
    square = (1 - power) * cosine * cosine
    if square == 0:  # power may be 0, too
        return 0.5
    return 0.5 + math.copysign(0.5 * math.sqrt(square / (power + square)), cosine)


def _box(share: float, size: tuple[int, ...], row: float, column: float) -> tuple[slice, slice]:
    """Return the rows and columns of a rectangle that covers 1 − share of an image, cut at its border."""
    half = 0.5 * math.sqrt(1 - share)
    height, width = size
    return _interval(row, half, height), _interval(column, half, width)


def _interval(position: float, half: float, length: int) -> slice:
    """Return the part of an axis around a position, up to a distance; both are shares of the length."""
    center = int(position * length)
    reach = int(half * length)
    return slice(max(center - reach, 0), min(center + reach, length))
