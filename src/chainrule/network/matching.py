"""Data sets whose classes have names: their labels become those of a network with the same classes in another order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Ints
from chainrule.data.dataset import Dataset
from chainrule.errors import DataError
from chainrule.network.labels import Labels, are_numbers, is_whole


def matched(data: Dataset, labels: Labels) -> Dataset:
    """Return a data set whose labels, or columns of targets, are those of a network, matched by name.

    Classes that are only numbered on either side are matched by their number, if they have no name in common and their
    names are no other numbers. Numbered data may have fewer classes.

    labels   labels of the network; those of a single output have two classes

    Errors   DataError that lists names which are not classes, or if targets of the network are missing
    """
    classes = labels.classes if data.has_classes else labels.names
    if data.classes == classes:
        return data
    rows = _rows_of(labels, data.classes, data.name)
    if data.has_classes:
        y = _relabeled(data.y, rows)
    else:
        y = _in_order(data.y, rows, classes, data.name)
    validation = data.validation and matched(data.validation, labels)
    return replace(data, y=y, classes=tuple(classes), validation=validation)


def _rows_of(labels: Labels, names: Sequence[str], source: str) -> Ints:
    """Return the place of each class of a data set whose classes have names, (K,).

    ("dog", "cat") in ("cat", "cow", "dog") is [2, 0]; ("0", "1") in these classes, or in ("cat", "dog"), is [0, 1].

    source   name of the data, for the message
    """
    own = labels.classes if len(names) > 1 else labels.names
    unknown = [name for name in names if name not in own]
    if not unknown:
        return np.array([own.index(name) for name in names], np.int64)
    if len(unknown) == len(names) and _are_numbered_alike(labels, names, own):
        return np.arange(len(names))
    listed = ", ".join(map(repr, unknown))
    raise DataError(f"{source}: this model has no class {listed}; it has: {', '.join(own)}")


def _are_numbered_alike(labels: Labels, names: Sequence[str], own: Sequence[str]) -> bool:
    """Return whether classes without a name in common correspond by their number."""
    if are_numbers(names):
        return len(names) <= len(own) and labels.numbers_are_places
    return are_numbers(own) and len(names) == len(own) and not all(map(is_whole, names))


def _in_order(y: Array, rows: Ints, classes: Sequence[str], source: str) -> Array:
    """Return columns of targets (N, K, …), which belong to the rows (K,) of a network, in its order."""
    if len(rows) == len(classes):
        return y[:, np.argsort(rows)]
    missing = [repr(name) for number, name in enumerate(classes) if number not in rows]
    raise DataError(f"{source}: the target {', '.join(missing)} is missing; expected {', '.join(classes)}")


def _relabeled(labels: Any, rows: Ints) -> Any:
    """Return labels with other numbers (K,). Labels outside the K classes are kept."""
    if np.array_equal(rows, np.arange(len(rows))):
        return labels
    is_class = (labels >= 0) & (labels < len(rows))
    return np.where(is_class, rows[labels.clip(0, len(rows) - 1)], labels)
