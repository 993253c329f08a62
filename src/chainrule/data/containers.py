"""Data in the forms that users pass. Containers are recognized here, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

import numpy as np

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Ints
from chainrule.data.sources import SampleSource, as_array, as_samples, refuse_frames
from chainrule.errors import DataError, OptionError

LISTS: tuple[type, ...] = (list, tuple)


def are_files(x: object) -> bool:
    """Return whether inputs are the path of files, a Pillow image, or a list of paths or images."""
    pillow = sys.modules.get("PIL.Image")
    values = cast("Sequence[object]", x) if isinstance(x, LISTS) else [x]
    for value in values:
        if not (isinstance(value, (str, os.PathLike)) or (pillow is not None and isinstance(value, pillow.Image))):
            return False
    return bool(values)


class Column:
    """One input or one target of all samples, as it was passed.

    passed   array, `SampleSource`, memory-mapped array, or list of the samples
    Errors   DataError for a frame
    """

    def __init__(self, passed: Any) -> None:
        refuse_frames(passed)
        self.passed = passed

    @cached_property
    def values(self) -> Any:
        """Array or `SampleSource` of all samples, (N, …); DataError for samples of different shapes."""
        if isinstance(self.passed, SampleSource):
            return self.passed
        return as_samples(as_array(self.passed))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array of all samples, (N, …); () for samples of different shapes."""
        if not isinstance(self.passed, LISTS):
            return tuple(getattr(self.passed, "shape", ()))
        try:
            return np.shape(self.passed)
        except (ValueError, TypeError, RuntimeError):  # also of PyTorch tensors in a list
            return ()

    def take(self, indices: Ints) -> Column:
        """Return some samples of the column, in memory."""
        return Column(self.values[indices])

    @property
    def parts(self) -> list[Column]:
        """The entries of a list or a tuple as columns of their own; empty for other data."""
        return list(map(Column, self.passed)) if isinstance(self.passed, LISTS) else []


class Data:
    """Samples with their targets: a `Dataset`, or what `Data.of` recognizes.

    inputs, targets   columns by name; by number if they are in order; "" is a single one, or one that a network with
                      several inputs divides
    files         inputs that are not loaded yet (`are_files`); without targets, the path of a folder of images or of an
                  .npz file; None for other data
    weights       weight of each sample in the loss, (N,); None: all are 1
    classes       names of the classes of the labels, which are their places; empty: the labels are labels of a network
    validation    the validation data that belong to the data; None if there are none
    digits        as in `Dataset`
    """

    inputs: Mapping[Any, Column]
    targets: Mapping[Any, Column]
    files: Any = None
    weights: Any = None
    classes: tuple[str, ...] = ()
    validation: Data | None = None
    digits: bool = False

    @staticmethod
    def of(x: Any, y: Any = None, *, weights: Any = None) -> Data:
        """Return data of any form: arrays, series, several of them, a `Dataset` or a folder.

        Arguments as those of `Model.fit`: x, y and sample_weight.

        Errors   DataError if targets are missing, or there are two
        """
        if isinstance(x, Data) and y is not None:
            raise DataError("a Dataset contains its labels; leave out y")
        if isinstance(x, Data):
            return x.with_weights(weights)
        is_in_files = not hasattr(x, "dtype") and are_files(x)
        if y is None and not isinstance(x, str | os.PathLike):
            raise _missing_labels(x)
        targets = {} if y is None else as_columns(y)
        if is_in_files:
            return PassedData(targets=targets, files=x, weights=weights)
        return PassedData(as_columns(x), targets, weights=weights)

    @staticmethod
    def of_option(option: str, value: object) -> Data:
        """Return the data of an option, such as validation_data: (x, y), (x, y, weights), or data with their targets.

        Errors   OptionError for other values
        """
        if isinstance(value, LISTS):
            parts = [*cast("Sequence[Any]", value)]
            if len(parts) == 2:
                return Data.of(*parts)
            if len(parts) == 3:
                return Data.of(*parts[:2], weights=parts[2])
        elif isinstance(value, Data | str | os.PathLike):
            return Data.of(value)
        expected = "expected (x, y), (x, y, weights), a Dataset or a path"
        raise OptionError(f"{option}: {expected}, found {type(value).__name__}")

    def with_weights(self, weights: Any) -> Self:
        """Return the data with other weights, unless these are None."""
        data: Any = self
        if weights is not None:
            data = replace(data, weights=weights)
        return data


@dataclass(frozen=True, eq=False)
class PassedData(Data):
    """Columns, or files, as they were passed."""

    inputs: Mapping[Any, Column] = field(default_factory=dict[Any, Column])
    targets: Mapping[Any, Column] = field(default_factory=dict[Any, Column])
    files: Any = None
    weights: Any = None


def _missing_labels(x: object) -> DataError:
    forms = "arrays x and y, a Dataset, or the path of an image folder or an .npz file"
    other = "for batches of your own, call model.train_step(x, y) in a loop"
    return DataError(f"labels are missing: x is a {type(x).__name__}; pass {forms}; {other}")


def as_columns(values: Any) -> dict[Any, Column]:
    """Return one or several inputs or targets as columns by name; "" is the name of a single one."""
    if isinstance(values, Mapping):
        return {name: Column(value) for name, value in cast("Mapping[Any, Any]", values).items()}
    return {"": Column(values)}


def selected_samples(data: Data, indices: Ints) -> PassedData:
    """Return the samples of columns at the given indices, in memory."""
    inputs = {name: column.take(indices) for name, column in data.inputs.items()}
    targets = {name: column.take(indices) for name, column in data.targets.items()}
    selected = PassedData(inputs, targets)
    return selected if data.weights is None else replace(selected, weights=as_array(data.weights)[indices])
