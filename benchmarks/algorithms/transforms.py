"""Fourier transforms of real arrays, and sizes with fast transforms.

SciPy is used if it is installed, so that the FFT is not at a disadvantage: it computes several transforms at once in
the lanes of vector registers, while NumPy computes one at a time. Both preserve float32.
"""

import importlib
from functools import cache
from importlib import metadata
from math import log2
from types import ModuleType

import numpy as np

from benchmarks.algorithms.layer import Array
from chainrule.core.shapes import Pair

AXES = (-2, -1)


@cache
def _library() -> ModuleType:
    try:
        return importlib.import_module("scipy.fft")
    except ImportError:
        return importlib.import_module("numpy.fft")


def library() -> str:
    """Return the name and version of the library that computes the transforms."""
    name = _library().__name__.partition(".")[0]
    return f"{name} {metadata.version(name)}"


def spectrum(x: Array, size: Pair) -> Array:
    """Return the half spectrum of real images (…, H, W), zero-padded to `size`; axes of size 1 are not transformed.

    (…, P, Q) → complex (…, P, Q/2 + 1), flat: (…, frequencies). The other half is its complex conjugate.
    """
    axes = _axes(size)
    spectra = _library().rfftn(x, s=[size[axis] for axis in axes], axes=axes)
    return spectra.reshape(*x.shape[:-2], -1)


def parts(spectra: Array) -> Array:
    """Return complex numbers (…) as their real and imaginary parts (…, 2), in the same memory."""
    return spectra.view(np.finfo(spectra.dtype).dtype).reshape(*spectra.shape, 2)


def image(spectra: Array, size: Pair) -> Array:
    """Return the real images (…, P, Q) of half spectra (…, frequencies)."""
    axes = _axes(size)
    half = tuple(side // 2 + 1 if axis == axes[-1] else side for axis, side in zip(AXES, size, strict=True))
    return _library().irfftn(spectra.reshape(*spectra.shape[:-1], *half), s=[size[axis] for axis in axes], axes=axes)


def frequencies(size: Pair) -> int:
    """Return the number of elements of the half spectrum."""
    last = size[_axes(size)[-1]]
    return size[0] * size[1] // last * (last // 2 + 1)


def multiplications(size: Pair) -> float:
    """Return the number of real multiplications for transforming P real numbers: P·log₂ P.

    Radix 2 needs P/2·log₂ P complex multiplications for P complex numbers, each of four real ones. Two real images can
    be the real and imaginary part of a complex image, so a real image costs half.
    """
    elements = size[0] * size[1]
    return elements * log2(elements)


@cache
def quick(minimum: int) -> int:
    """Return the smallest size of at least `minimum` without prime factors other than 2, 3 and 5."""
    size = minimum
    while _rest(size) > 1:
        size += 1
    return size


def _rest(size: int) -> int:
    for prime in (2, 3, 5):
        while size % prime == 0:
            size //= prime
    return size


def _axes(size: Pair) -> tuple[int, ...]:
    """Return the axes to transform: all axes larger than 1, or the last axis if there are none."""
    return tuple(axis for axis in AXES if size[axis] > 1) or (-1,)
