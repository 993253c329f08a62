"""Memory placement: aligned arrays, and workspaces where arrays with disjoint lifetimes share memory."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 64  # bytes; size of a cache line and of the largest vector registers


def new_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Return an array of zeros, aligned to 64 bytes.

    NumPy's large arrays are only aligned to 16 bytes, and access to a vector that crosses a cache line takes twice as
    long.
    """
    size = math.prod(shape)
    itemsize = np.dtype(dtype).itemsize
    buffer = np.zeros(size + ALIGNMENT // itemsize, dtype)
    first = -buffer.ctypes.data % ALIGNMENT // itemsize
    return buffer[first : first + size].reshape(shape)


@dataclass
class Placed:
    """An array in a workspace, with its lifetime.

    storage      name of the array
    size         number of elements
    first, last  times of its first and its last use
    offset       index of its first element in the workspace; set by `place`
    """

    storage: str
    size: int
    first: int
    last: int
    offset: int = 0

    def overlaps(self, other: "Placed") -> bool:
        """Return whether the lifetimes overlap."""
        return self.first <= other.last and other.first <= self.last


def place(arrays: Iterable[Placed]) -> int:
    """Set the offsets of the arrays, and return the size of the workspace.

    Arrays are placed in order of decreasing size. Each is placed at the lowest offset where it does not overlap arrays
    that are needed at the same time.
    """
    placed: list[Placed] = []
    for array in sorted(arrays, key=lambda item: -item.size):
        for other in sorted(filter(array.overlaps, placed), key=lambda item: item.offset):
            if other.offset < array.offset + array.size and array.offset < other.offset + other.size:
                array.offset = other.offset + other.size
        placed.append(array)
    return max((array.offset + array.size for array in placed), default=0)
