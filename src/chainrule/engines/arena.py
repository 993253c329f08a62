"""Placement of arrays: where they begin in memory, and in one workspace by lifetime: arrays that are never needed
together lie at the same place.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALIGNMENT = 64  # bytes: of a line of the caches, and of the longest vectors of processors


def new_zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array of zeros that begins with a line of the cache: a vector in two lines takes as long as two.

    NumPy's large arrays begin 16 bytes after a page.
    """
    size, itemsize = math.prod(shape), np.dtype(dtype).itemsize
    buffer = np.zeros(size + ALIGNMENT // itemsize, dtype)
    first = -buffer.ctypes.data % ALIGNMENT // itemsize
    return buffer[first : first + size].reshape(shape)


@dataclass
class Placed:
    """An array of a workspace, and the first and the last time at which it is needed.

    offset  where it begins in the workspace, in entries; set by `place`
    """

    storage: str
    size: int
    first: int
    last: int
    offset: int = 0

    def overlaps(self, other: "Placed") -> bool:
        """Return whether both are needed at some time."""
        return self.first <= other.last and other.first <= self.last


def place(arrays: Iterable[Placed]) -> int:
    """Set the offsets of arrays, the largest first and each as low as possible, and return the end of the last."""
    placed: list[Placed] = []
    for array in sorted(arrays, key=lambda each: -each.size):
        for other in sorted(filter(array.overlaps, placed), key=lambda each: each.offset):
            if other.offset < array.offset + array.size and array.offset < other.offset + other.size:
                array.offset = other.offset + other.size
        placed.append(array)
    return max((array.offset + array.size for array in placed), default=0)
