"""How parameters begin: pure functions of a shape, its fans and a generator.

The fans of a kernel (C_out, C_in, KH, KW) are the connections of one cell: C_in·KH·KW in, C_out·KH·KW out.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chainrule.errors import OptionError, one_of


@dataclass(frozen=True)
class Fans:
    """Connections into and out of one cell of a layer."""

    into: int
    out: int


class Initializer(Protocol):
    """Draws the first values of a parameter."""

    def __call__(self, shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> NDArray[np.float64]: ...


def zeros(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> NDArray[np.float64]:
    """All 0.   Source   VanillaCNN eq. 8, 10, 12"""
    return np.zeros(shape)


def ones(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> NDArray[np.float64]:
    """All 1: the scale of batch normalisation."""
    return np.ones(shape)


def glorot_uniform(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> NDArray[np.float64]:
    """U(±√(6 / (fan_in + fan_out))).

    For a kernel fan_in + fan_out = (C_in + C_out)·K², which is VanillaCNN's (1+6)·5² and (6+12)·5².
    Source   VanillaCNN eq. 7, 9, 11; Glorot and Bengio 2010
    """
    bound = math.sqrt(6 / (fans.into + fans.out))
    return generator.uniform(-bound, bound, shape)


def he_normal(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> NDArray[np.float64]:
    """N(0, 2 / fan_in): keeps the variance through ReLU.   Source   He et al. 2015"""
    return generator.normal(0.0, math.sqrt(2 / fans.into), shape)


def he_uniform(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> NDArray[np.float64]:
    """U(±√(6 / fan_in)).   Source   He et al. 2015"""
    bound = math.sqrt(6 / fans.into)
    return generator.uniform(-bound, bound, shape)


def lecun_normal(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> NDArray[np.float64]:
    """N(0, 1 / fan_in).   Source   LeCun et al. 1998"""
    return generator.normal(0.0, math.sqrt(1 / fans.into), shape)


def lecun_uniform(shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> NDArray[np.float64]:
    """U(±√(1 / fan_in)): PyTorch's default for its layers, biases aside."""
    bound = math.sqrt(1 / fans.into)
    return generator.uniform(-bound, bound, shape)


@dataclass(frozen=True)
class Normal:
    """N(0, std²), whatever the fans: ``Normal(1.0)`` is what the Independent Code draws."""

    std: float = 1.0

    def __call__(self, shape: tuple[int, ...], fans: Fans, generator: np.random.Generator) -> NDArray[np.float64]:
        return generator.normal(0.0, self.std, shape)


NAMED: dict[str, Initializer] = {
    function.__name__: function
    for function in (zeros, ones, glorot_uniform, he_normal, he_uniform, lecun_normal, lecun_uniform)
}


def find(name: str) -> Initializer:
    """The initialiser of that name: one of `NAMED`, or ``normal`` and ``normal:STD``."""
    if name in NAMED:
        return NAMED[name]
    kind, _, std = name.partition(":")
    if kind != "normal":
        raise one_of("initialiser", name, [*NAMED, "normal", "normal:STD"])
    try:
        value = float(std or 1.0)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise OptionError(f"initialiser {name!r}: expected a standard deviation of at least 0, as in normal:0.1")
    return Normal(value)


def draw(name: str, shape: tuple[int, ...], fans: Fans, generator: np.random.Generator, dtype: Any) -> NDArray[Any]:
    """The first values of a parameter, drawn in float64 and rounded to the dtype of the model."""
    return find(name)(shape, fans, generator).astype(dtype)
