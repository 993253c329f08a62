"""The test images offered by the page."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.engines.protocol import Array

COUNT = 200


@dataclass(frozen=True, eq=False)
class SampleImages:
    """Images x (N, …) as bytes, and labels (N,); targets (N, K) where they are numbers, not classes."""

    x: NDArray[np.uint8]
    labels: NDArray[np.int64]
    targets: NDArray[np.float64] | None = None

    def about(self) -> dict[str, Any]:
        """Return everything but the images, for JSON."""
        targets = None if self.targets is None else self.targets.tolist()
        return {"count": len(self.x), "labels": self.labels.tolist(), "targets": targets}


def no_images(shape: tuple[int, ...]) -> SampleImages:
    """Return an empty set of images of a shape."""
    return SampleImages(np.zeros((0, *shape), np.uint8), np.zeros(0, np.int64))


def images_with_targets(x: Array, targets: NDArray[np.float64], count: int = COUNT) -> SampleImages:
    """Return the first images with their targets; the largest target of an image serves as its label."""
    if x.dtype != np.uint8:
        return no_images(x.shape[1:])
    labels = targets[:count].argmax(1) if targets.shape[1] > 1 else (targets[:count, 0] > 0.5)
    return SampleImages(np.ascontiguousarray(x[:count], np.uint8), labels.astype(np.int64), targets[:count])


def choose_images(x: Array, labels: NDArray[np.int64], count: int = COUNT) -> SampleImages:
    """Return the first images; the first image of a class missing among them replaces one of the last."""
    if x.dtype != np.uint8:  # the page takes images as bytes
        return no_images(x.shape[1:])
    indices = list(range(min(count, len(x))))
    firsts = [int(np.argmax(labels == label)) for label in np.unique(labels)]
    missing = [place for place in firsts if place not in indices]
    if missing and len(missing) < len(indices):
        kept = _drop_surplus(indices, set(firsts), len(missing))
        indices = kept + missing
    return SampleImages(np.ascontiguousarray(x[indices], np.uint8), labels[indices])


def _drop_surplus(indices: list[int], needed: set[int], count: int) -> list[int]:
    """Return the indices without the last `count` of them that are not needed."""
    spare = [place for place in reversed(indices) if place not in needed][:count]
    return [place for place in indices if place not in spare]
