"""Targets of dense predictions: one label, or one row of numbers, for each position of an image or a series.

The outputs of a dense prediction have the shape (K, H, W), or (K, L) in one dimension. Its labels have the shape
(N, H, W), and its numbers (N, K, H, W).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chainrule.core.arrays import Array, Bools, Floats, Ints, Shape
from chainrule.core.shapes import text
from chainrule.errors import DataError, SampleError, quoted

BLOCK = 64  # samples whose weights are computed at once
HALF = 0.5  # threshold of outputs that mean yes, unless others are set


@dataclass(frozen=True, eq=False)
class PositionWeights:
    """Weights of positions in the loss and in the metric. They are computed for a batch when it is needed.

    targets   one-hot labels (N, K, …), uint8; for K = 1, zeros and ones
    valid     whether each position counts, (N, …); None: all positions count
    classes   weight of each class, (K,), or (2,) for K = 1; None: all are 1
    samples   weight of each sample, (N,); None: all are 1

    ``weights[indices]`` returns an array (M, 2, …). Its first plane contains the weights in the loss, and its second
    plane the weights in the metric. Both are divided by the fraction of positions that count, so that the mean over all
    positions of a sample is the mean over those that count.
    """

    targets: Array
    valid: Bools | None = None
    classes: Floats | None = None
    samples: Floats | None = None

    def __getitem__(self, indices: Ints | slice) -> Floats:
        targets = self.targets[indices]
        positions = targets.shape[2:]
        valid: Floats = np.ones((len(targets), *positions))
        if self.valid is not None:
            valid = self.valid[indices].astype(np.float64)
        shares = valid.reshape(len(valid), -1).mean(1)
        per_sample = (len(valid), *[1] * len(positions))
        metric = valid / np.where(shares > 0, shares, 1).reshape(per_sample)
        loss = metric
        if self.samples is not None:
            loss = metric * self.samples[indices].reshape(per_sample)
        if self.classes is not None:
            loss = loss * self.classes[classes_of(targets)]
        return np.ascontiguousarray(np.stack([loss, metric], axis=1))

    @property
    def ndim(self) -> int:
        """Number of axes of the weights."""
        return self.targets.ndim

    def any(self) -> bool:
        """Return whether any position has a weight above 0."""
        for start in range(0, len(self.targets), BLOCK):
            weights = self[start : start + BLOCK]
            if weights[:, 0].any():
                return True
        return False


def are_yes(values: Array, thresholds: Sequence[float] = ()) -> Bools:
    """Return whether outputs or targets (N, K, …) mean yes: whether they are at least their threshold, (K,), or ½."""
    if not len(thresholds):
        return values >= HALF
    positions = values.ndim - 2
    return values >= np.reshape(thresholds, (-1, *[1] * positions))


def classes_of(targets: Array, thresholds: Sequence[float] = ()) -> Ints:
    """Return classes (N, …) of outputs or targets (N, K, …): the index of the maximum or, for K = 1, 1 for yes.

    thresholds   as in `are_yes`, for K = 1
    """
    if targets.shape[1] == 1:
        return are_yes(targets, thresholds)[:, 0].astype(np.int64)
    return targets.argmax(1)


def class_counts(targets: Array, valid: Bools | None, samples: Array | None = None) -> Floats:
    """Return the number of positions of each class, (K,), or (2,) for K = 1.

    samples   weight of each sample, (N,); None: all are 1
    """
    counts = np.zeros(max(targets.shape[1], 2))
    for n, sample in enumerate(targets):
        classes = classes_of(sample[None])[0]
        if valid is not None:
            classes = classes[valid[n]]
        weight = 1.0
        if samples is not None:
            weight = float(samples[n])
        counts += np.bincount(classes.ravel(), minlength=len(counts)) * weight
    return counts


def targets_of(y: Array, shape: Shape, ignore_label: int | None = None) -> tuple[Array, Bools | None]:
    """Convert labels or numbers for outputs of the given shape (K,) or (K, …) to targets (N, K) or (N, K, …).

    Return the targets, and an array (N, …) that is False at ignored positions, or None without ``ignore_label``. Labels
    become one-hot rows of uint8, which are zero at ignored positions. Numbers become floats.

    y             labels (N, …) or (N, 1, …), or numbers (N, K, …). For K = 1, whole numbers are labels if all are 0, 1
                  or `ignore_label`; a number per position may also have the shape (N, …)
    ignore_label  label of the positions to ignore; None: every position counts

    Errors   DataError for another shape, for labels that are out of range or not whole numbers, for numbers that are
             not finite, or if all positions of a sample are ignored
    """
    outputs, *positions = shape
    if y.shape[1:] in (tuple(positions), (1, *positions)):
        y = y.reshape(len(y), 1, *positions)
        is_yes_or_no = ignore_label is not None or bool(((y == 0) | (y == 1)).all())
        if outputs > 1 or (y.dtype.kind in "iub" and is_yes_or_no):
            return _labels(_finite(y)[:, 0], outputs, ignore_label)
    if y.shape[1:] != shape or ignore_label is not None:
        raise _misfit(y, shape, ignore_label)
    dtype = np.float64
    if y.dtype == np.float32:
        dtype = np.float32
    return _finite(y).astype(dtype), None


def _misfit(y: Array, shape: Shape, ignore_label: int | None) -> DataError:
    """Return the error for targets of another shape than that of the outputs, or that should be labels."""
    outputs, *positions = shape
    labels = _batch_shape(positions)
    if y.shape[1:] == shape:
        return DataError(f"ignore_label {quoted(ignore_label)} requires labels {labels}")
    network = f"a network with {outputs} outputs"
    advice = ""
    if positions:
        network = f"outputs {text(shape)}"
    elif y.ndim > 2:
        advice = "; a target per position requires outputs (K, H, W)"
    found = f"targets of shape ({', '.join(map(str, y.shape))}) for {network}"
    return DataError(f"{found}; expected labels {labels} or numbers {_batch_shape(shape)}{advice}")


def _batch_shape(axes: Sequence[int]) -> str:
    """Return the shape of a batch for messages, such as "(N, 3, 28, 28)"."""
    return f"({', '.join(map(str, ('N', *axes)))})"


def _finite(y: Array) -> Array:
    """Return targets unchanged; SampleError if one is not finite."""
    invalid = np.flatnonzero(~np.isfinite(y).reshape(len(y), -1).all(1))
    if invalid.size:
        raise SampleError(f"targets must be finite; the target of sample {invalid[0]} is not", invalid[0])
    return y


def places_of(y: Array, outputs: int) -> Ints:
    """Return labels (N,) as places of classes, from 0 to the number of outputs; DataError for other values."""
    _check_whole(_finite(y), outputs)
    labels = y.astype(np.int64)
    if y.dtype.kind != "b":
        _check_range(labels, max(outputs, 2), None)
    return labels


def _labels(y: Array, outputs: int, ignore_label: int | None) -> tuple[Array, Bools | None]:
    """Return one-hot targets of labels (N, …), and which positions count; None if all do."""
    _check_whole(y, outputs)
    labels = y
    if y.dtype.kind == "f":
        labels = y.astype(np.int64)
    valid = None
    if ignore_label is not None:
        valid = _valid(labels, ignore_label)
        labels = np.where(valid, labels, 0)  # any label in range, without effect
    _check_range(labels, max(outputs, 2), ignore_label)
    if outputs == 1:
        return labels[:, None].astype(np.uint8), valid
    targets = np.zeros((len(labels), outputs, *labels.shape[1:]), np.uint8)
    for k in range(outputs):
        targets[:, k] = labels == k
    if valid is not None:
        targets *= valid[:, None]
    return targets, valid


def _check_whole(y: Array, outputs: int) -> None:
    """Raise DataError unless labels (N, …) are whole numbers."""
    if y.dtype.kind in "iub" or (y.dtype.kind == "f" and not (y % 1).any()):
        return
    advice = f"numbers for {outputs} outputs have the shape {_batch_shape((outputs, *y.shape[1:]))}"
    raise DataError(f"labels must be whole numbers, found {y.dtype} of shape {y.shape}; {advice}")


def _valid(y: Array, ignore_label: int) -> Bools:
    """Return whether each position counts; SampleError if none of a sample does."""
    valid = y != ignore_label
    empty = np.flatnonzero(~valid.reshape(len(y), -1).any(1))
    if empty.size:
        problem = f"all positions of sample {empty[0]} have the ignored label {ignore_label}; leave it out"
        raise SampleError(problem, empty[0])
    return valid


def _check_range(y: Array, classes: int, ignore_label: int | None) -> None:
    """Raise SampleError for a label outside the classes."""
    if y.dtype.kind == "b":  # no and yes are classes of every network
        return
    outside = np.argwhere((y < 0) | (y >= classes))
    if not outside.size:
        return
    sample, *position = outside[0]
    where = ""
    advice = ""
    if position:
        where = f" at ({', '.join(map(str, position))})"
        if ignore_label is None:
            advice = "; for positions without a class, set ignore_label (--ignore-label)"
    label = f"label {y[sample, *position]} of sample {sample}{where}"
    raise SampleError(f"{label} is outside the classes 0 … {classes - 1}{advice}", sample)


def rows(targets: Array) -> Array:
    """Return targets (N, K, …) as rows (M, K): one per position, or one per class that occurs if they are labels."""
    if targets.ndim == 2:
        return targets
    outputs = targets.shape[1]
    if targets.dtype != np.uint8:
        return np.moveaxis(targets, 1, -1).reshape(-1, outputs)
    if outputs == 1:
        occurring = [label for label in (0.0, 1.0) if (targets == label).any()]
        return np.reshape(occurring, (-1, 1))
    occurs = [bool(targets[:, k].any()) for k in range(outputs)]
    return np.eye(outputs)[occurs]
