"""Data in the forms that users pass. Containers are recognized here, and nowhere else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast

import numpy as np

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Ints
from chainrule.data.sources import SampleSource, as_array, as_samples, refuse_frames
from chainrule.errors import DataError, OptionError

LISTS: tuple[type, ...] = (list, tuple)


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
        except ValueError:
            return ()
        except (TypeError, RuntimeError):  # of PyTorch tensors in a list
            return as_array(self.passed).shape

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
    path          path of a folder of images that is not loaded yet; "" for other data
    weights       weight of each sample in the loss, (N,); None: all are 1
    classes       names of the classes of the labels, which are their places; empty: the labels are labels of a network
    validation    the validation data that belong to the data; None if there are none
    digits        as in `Dataset`
    """

    inputs: Mapping[Any, Column]
    targets: Mapping[Any, Column]
    path: str = ""
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
        if y is not None:
            return PassedData(as_columns(x), as_columns(y), weights=weights)
        if isinstance(x, str | os.PathLike):
            return PassedData(path=os.fspath(cast("str", x)), weights=weights)
        forms = "arrays x and y, a Dataset or the path of an image folder"
        other = "for batches of your own, call model.train_step(x, y) in a loop"
        raise DataError(f"labels are missing: x is a {type(x).__name__}; pass {forms}; {other}")

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
        elif isinstance(value, Data):
            return Data.of(value)
        raise OptionError(f"{option}: expected (x, y), (x, y, weights) or a Dataset, found {type(value).__name__}")

    def with_weights(self, weights: Any) -> Self:
        """Return the data with other weights, unless these are None."""
        data: Any = self
        if weights is not None:
            data = replace(data, weights=weights)
        return data


@dataclass(frozen=True, eq=False)
class PassedData(Data):
    """Columns, or the path of a folder, as they were passed."""

    inputs: Mapping[Any, Column] = field(default_factory=dict[Any, Column])
    targets: Mapping[Any, Column] = field(default_factory=dict[Any, Column])
    path: str = ""
    weights: Any = None


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
