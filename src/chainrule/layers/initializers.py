"""Parameter initializers: functions of a parameter's shape, its fans and a random generator.

The fans of a kernel (C_out, C_in, KH, KW) are the numbers of connections per neuron: C_in·KH·KW in, C_out·KH·KW out.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import DTypeLike

from chainrule.core.arrays import Array, Floats
from chainrule.core.options import checked_options
from chainrule.errors import OptionError, quoted, unknown_name

WHITENING_BLOCK = 500  # number of images whose patches are extracted at once


@dataclass(frozen=True)
class Fans:
    """The numbers of connections into and out of one neuron of a layer."""

    fan_in: int
    fan_out: int


class Initializer(Protocol):
    """A function that draws a parameter's initial values."""

    def __call__(self, shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats: ...


def zeros(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
    """Return zeros.   Source   VanillaCNN eq. 8, 10, 12"""
    return np.zeros(shape)


def ones(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
    """Return ones, for the scale of batch normalization."""
    return np.ones(shape)


def glorot_uniform(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
    """Draw from U(±√(6 / (fan_in + fan_out))).

    For a kernel, fan_in + fan_out = (C_in + C_out)·K², which is VanillaCNN's (1+6)·5² and (6+12)·5².
    Source   VanillaCNN eq. 7, 9, 11; Glorot and Bengio 2010
    """
    bound = math.sqrt(6 / (fans.fan_in + fans.fan_out))
    return generator.uniform(-bound, bound, shape)


def he_normal(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
    """Draw from N(0, 2 / fan_in), which preserves the variance through ReLU.   Source   He et al. 2015"""
    return generator.normal(0.0, math.sqrt(2 / fans.fan_in), shape)


def he_uniform(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
    """Draw from U(±√(6 / fan_in)).   Source   He et al. 2015"""
    bound = math.sqrt(6 / fans.fan_in)
    return generator.uniform(-bound, bound, shape)


def lecun_normal(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
    """Draw from N(0, 1 / fan_in).   Source   LeCun et al. 1998"""
    return generator.normal(0.0, math.sqrt(1 / fans.fan_in), shape)


def lecun_uniform(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
    """Draw from U(±√(1 / fan_in)), PyTorch's default for weights."""
    bound = math.sqrt(1 / fans.fan_in)
    return generator.uniform(-bound, bound, shape)


def dirac(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
    """Return kernels whose filter o copies channel o. Filters without a channel are drawn by `lecun_uniform`.

    w[o,c,u,v] = 1 where c = o and (u, v) is the center (⌊KH/2⌋, ⌊KW/2⌋), else 0, for o < C_in
    Source   Zagoruyko and Komodakis 2017; PyTorch's `dirac_`; first filters only, as in airbench94 (Jordan 2024)
    """
    w = lecun_uniform(shape, fans, generator)
    same = range(min(shape[:2]))
    w[: len(same)] = 0
    w[(same, same, *(size // 2 for size in shape[2:]))] = 1
    return w


def whiten(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
    """Draw from `lecun_uniform`. Training replaces these values before the first step; see `whitening`."""
    return lecun_uniform(shape, fans, generator)


def whitening(w: Array, x: Array, epsilon: float = 5e-4) -> Array:
    """Return kernels with the same shape as w (C_out, C_in, KH, KW) that decorrelate the patches of the images x.

    w[k] = e_k / √(λ_k + ε),  w[K+k] = −w[k]        k < K = min(⌊C_out/2⌋, C_in·KH·KW)

    λ_k and e_k are the largest eigenvalues, in descending order, and the corresponding eigenvectors of the mean of p pᵀ
    over all patches p of the images (N, C_in, H, W). The entry of e_k with the largest magnitude is positive. Filters
    from index 2K onwards are copied from w.
    Source   Page 2018, How to train your ResNet; both signs as in airbench94 (Jordan 2024)
    """
    size = w[0].size
    total = np.zeros((w[0].size,) * 2)
    patches = 0
    for start in range(0, len(x), WHITENING_BLOCK):
        block = x[start : start + WHITENING_BLOCK].astype(np.float64)
        windows = np.lib.stride_tricks.sliding_window_view(block, w.shape[2:], (2, 3))
        rows = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, size)
        total += rows.T @ rows
        patches += len(rows)
    values, vectors = np.linalg.eigh(total / patches)
    count = min(len(w) // 2, size)
    directions = vectors.T[::-1][:count]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], 1)
    filters = directions * np.sign(largest) / np.sqrt(values[::-1][:count, None].clip(0) + epsilon)
    kernels = w.copy()
    kernels[: 2 * count] = np.concatenate([filters, -filters]).reshape(2 * count, *w.shape[1:])
    return kernels


@checked_options
@dataclass(frozen=True)
class Normal:
    """Initializer that draws from N(0, std²), independent of the fans. The Independent Code uses ``Normal(1.0)``."""

    std: float = 1.0

    def __post_init__(self) -> None:
        if self.std < 0:
            raise OptionError(f"Normal: std {quoted(self.std)}: expected a standard deviation of at least 0")

    def __call__(self, shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> Floats:
        return generator.normal(0.0, self.std, shape)


NAMED: dict[str, Initializer] = {
    "zeros": zeros,
    "ones": ones,
    "glorot_uniform": glorot_uniform,
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "lecun_normal": lecun_normal,
    "lecun_uniform": lecun_uniform,
    "dirac": dirac,
    "whiten": whiten,
}


def find(name: str, what: str = "initializer") -> Initializer:
    """Return the initializer with a given name: one of `NAMED`, ``normal`` or ``normal:STD``.

    what   what is named, for messages
    """
    if name in NAMED:
        return NAMED[name]
    kind, _, std = str(name).partition(":")
    if kind != "normal":
        raise unknown_name(what, name, [*NAMED, "normal", "normal:STD"])
    try:
        value = float(std or 1.0)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise OptionError(f"{what} {name!r}: expected a standard deviation of at least 0, as in normal:0.1")
    return Normal(value)


def draw(name: str, shape: tuple[int, ...], fans: Fans, generator: np.random.Generator, dtype: DTypeLike) -> Array:
    """Draw a parameter's initial values in float64 and round them to the model's dtype."""
    return find(name)(shape, fans, generator).astype(dtype)
