"""Class names: the classes of a data set are matched with those of a network by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Ints
from chainrule.data.dataset import Dataset
from chainrule.data.sources import SampleSource, Subset
from chainrule.errors import DataError, SampleError, printable_name

MAX_LABELS = 256  # labels of masks are bytes


def are_numbers(names: Sequence[str]) -> bool:
    """Return whether names are "0", "1", …, which data and networks have unless their classes are named."""
    return [*names] == [*map(str, range(len(names)))]


def rows_of(names: Sequence[str], classes: Sequence[str], source: str) -> Ints:
    """Return the number in ``classes`` of each name, (K,).

    If either are only numbers and they have no name in common, classes are matched by their number. Numbered data may
    have fewer classes: their labels are those of the network.

    ("dog", "cat") in ("cat", "cow", "dog") is [2, 0]; ("0", "1") in these classes, or in ("cat", "dog"), is [0, 1].

    classes   class names of a network
    source    name of the data, for the message

    Errors    DataError that lists the names that are not in ``classes``
    """
    number_of = {name: number for number, name in enumerate(classes)}
    unknown = [name for name in names if name not in number_of]
    numbered = are_numbers(names)
    fits = len(names) == len(classes) or (numbered and len(names) < len(classes))
    if unknown and fits and len(unknown) == len(names) and (numbered or are_numbers(classes)):
        return np.arange(len(names))
    if unknown:
        listed = ", ".join(map(repr, unknown))
        raise DataError(f"{source}: this model has no class {listed}; it has: {', '.join(classes)}")
    return np.array([number_of[name] for name in names], np.int64)


def share_names(names: Sequence[str], classes: Sequence[str]) -> bool:
    """Return whether the classes of a data set and of a network have a name in common. Only numbers are no names."""
    return not are_numbers(names) and not {*names}.isdisjoint(classes)


def recorded_classes(data: Any) -> tuple[str, ...]:
    """Return the class names that a data set of PyTorch records as ``classes``, or that of a subset or a DataLoader.

    The result is empty if there are none, or if a ``target_transform`` of the data set changes the labels.
    """
    while data is not None and getattr(data, "target_transform", None) is None:
        names: Sequence[Any] = getattr(data, "classes", ())
        if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
            return tuple(map(printable_name, names))
        data = getattr(data, "dataset", None)
    return ()


def numbers_of(y: Array, names: Sequence[str]) -> Ints:
    """Return the number in ``names`` of each label y (N,) or (N, 1); SampleError that lists unknown labels."""
    index_of = {name: number for number, name in enumerate(names)}
    texts = y.astype(str).reshape(len(y), -1)
    # each label that occurs, its first flat index in `texts`, and its number for each element of `texts`
    values, first, places = np.unique(texts, return_index=True, return_inverse=True)
    unknown = sorted((int(n), name) for n, name in zip(first, values.tolist(), strict=True) if name not in index_of)
    if unknown or texts.shape[1] != 1:
        flat_index, name = unknown[0] if unknown else (0, texts[0, 1])  # a second column has no class
        number = flat_index // texts.shape[1]
        others = f" (nor are {', '.join(repr(other[:40]) for _, other in unknown[1:])})" if unknown[1:] else ""
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise SampleError(
            f"label {name[:40]!r} of sample {number} is not a class of the model: {shown}{others}; "
            "name the classes with Sequential(…, classes=[…])",
            number,
        )
    return np.array([index_of[name] for name in values.tolist()], np.int64)[places.reshape(-1)]


def matched(data: Dataset, classes: Sequence[str]) -> Dataset:
    """Return a data set whose labels, or columns of targets, are those of a network, matched by name (`rows_of`).

    classes   class names of the network; a single one for a single output, which suffices for two classes

    Errors    DataError as `rows_of`, or if targets of the network are missing
    """
    if data.has_classes and len(classes) == 1:
        classes = ("0", "1")
    rows = rows_of(data.classes, classes, data.name)
    order = np.argsort(rows)
    validation, masks = data.validation and matched(data.validation, classes), data.mask_values
    if masks is not None:  # the values of the labels 0, 1, …
        is_start = np.array_equal(rows[order], np.arange(len(rows)))
        masks = replace(masks, values=tuple(masks.values[int(k)] for k in order)) if is_start else None
    y = _relabeled(data.y, rows) if data.has_classes else _in_order(data.y, rows, classes, data.name)
    return replace(data, y=y, classes=tuple(classes), validation=validation, mask_values=masks)


def matched_targets(y: Array, names: Sequence[str], classes: Sequence[str], axes: int) -> Array:
    """Return the targets y of a batch from a data set whose class names are known, as `matched`.

    y        labels (N,) or (N, 1), labels of positions (N, …), or a column for each class, (N, K, …)
    names    class names of the data set
    axes     number of axes of a target with a column for each class: 1, or more for dense outputs

    Errors   SampleError for a label (N,) outside the class names; DataError as `matched`
    """
    source = "the data set"
    if y.dtype.kind in "US":
        return y
    if y.ndim == 1 + axes and y.shape[1] == len(names) > 1:
        return _in_order(y, rows_of(names, classes, source), classes, source)
    labels = y.astype(np.int64)
    outside = np.flatnonzero((axes == 1) & ((labels != y) | (labels < 0) | (labels >= len(names))))
    if outside.size:
        label, last = y.reshape(-1)[outside[0]], len(names) - 1
        raise SampleError(
            f"label {label} of sample {outside[0]}: expected one of the {source}'s classes, 0 … {last}", int(outside[0])
        )
    return _relabeled(labels, rows_of(names, classes if len(classes) > 1 else ("0", "1"), source))


def _in_order(y: Array, rows: Ints, classes: Sequence[str], source: str) -> Array:
    """Return columns of targets (N, K, …), which belong to the rows (K,) of a network, in its order."""
    if len(rows) == len(classes):
        return y[:, np.argsort(rows)]
    missing = ", ".join(repr(name) for number, name in enumerate(classes) if number not in rows)
    raise DataError(f"{source}: the target {missing} is missing; expected {', '.join(classes)}")


def _relabeled(labels: Any, rows: Ints) -> Any:
    """Return labels, or a source of labels, with other numbers (K,). Labels outside the K classes are kept."""
    if np.array_equal(rows, np.arange(len(rows))):
        return labels
    if isinstance(labels, SampleSource):
        return RelabeledMasks(labels, rows)
    is_class = (labels >= 0) & (labels < len(rows))
    return np.where(is_class, rows[labels.clip(0, len(rows) - 1)], labels)


class RelabeledMasks(Subset):
    """Masks of another source with other numbers of the labels, (K,)."""

    def __init__(self, source: SampleSource, rows: Ints) -> None:
        super().__init__(source, np.arange(len(source)))
        self._new = np.arange(MAX_LABELS)
        self._new[: len(rows)], self.occurring = rows, None

    def read(self, indices: Ints) -> Array:
        """Return the masks at indices (M,) with the new labels."""
        return self._new[super().read(indices)]

    subset = SampleSource.subset
