"""Samples and classes of data sets that are selected, and data sets that are joined."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Ints
from chainrule.core.randomness import generator
from chainrule.data.columns import COLUMNS
from chainrule.data.containers import Column, Data, PassedData
from chainrule.data.sources import as_array
from chainrule.errors import DataError, unknown_name


def _selected(column: Column, indices: Ints) -> Column:
    """Return some samples of a column, in memory; series may have different lengths."""
    series = column.series
    if series:
        return Column([series[index] for index in indices.tolist()])
    return Column(column.values[indices])


def selected_samples(data: Data, indices: Ints) -> PassedData:
    """Return the samples of columns at the given indices, in memory."""
    inputs = {name: _selected(column, indices) for name, column in data.inputs.items()}
    targets = {name: _selected(column, indices) for name, column in data.targets.items()}
    selected = PassedData(inputs, targets)
    return selected if data.weights is None else replace(selected, weights=as_array(data.weights)[indices])


def only(data: Any, labels: Sequence[int | str]) -> Any:
    """Return the samples of some classes, as `Dataset.only`."""
    _require_classes(data)
    numbers = [_class_number(data, label) for label in labels]
    if len(set(numbers)) != len(numbers):
        raise DataError(f"{data.name}: classes {list(labels)} name one class twice")
    new_label = np.full(len(data.classes), -1, np.int64)
    new_label[numbers] = np.arange(len(numbers))
    y = new_label[data.y]
    selected = y >= 0
    names = tuple(data.classes[number] for number in numbers)
    validation = data.validation and only(data.validation, labels)
    return replace(data.take(np.flatnonzero(selected)), y=y[selected], classes=names, validation=validation)


def per_class(data: Any, count: int, seed: int | None) -> Any:
    """Return ``count`` samples of every class, as `Dataset.per_class`."""
    _require_classes(data)
    selected = list[Ints]()
    for label, name in enumerate(data.classes):
        members = np.flatnonzero(data.y == label)
        if not 1 <= count <= len(members):
            raise DataError(f"{data.name}: cannot take {count} samples of class {name!r}, which has {len(members)}")
        if seed is not None:
            members = generator(seed, "per class", label).permutation(members)
        selected.append(members[:count])
    return data.take(np.sort(np.concatenate(selected)))


def joined(first: Any, second: Any) -> Any:
    """Return a data set with the samples of both, in memory, and the classes of the first, then those of the second.

    Classes are the same if they have the same name. Other targets have to have the same names in the same order.
    Validation data stay those of the first. Names of images are kept if both have them.

    Errors   DataError if images or targets have other shapes or dtypes, or if only one has weights
    """
    if not isinstance(second, type(first)):
        raise DataError(f"{first.name} + {type(second).__name__}: expected a Dataset")
    names = f"{first.name} + {second.name}"
    first_kind = _kind(first)
    second_kind = _kind(second)
    if first_kind != second_kind:
        raise DataError(f"{names}: expected the same images and targets, found {first_kind} and {second_kind}")
    classes = first.classes
    second_y = np.asarray(second.y)
    if first.has_classes and not first.is_dense:
        for name in second.classes:
            if name not in first.classes:
                classes = (*classes, name)
        labels = np.array([classes.index(name) for name in second.classes])
        second_y = labels[second_y]
    elif classes != second.classes:
        raise DataError(f"{names}: expected the same targets, found {classes[:5]} and {second.classes[:5]}")
    columns = dict[str, Array | None]()
    for name in COLUMNS:
        columns[name] = _joined_column(name, getattr(first, name), getattr(second, name), names)
    x = np.concatenate([np.asarray(first.x), np.asarray(second.x)])
    y = np.concatenate([np.asarray(first.y), second_y])
    digits = first.digits and second.digits
    return replace(first, x=x, y=y, classes=classes, name=names, digits=digits, remarks=(), **columns)


def _kind(data: Any) -> tuple[object, ...]:
    """Return what data sets must have in common to be joined."""
    return data.sample_shape, str(data.x.dtype), data.y.ndim


def _joined_column(name: str, first: Array | None, second: Array | None, both: str) -> Array | None:
    """Return a column of joined data sets; None if both lack it, or if one lacks names, which only serve messages.

    both   name of the joined data set
    """
    if first is not None and second is not None:
        return np.concatenate([first, second])
    is_in_one = first is not None or second is not None
    if is_in_one and name != "names":
        raise DataError(f"{both}: only one of them has {name}")
    return None


def _require_classes(data: Any) -> None:
    if not data.has_classes or data.is_dense:
        raise DataError(f"{data.name}: the images have targets instead of classes")


def _class_number(data: Any, label: int | str) -> int:
    if isinstance(label, str) and label in data.classes:
        return data.classes.index(label)
    if not isinstance(label, str) and 0 <= label < len(data.classes):
        return int(label)
    raise DataError(f"{data.name}: {unknown_name('class', label, data.classes)}")
