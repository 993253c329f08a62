"""Class names: the classes of a data set are matched with those of a network by name."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Ints
from chainrule.data.dataset import Dataset
from chainrule.data.sources import SampleSource, Subset
from chainrule.errors import DataError, SampleError

MAX_LABELS = 256  # labels of masks are bytes


def are_numbers(names: Sequence[str]) -> bool:
    """Return whether names are "0", "1", …, which data and networks have unless their classes are named."""
    return [*names] == [*map(str, range(len(names)))]


def rows_of(names: Sequence[str], classes: Sequence[str], source: str) -> Ints:
    """Return the number in ``classes`` of each name, (K,).

    If either are only numbers and they have no name in common, classes are matched by their number. Numbered data may
    have fewer classes: their labels are those of the network.

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


def numbers_of(y: Array, names: Sequence[str]) -> Ints:
    """Return the number in ``names`` of each label y (N,) or (N, 1); SampleError that lists unknown labels."""
    index_of = {name: number for number, name in enumerate(names)}
    texts = y.astype(str).reshape(len(y), -1)
    values, first, places = np.unique(texts, return_index=True, return_inverse=True)
    unknown = sorted((int(n), name) for n, name in zip(first, values.tolist(), strict=True) if name not in index_of)
    if unknown or texts.shape[1] != 1:
        number, name = unknown[0] if unknown else (0, texts[0, 1])
        number //= texts.shape[1]
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
    if data.has_classes:
        y = _relabeled(data.y, rows)
    elif len(rows) == len(classes):
        y = data.y[:, order]
    else:
        missing = ", ".join(repr(name) for number, name in enumerate(classes) if number not in rows)
        raise DataError(f"{data.name}: the target {missing} is missing; expected {', '.join(classes)}")
    return replace(data, y=y, classes=tuple(classes), validation=validation, mask_values=masks)


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
