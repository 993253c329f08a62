"""Randomness as a pure function of (seed, stream, step, sample, element).

A stream is a number for the purpose of the random values, such as one dropout layer (`stream_key`).

No generator has a state. Therefore, dropout, shuffling and augmentation do not depend on the engine or the number of
threads, and a run can be resumed from its step number alone. The mixing function is the finalizer of SplitMix64
(Steele, Lea, Flood 2014), applied once per coordinate.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

from chainrule.core.arrays import Floats, Ints

GOLDEN = 0x9E3779B97F4A7C15
MIX1 = 0xBF58476D1CE4E5B9
MIX2 = 0x94D049BB133111EB
MASK = 0xFFFFFFFFFFFFFFFF


def mix(key: int, value: int) -> int:
    """Mix a coordinate into a 64-bit key: z = key + (value + 1)·golden, followed by the finalizer of SplitMix64."""
    z = (key + value * GOLDEN + GOLDEN) & MASK
    z = ((z ^ (z >> 30)) * MIX1) & MASK
    z = ((z ^ (z >> 27)) * MIX2) & MASK
    return z ^ (z >> 31)


def mix_array(key: NDArray[np.uint64] | int, values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Apply `mix` element-wise to keys and values, which are broadcast against each other."""
    with np.errstate(over="ignore"):
        z = key + values * np.uint64(GOLDEN) + np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(MIX1)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(MIX2)
        return z ^ (z >> np.uint64(31))


def stream_key(purpose: str) -> int:
    """Return a stable stream number for a purpose such as "shuffle" or "dropout1"."""
    return zlib.crc32(purpose.encode())


def uniform(seed: int, stream: int, step: int, samples: Ints, elements: int) -> Floats:
    """Return uniform random values in [0, 1), one per sample and element: (len(samples), elements).

    u = ⌊mix(mix(mix(mix(seed, stream), step), sample), element) / 2¹¹⌋ · 2⁻⁵³
    """
    key = mix(mix(seed & MASK, stream), step)
    rows = mix_array(key, np.asarray(samples, np.uint64))[:, None]
    bits = mix_array(rows, np.arange(elements, dtype=np.uint64)[None, :])
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def generator(seed: int, purpose: str, *coordinates: int) -> np.random.Generator:
    """Return a NumPy generator seeded by the seed, a purpose such as "shuffle", and coordinates such as the epoch."""
    return np.random.Generator(np.random.Philox(key=_key(seed, purpose, coordinates)))


def child_seed(seed: int, purpose: str, *coordinates: int) -> int:
    """Return another seed below 2⁵³, which depends on a seed, a purpose and coordinates as `generator` does."""
    return _key(seed, purpose, coordinates) >> 11


def _key(seed: int, purpose: str, coordinates: tuple[int, ...]) -> int:
    key = mix(seed & MASK, stream_key(purpose))
    for coordinate in coordinates:
        key = mix(key, coordinate)
    return key
