"""Placement of arrays in one workspace by lifetime: arrays that are never needed together lie at the same place."""

from collections.abc import Iterable
from dataclasses import dataclass


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

    def meets(self, other: "Placed") -> bool:
        """Return whether both are needed at some time."""
        return self.first <= other.last and other.first <= self.last


def place(arrays: Iterable[Placed]) -> int:
    """Set the offsets of arrays, the largest first, each as low as those allow that it meets; return the end of all."""
    placed: list[Placed] = []
    for array in sorted(arrays, key=lambda each: -each.size):
        for other in sorted(filter(array.meets, placed), key=lambda each: each.offset):
            if other.offset < array.offset + array.size and array.offset < other.offset + other.size:
                array.offset = other.offset + other.size
        placed.append(array)
    return max((array.offset + array.size for array in placed), default=0)
