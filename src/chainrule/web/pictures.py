"""The test images that the page has to choose from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.engines import Array

COUNT = 200


@dataclass(frozen=True, eq=False)
class Pictures:
    """x (N, …) bytes, labels (N,)."""

    x: NDArray[np.uint8]
    labels: NDArray[np.int64]


def none(shape: tuple[int, ...]) -> Pictures:
    """No pictures of a shape."""
    return Pictures(np.zeros((0, *shape), np.uint8), np.zeros(0, np.int64))


def chosen(x: Array, labels: NDArray[np.int64], count: int = COUNT) -> Pictures:
    """The first of some images; where they lack a class, its first image comes in for one of the last."""
    if x.dtype != np.uint8:  # the page takes pictures in bytes
        return none(x.shape[1:])
    places = list(range(min(count, len(x))))
    firsts = [int(np.argmax(labels == label)) for label in np.unique(labels)]
    missing = [place for place in firsts if place not in places]
    if missing and len(missing) < len(places):
        kept = _without(places, set(firsts), len(missing))
        places = kept + missing
    return Pictures(np.ascontiguousarray(x[places], np.uint8), labels[places])


def _without(places: list[int], needed: set[int], count: int) -> list[int]:
    """The places without the last so many that are not needed."""
    spare = [place for place in reversed(places) if place not in needed][:count]
    return [place for place in places if place not in spare]
