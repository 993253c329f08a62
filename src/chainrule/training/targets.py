"""Targets of samples, with their weights in the loss. Labels become one-hot rows only when a batch is read."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Array, Bools, Floats, Ints, Shape
from chainrule.data.sources import checked_weights
from chainrule.errors import OptionError, SampleError
from chainrule.training import dense
from chainrule.training.dense import PositionWeights
from chainrule.training.options import LABELS


class OneHot:
    """One-hot rows (N, K) of labels (N,), which are made when they are indexed.

    100,000 labels of 1,000 classes take 0.8 MB instead of 800.

    labels   place of the class of each sample, (N,)
    """

    ndim = 2
    dtype = np.dtype(np.float64)

    def __init__(self, labels: Ints, classes: int) -> None:
        self.labels = labels
        self.shape = (len(labels), classes)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Ints | Bools | slice) -> Floats:
        """Return the rows at an index, a slice, a mask or indices."""
        labels = self.labels[index]
        return (labels[..., None] == np.arange(self.shape[1])).astype(np.float64)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """Return all rows."""
        return self[:].astype(dtype or self.dtype, copy=False)


Values: TypeAlias = Array | OneHot


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets of samples.

    values   (N, K): one-hot rows, zeros and ones, or any numbers, float64. Dense targets (N, K, …) are one-hot labels,
             uint8, or numbers
    kind     kind of the labels (`network.labels`); None: there are no labels
    weights  weight of each sample in the loss, (N,), or of each of its labels, (N, K); None if all are 1
    valid    for dense labels, whether each position counts, (N, …); None if all positions count
    class_weights   for dense labels, weight of each class in the loss, (K,), or (2,) for K = 1; None if all are 1
    """

    values: Values
    kind: str | None = None
    weights: Floats | None = None
    valid: Bools | None = None
    class_weights: Floats | None = None

    @staticmethod
    def of(y: Array, shape: Shape, ignore_label: int | None = None, kind: str | None = None) -> Targets:
        """Convert labels or targets for outputs of the given shape, (K,) or (K, …).

        y             labels (N,) or (N, 1), from 0 to K − 1, or targets (N, K). For a single output: targets (N,) or
                      (N, 1). For dense outputs (K, …): labels (N, …) or numbers (N, K, …)
        ignore_label  for dense labels, label of positions that do not count in the loss and the metrics; None: all do

        Errors   DataError if y does not match the outputs, or a target is not finite
        """
        if len(shape) > 1:
            values, valid = dense.targets_of(y, shape, ignore_label)
            return Targets(values, kind, valid=valid)
        if ignore_label is not None:
            raise OptionError(
                f"ignore_label {ignore_label} requires {LABELS}, but the outputs are a vector: "
                "leave out samples without a label"
            )
        outputs = math.prod(shape)
        if outputs > 1 and y.shape[1:] in ((), (1,)):
            return Targets(OneHot(dense.places_of(y.reshape(len(y)), outputs), outputs), kind)
        return Targets(dense.targets_of(y, shape)[0].astype(np.float64), kind)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def is_dense(self) -> bool:
        """Whether there is one target per position."""
        return self.values.ndim > 2

    @property
    def are_labels(self) -> bool:
        """Whether the targets are one label for each sample or position, not a row of numbers."""
        return isinstance(self.values, OneHot) or (self.is_dense and self.values.dtype == np.uint8)

    @cached_property
    def rows(self) -> Array:
        """Targets as rows (M, K): one per sample or position. For labels, one row per class that occurs."""
        if isinstance(self.values, OneHot):
            classes = self.values.shape[1]
            return np.eye(classes)[np.bincount(self.values.labels, minlength=classes) > 0]
        return dense.rows(self.values)

    @property
    def classes(self) -> Ints | None:
        """Class of each sample, (N,), if the targets are labels, one-hot rows, or a column of 0 and 1; else None."""
        values = self.values
        if isinstance(values, OneHot):
            return values.labels
        if self.is_dense or not ((values == 0) | (values == 1)).all():
            return None
        if values.shape[1] == 1:
            return values[:, 0].astype(np.int64)
        return values.argmax(1) if (values.sum(1) == 1).all() else None

    @property
    def largest(self) -> Ints:
        """Class of each sample or position, (N, …): the index of the largest target; of a single one, 1 for yes."""
        return self.values.labels if isinstance(self.values, OneHot) else dense.classes_of(self.values)

    @property
    def class_counts(self) -> Floats:
        """Number of samples or positions of each class, (K,), or (2,) for K = 1; samples count by their weight."""
        if isinstance(self.values, OneHot):
            return np.bincount(self.values.labels, self.weights, self.values.shape[1]).astype(np.float64)
        return dense.class_counts(self.values, self.valid, self.weights)

    @property
    def loss_weights(self) -> Floats | PositionWeights | None:
        """Weights in the loss: of samples, of their labels, or of positions of dense targets; None if all are 1."""
        options = self.valid, self.class_weights, self.weights
        if isinstance(self.values, OneHot) or not self.is_dense or all(option is None for option in options):
            return self.weights
        return PositionWeights(self.values, *options)

    def take(self, part: Ints) -> Targets:
        """Return the targets of the samples at the given indices."""
        values = self.values
        selected = OneHot(values.labels[part], values.shape[1]) if isinstance(values, OneHot) else values[part]
        weights, valid = (None if array is None else array[part] for array in (self.weights, self.valid))
        return replace(self, values=selected, weights=weights, valid=valid)

    def with_weights(self, weights: ArrayLike | None) -> Targets:
        """Return a copy with other weights (N,). If ``weights`` is None, return the targets unchanged.

        Errors   DataError unless there are N finite weights of at least 0
        """
        if weights is None:
            return self
        values = checked_weights(weights, len(self))
        invalid = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if invalid.size:
            problem = f"expected at least 0, found {values[invalid[0]]:g}"
            raise SampleError(f"sample weights: {problem} for sample {invalid[0]}", invalid[0])
        return replace(self, weights=values)

    def masked(self) -> Targets:
        """Return the targets with ``valid`` if they are dense: without ignored positions, all positions count."""
        if not self.is_dense or self.valid is not None:
            return self
        return replace(self, valid=np.broadcast_to(np.True_, (len(self), *self.values.shape[2:])))
