"""Samples as training takes them: pixels kept as they came, made into normalised batches when they are needed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from chainrule.data.augmentation import Augmentation
from chainrule.data.batches import held_back
from chainrule.data.dataset import Dataset
from chainrule.data.normalisation import Normalisation
from chainrule.engines import Array
from chainrule.errors import DataError
from chainrule.shapes import text


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs x (N, *input_shape) and targets t, float (N, K): one-hot rows, or any numbers for the squared errors."""

    x: Array
    targets: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x)

    @staticmethod
    def of(x: ArrayLike, y: ArrayLike, classes: int) -> "Samples":
        """Samples from inputs and labels (N,) from 0 to classes − 1, or targets (N, classes)."""
        inputs, given = np.asarray(x), np.asarray(y)
        if len(inputs) == 0:
            raise DataError("the data is empty")
        if len(inputs) != len(given):
            raise DataError(f"{len(inputs)} inputs but {len(given)} targets")
        return Samples(inputs, _targets(given, classes))

    @staticmethod
    def of_dataset(dataset: Dataset, classes: int) -> "Samples":
        """The samples of a data set, for a network with so many outputs."""
        if len(dataset.classes) > classes:
            raise DataError(f"{dataset.name} has {len(dataset.classes)} classes, and the network {classes} outputs")
        return Samples.of(dataset.x, dataset.y, classes)

    def held_back(self, share: float, seed: int) -> tuple["Samples", "Samples"]:
        """The rest and a share, chosen by the seed: training and validation."""
        kept, held = (Samples(self.x[part], self.targets[part]) for part in held_back(len(self), share, seed))
        return kept, held

    def parts(self, share: float, seed: int) -> tuple["Samples", "Samples | None"]:
        """What is trained on and what validates: `held_back`, or all and nothing for a share of 0."""
        return self.held_back(share, seed) if share else (self, None)

    def batch(
        self,
        indices: NDArray[np.int64],
        normalisation: Normalisation,
        dtype: DTypeLike,
        augmentation: Augmentation | None = None,
        *,
        seed: int = 0,
        epoch: int = 0,
    ) -> tuple[Array, Array]:
        """The samples at some indices: x normalised (and changed, if augmented) and their targets."""
        x = normalisation.apply(self.x[indices], dtype)
        if augmentation:
            fill = normalisation.background
            x = np.ascontiguousarray(augmentation.apply(x, seed=seed, step=epoch, samples=indices, fill=fill), dtype)
        return x, self.targets[indices].astype(dtype)


def _targets(y: Array, classes: int) -> NDArray[np.float64]:
    """One-hot rows of labels; targets as they are."""
    if y.ndim == 2:
        if y.shape[1] != classes:
            raise DataError(f"targets of shape {text(y.shape)} for a network with {classes} outputs")
        if not np.isfinite(y).all():
            raise DataError("targets must be finite")
        return y.astype(np.float64)
    if y.ndim != 1 or y.dtype.kind not in "iub":
        raise DataError(f"labels must be whole numbers of shape (N,), found {y.dtype} of shape ({text(y.shape)})")
    outside = np.flatnonzero((y < 0) | (y >= classes))
    if outside.size:
        raise DataError(f"label {y[outside[0]]} of sample {outside[0]} is outside the classes 0 … {classes - 1}")
    return np.eye(classes)[y.astype(np.int64)]
