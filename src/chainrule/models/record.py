"""The record of a network: what is known of its inputs and outputs. It decides how all data of users are read.

`learned` decides what a training records. `read` and its relatives check what comes later, at every entrance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from chainrule.core.arrays import Array, Ints
from chainrule.data.containers import Column, Data, PassedData, selected_samples
from chainrule.data.dataset import Dataset
from chainrule.data.normalization import KINDS as NORMALIZATIONS
from chainrule.data.normalization import JointNormalization, Normalization
from chainrule.data.sources import as_samples
from chainrule.errors import DataError, OptionError, quoted
from chainrule.models.normalizing_layers import default_kind, fit_joint
from chainrule.network import losses
from chainrule.network.fitted import UNFITTED, class_counts
from chainrule.network.labels import BOOLEANS, KINDS, TEXT, UNNAMED, Labels, are_numbers, names_in
from chainrule.network.losses import PROBABILITIES, Loss, LossLike
from chainrule.network.network import Network
from chainrule.network.ports import OutputEnd, Ports
from chainrule.network.shapes import input_array
from chainrule.network.tasks import SUM_TOLERANCE, Task
from chainrule.training import outputs
from chainrule.training.examples import Examples, InputSource
from chainrule.training.targets import Targets

AUTOMATIC = "automatic"  # kind of a normalization that is chosen for each input


@dataclass(frozen=True)
class Record:
    """What is known of the inputs and outputs of a network.

    labels         labels of the classes
    normalization  normalization that is applied to the inputs, whose unit is checked; or the kind of one that is fitted
                   to the first data
    ignore_label   label of positions that do not count; None: all count
    loss, task     loss and task that targets are checked with; None: they are not checked
    """

    network: Network
    labels: Labels
    normalization: Normalization | str = UNFITTED
    ignore_label: int | None = None
    loss: Loss | None = None
    task: Task | None = None

    @staticmethod
    def of(network: Network, ignore_label: int | None = None, loss: Loss | None = None) -> Record:
        """Return what a network records, to read data for evaluation and prediction."""
        own = network.labels, network.normalization
        return Record(network, *own, ignore_label, loss, network.task)

    # ------------------------------------------------------------------ what a training records

    @staticmethod
    def learned(network: Network, data: Data, loss: Loss | None = None, **options: Any) -> Record:
        """Return the record for a training on data: with their names of classes, if the network has none.

        options   options of `fit` that decide how data are read: normalization and ignore_label
        """
        existing = AUTOMATIC if network.normalization == UNFITTED else network.normalization
        normalization = options.get("normalization") or existing
        labels = _learned_labels(network, data)
        return Record(network, labels, normalization, options.get("ignore_label"), loss)

    @property
    def existing(self) -> Normalization | None:
        """The normalization of an earlier training, which is kept; None if there is none, or a kind is chosen."""
        return self.normalization if isinstance(self.normalization, Normalization) else None

    def default_kind(self, examples: Examples) -> str:
        """Return the kind of normalization used in an earlier training, otherwise the default kind for the data."""
        network = self.network
        fitted = examples.normalization or network.normalization
        if fitted != UNFITTED or network.input_ports:
            return fitted.kind
        return default_kind(network, examples.statistics.default_kind)

    # ------------------------------------------------------------------ reading

    def read(self, data: Data) -> Examples:
        """Return data with their targets as examples. Errors are raised if they do not match the network.

        Errors   DataError, OptionError or ShapeError; SampleError names the sample. InputUnitWarning for another unit
        """
        data = loaded(self.network, data, tests=True)
        examples = self._read(data).with_weights(data.weights).checked()
        if self.existing is not None:
            self.existing.check_unit(examples.source.x)
        return examples

    def parts(self, data: Data, examples: Examples, share: float, seed: int) -> tuple[Examples, Examples | None]:
        """Return training and validation data (`Examples.parts`), from data and the examples read from them.

        The normalization of several inputs is fitted to the training data alone, so that both are read again.
        """
        if share and examples.normalization is not None:
            return self._parts_of_several(data, *examples.split(share, seed))
        return examples.parts(share, seed)

    def _parts_of_several(self, data: Data, training: Ints, validation: Ints) -> tuple[Examples, Examples]:
        """Return training and validation data with several inputs, from the numbers of their samples."""
        network = self.network
        inputs = _in_parts(network.input_ports, data.inputs, "inputs")
        targets = _in_parts(network.output_ports, data.targets, "targets")
        named = PassedData(inputs, targets, weights=data.weights)
        first = self.read(selected_samples(named, training))
        later = replace(self, normalization=cast("Normalization", first.normalization))
        return first, later.read(selected_samples(named, validation))

    def _read(self, data: Data) -> Examples:
        if isinstance(data, Dataset):
            return self._of_dataset(data)
        x, normalization = self.inputs(data.inputs)
        if x.size == 0:
            raise DataError("the data is empty")
        return Examples(InputSource(x), self.targets(data.targets, len(x)), normalization=normalization)

    # ------------------------------------------------------------------ inputs

    def inputs(self, columns: Mapping[Any, Column], *, single: bool = False) -> tuple[Any, Normalization | None]:
        """Return inputs as an array (N, *input_shape) or a `SampleSource`, and the normalization of several.

        Several inputs are normalized and packed into one array. Packed inputs are returned unchanged.

        single   whether the inputs may be those of one sample
        """
        ports = self.network.input_ports
        if ports is None:
            return self._input(columns, single=single), None
        if [*columns] == [""] and ports.is_packed(columns[""].passed):
            if self.normalization in NORMALIZATIONS:
                names = ", ".join(ports.names)
                raise OptionError(f"normalization {self.normalization!r} of a packed array: pass the inputs {names}")
            return columns[""].passed, None
        named = _named(ports, columns, "inputs")
        arrays = ports.checked({name: column.passed for name, column in named.items()}, "inputs", single=single)
        fitted = self.normalization
        if isinstance(fitted, str) and all(map(len, arrays.values())):
            kind = None
            if fitted != AUTOMATIC:
                kind = fitted
            fitted = fit_joint(self.network, arrays, kind)
        if not isinstance(fitted, JointNormalization):
            return ports.pack(arrays, "inputs"), None
        for name, part in fitted.parts.items():
            part.check_unit(arrays[name], f"input {name}: ")
        return ports.pack(fitted.of_each(arrays, self.network.dtype), "inputs"), fitted

    def _input(self, columns: Mapping[Any, Column], *, single: bool = False) -> Any:
        """Return the only input, (N, *input_shape)."""
        values = _only(columns, "input").passed
        return as_samples(input_array(values, self.network.input_shape, single=single))

    # ------------------------------------------------------------------ targets

    def targets(self, columns: Mapping[Any, Column], count: int) -> Targets:
        """Return the targets of one output, or the packed targets of several."""
        ports = self.network.output_ports
        if ports is None:
            return self._targets(_only(columns, "target"), count)
        if self.ignore_label is not None:
            raise OptionError(f"ignore_label {self.ignore_label} requires a network with one output")
        if [*columns] == [""] and ports.is_packed(columns[""].passed):
            values = columns[""].passed
            _check_count(values, count)
        else:
            arrays = dict[str, Array]()
            for name, column in _named(ports, columns, "targets").items():
                _check_count(column.values, count)
                if column.values.dtype.kind not in "fiub":
                    raise DataError(f"{name}: expected numbers for several outputs, found {column.values.dtype}")
                arrays[name] = np.asarray(Targets.of(np.asarray(column.values), ports.shapes[name]).values)
            values = ports.pack(arrays, "targets")
        return self._checked(Targets(values.astype(np.float64)))

    def _targets(self, column: Column, count: int) -> Targets:
        """Return the targets of one output. Labels are read here, and nowhere else."""
        y = np.asarray(column.values)
        shape = self.network.output_shape
        kind = KINDS.get(y.dtype.kind)
        if kind is None and y.dtype.kind != "f":
            raise DataError(f"targets must be numbers or names of classes: found {y.dtype}: {quoted(column.passed)}")
        _check_count(y, count)
        are_labels = len(shape) == 1 and y.shape[1:] in ((), (1,)) and (kind is not None or shape[0] > 1)
        if are_labels:
            y = self.labels.places(y)
        elif kind == TEXT:
            raise DataError("the labels of positions must be whole numbers, found names")
        return self._checked(Targets.of(y, shape, self.ignore_label, kind if are_labels else None))

    def _checked(self, targets: Targets) -> Targets:
        """Return targets unchanged; DataError if they are outside the domain of the loss or not of the task."""
        if self.loss is not None:
            outputs.check_targets(self.network, self.loss, targets, self.task)
        return targets

    # ------------------------------------------------------------------ data sets

    def _of_dataset(self, data: Dataset) -> Examples:
        if self.network.has_ports:
            raise DataError("a Dataset has one input and one label; pass x and y with all inputs and targets")
        from chainrule.network.matching import matched

        has_names = not are_numbers(data.classes)
        data = matched(data, self.labels)
        x = self._input(data.inputs)
        places = self.with_places()
        validation = None if data.validation is None else self.read(data.validation)
        targets = places._targets(data.targets[""], len(data))
        if targets.kind is not None and has_names:
            targets = replace(targets, kind=TEXT)
        return Examples(InputSource(x), targets, validation, digits=data.digits)

    def with_places(self) -> Record:
        """Return a record that reads labels as the places of classes."""
        return replace(self, labels=UNNAMED)


def loaded(network: Network, data: Data, *, tests: bool = False) -> Data:
    """Return the data in files for a network (`data.loading.load_files`); other data unchanged."""
    if data.files is None:
        return data
    from chainrule.data.loading import load_files

    return load_files(data, network.input_shape, network.normalization, tests=tests)


def loss_for(network: Network, data: Data, loss: LossLike | None) -> LossLike | None:
    """Return the loss or, if none was chosen, the one that the targets mean (`_meant`); None: the network's.

    Of several outputs, each has the loss that its targets mean, or the default of its last layer.
    """
    is_decided = loss is not None or network.loss_is_chosen or network.task is not None
    if is_decided or network.last_layer in PROBABILITIES:
        return loss
    return _losses_meant(network, data)


def _losses_meant(network: Network, data: Data) -> str | Mapping[str, str] | None:
    """Return the loss of the output, or of each output; None if a target is missing, or the targets are packed."""
    columns = _in_parts(network.output_ports, data.targets, "targets")
    chosen = dict[str, str]()
    for end in network.outputs:
        if end.name not in columns:
            return None
        chosen[end.name] = losses.default_for(end.last_layer, end.shape[0])
        if end.last_layer not in (*PROBABILITIES, None):
            chosen[end.name] = _meant(columns[end.name], end) or chosen[end.name]
    return chosen if network.output_ports else chosen[""]


def _meant(column: Column, end: OutputEnd) -> str | None:
    """Return the loss that targets mean for an output of a linear layer; None: its default.

    Rows of real numbers (N, K) are a regression; labels and one-hot rows are classes.

    Errors   OptionError for targets that could be either: yes or no, rows of 0 and 1, and numbers that sum to 1
    """
    meaning = None
    y = np.asarray(column.values)
    shape = end.shape
    if shape[0] == 1:
        meaning = {"b": BOOLEANS, "U": TEXT}.get(y.dtype.kind)
    elif y.dtype.kind in "fiu" and y.ndim == len(shape) + 1 and y.shape[1] == shape[0]:
        are_shares = np.allclose(y.sum(1), 1, atol=SUM_TOLERANCE)
        if not np.isin(y, (0, 1)).all():
            if not are_shares:
                return "mean_squared_error"
            meaning = "numbers that sum to 1"
        elif not are_shares:
            meaning = "rows of 0 and 1"
    if meaning is not None:
        advice = "pass loss=, such as mean_squared_error, or end the network with Sigmoid() or Softmax()"
        of_output = f" of {end.name}" if end.name else ""
        raise OptionError(f"the targets{of_output} are {meaning}, and the last layer is linear: {advice}")
    return None


def _learned_labels(network: Network, data: Data) -> Labels:
    """Return the labels for a training: with the names of the data if the network has none, and there are as many.

    An untrained network may have more outputs than a data set has classes. The others keep their numbers.
    """
    own = network.labels
    names = data.classes
    are_chosen = True
    if network.output_ports is not None:
        return own
    if not isinstance(data, Dataset):
        for column in data.targets.values():
            if column.values.dtype.kind in "US":
                names = names_in(np.asarray(column.values))
                are_chosen = False
    if {*names} <= {*own.names}:  # also without names
        return own
    if isinstance(data, Dataset) and network.untrained:
        names += tuple(name for name in own.names[len(names) :] if name not in names)
    is_new = are_numbers(own.names) and len(names) in class_counts(network.output_shape[0])
    return Labels(names, chosen=are_chosen) if is_new else own


def _only(columns: Mapping[Any, Column], what: str) -> Column:
    """Return the only column; DataError if there are several."""
    if len(columns) == 1:
        return next(iter(columns.values()))
    raise DataError(f"{what}s {', '.join(map(str, columns)) or 'none'}: expected one, for a network with one {what}")


def _in_parts(ports: Ports | None, columns: Mapping[Any, Column], what: str) -> Mapping[Any, Column]:
    """Return the columns of several inputs or targets by name; unchanged if there is only one, or they are packed."""
    if ports is None or ([*columns] == [""] and ports.is_packed(columns[""].passed)):
        return columns
    return _named(ports, columns, what)


def _named(ports: Ports, columns: Mapping[Any, Column], what: str) -> dict[str, Column]:
    """Return the columns of several inputs or targets by name, in the order of the network."""
    if [*columns] != [""]:
        return ports.named(columns, what)
    column = columns[""]
    return ports.named(column.parts if column.parts else column.passed, what)


def _check_count(values: Any, count: int) -> None:
    """Raise DataError unless there is a target for each input."""
    if values.ndim == 0 or len(values) != count:
        raise DataError(f"{count} inputs but {len(values) if values.ndim else 'a single'} targets")
