"""The test images that the page has to choose from."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.data.dataset import Dataset

COUNT = 200


@dataclass(frozen=True, eq=False)
class Pictures:
    """x (N, …) bytes, labels (N,)."""

    x: NDArray[np.uint8]
    labels: NDArray[np.int64]


def none(shape: tuple[int, ...]) -> Pictures:
    """No pictures of a shape."""
    return Pictures(np.zeros((0, *shape), np.uint8), np.zeros(0, np.int64))


def chosen(test: Dataset, count: int = COUNT) -> Pictures:
    """The first images of a test set; where they lack a class, its first image comes in for one of the last."""
    if test.x.dtype != np.uint8:  # the page takes pictures in bytes
        return none(test.shape)
    places = list(range(min(count, len(test))))
    firsts = [int(np.argmax(test.y == label)) for label in range(len(test.classes)) if (test.y == label).any()]
    missing = [place for place in firsts if place not in places]
    if missing and len(missing) < len(places):
        kept = _without(places, set(firsts), len(missing))
        places = kept + missing
    return Pictures(np.ascontiguousarray(test.x[places], np.uint8), test.y[places])


def _without(places: list[int], needed: set[int], count: int) -> list[int]:
    """The places without the last so many that are not needed."""
    spare = [place for place in reversed(places) if place not in needed][:count]
    return [place for place in places if place not in spare]
