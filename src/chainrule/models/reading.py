"""Conversion of a user's data to samples, with the normalization of several inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, cast

import numpy as np

from chainrule.core.arrays import Array
from chainrule.data.dataset import Dataset
from chainrule.data.normalization import KINDS, JointNormalization, Normalization
from chainrule.data.sources import SampleSource, as_samples
from chainrule.errors import DataError, OptionError, quoted
from chainrule.models.normalizing_layers import fit_joint, has_constant_normalization
from chainrule.network.fitted import UNFITTED, class_counts
from chainrule.network.network import Network
from chainrule.network.ports import ArraysLike, Ports
from chainrule.network.shapes import input_array
from chainrule.training import outputs
from chainrule.training.samples import Samples, label_array
from chainrule.training.streams import (
    BatchStream,
    PairSamples,
    SourcePairs,
    TrainingData,
    is_stream,
    pairs_of,
    stream_of,
)

Data: TypeAlias = Dataset | tuple[ArraysLike, ArraysLike]

AUTOMATIC = "automatic"  # kind of a normalization that is chosen for each input


@dataclass(frozen=True)
class Reading:
    """How a user's data are converted to samples.

    classes        class names that the data refer to by name; empty: the model's class names
    ignore_label   label of positions that do not count; None: all count
    normalization  for several inputs: their normalization, or the kind of one that is fitted to the first data; None:
                   that of `predict`
    """

    classes: tuple[str, ...] = ()
    ignore_label: int | None = None
    normalization: Normalization | str | None = None


def training_reading(network: Network, options: Mapping[str, Any], classes: tuple[str, ...]) -> Reading:
    """Return how to read training data: with a fitted normalization unless the options contain another kind."""
    existing = AUTOMATIC if network.normalization == UNFITTED else network.normalization
    return Reading(classes, options.get("ignore_label"), options.get("normalization") or existing)


def default_normalization(network: Network, samples: TrainingData) -> str:
    """Return the kind of normalization used in an earlier training, otherwise the default kind for the data.

    If the network normalizes its inputs with constants, as imported networks may do, the default kind is "none".
    """
    fitted = samples.probe.normalization or network.normalization
    if fitted != UNFITTED or network.input_ports:
        return fitted.kind
    is_prepared = has_constant_normalization(network.layers, network.wiring)
    return "none" if is_prepared else samples.probe.statistics.default_kind


def new_classes(network: Network, x: Any, y: Any) -> tuple[str, ...]:
    """Return the class names of a data set or of labels (N,), if there are as many as the network has outputs.

    The result is empty for other data, and if the network's classes have names, or those of the data. An untrained
    network may have more outputs than a data set has classes. The others keep their numbers.
    """
    if isinstance(x, Dataset):
        names = x.classes
    elif network.has_ports or isinstance(y, SampleSource):
        return ()
    elif y is None:
        names = _recorded_classes(x)
    else:
        labels = label_array(Ports.single(y))
        names = tuple(np.unique(labels.astype(str)).tolist()) if labels.dtype.kind in "US" else ()
    if {*names} <= {*network.classes}:
        return ()
    from chainrule.data.class_names import are_numbers

    if y is None and network.untrained:
        names += tuple(name for name in network.classes[len(names) :] if name not in names)
    is_new = are_numbers(network.classes) and len(names) in class_counts(network.output_shape[0])
    return names if is_new else ()


def _recorded_classes(data: Any) -> tuple[str, ...]:
    from chainrule.data.class_names import recorded_classes

    return recorded_classes(data)


def held_out(network: Network, option: str, data: Any, reading: Reading) -> TrainingData:
    """Convert an argument (x, y), a `Dataset` or a stream to samples. Labels may be class names.

    option   name of the argument, for messages
    """
    if isinstance(data, tuple | list) and len(pair := cast("list[Any]", data)) == 2:
        return training_data(network, pair[0], pair[1], reading)
    if isinstance(data, Dataset) or (is_stream(data) and not isinstance(data, tuple | list)):
        return training_data(network, data, None, reading)
    kind = type(cast("Any", data)).__name__
    raise OptionError(f"{option}: expected (x, y) or a Dataset, found {kind}")


def training_data(
    network: Network, x: Any, y: ArraysLike | None, reading: Reading, steps: int | None = None
) -> TrainingData:
    """Convert a user's data to samples, as `_samples`. Without y, x may provide samples or batches with targets.

    steps   number of batches per epoch, for an iterable without a length
    """
    if callable(x) and not isinstance(x, Dataset) and not hasattr(x, "__array__") and not is_stream(x):
        raise OptionError(f"x is a function: {quoted(x)}; call it, such as fit(batches(), steps_per_epoch=…)")
    is_sampled = y is not None or isinstance(x, Dataset) or not is_stream(x)
    if is_sampled and steps is not None:
        raise OptionError("steps_per_epoch is only used for iterables of batches; pass batch_size")
    if y is None and isinstance(x, Dataset) and isinstance(x.y, SampleSource):
        network.check_input(x.x)
        return pairs_of(_matched(x, reading.classes or network.classes), network.output_shape, reading.ignore_label)

    if isinstance(x, list | tuple) and y is not None:
        from chainrule.training.series import SeriesBatches, have_lengths

        series = cast("Any", x)
        if have_lengths(network, series):
            return SeriesBatches.of(network, series, y, reading.classes or network.classes, reading.ignore_label)
    recorded = () if is_sampled or network.has_ports else _recorded_classes(x)

    def convert(x: Any, y: Any) -> Samples:
        nonlocal reading
        if recorded:
            from chainrule.data.class_names import matched_targets

            classes = reading.classes or network.classes
            y = matched_targets(np.asarray(y), recorded, classes, len(network.output_shape))
        samples = samples_of(network, x, y, reading)
        reading = replace(reading, normalization=samples.normalization)  # fitted to the first batch
        return samples

    if isinstance(y, SampleSource):
        return PairSamples.of(SourcePairs(network.check_input(cast("Any", x)), y), convert, network.input_shape)
    if is_sampled:
        return convert(x, y).checked()
    if network.has_ports:
        return BatchStream(x, convert, steps)
    return stream_of(x, lambda x, y: convert(np.asarray(x), np.asarray(y)), network.input_shape, steps)


def samples_of(network: Network, x: ArraysLike | Dataset, y: ArraysLike | None, reading: Reading) -> Samples:
    """Convert a user's data to samples. Errors are raised if they do not match the model's input and outputs."""
    ignore_label, names = reading.ignore_label, reading.classes or network.classes
    if isinstance(x, Dataset):
        if y is not None:
            raise DataError("a Dataset contains its labels; leave out y")
        if network.has_ports:
            raise DataError("a Dataset has one input and one label; pass x and y with all inputs and targets")
        samples = Samples.of_dataset(_matched(x, names), network.output_shape, ignore_label)
        return replace(samples, x=network.check_input(x.x))
    if y is None:
        raise DataError("labels are missing: pass y, or a Dataset")
    names = names if len(names) > 1 else ("0", "1")
    normalization: Normalization | None = None
    if network.input_ports is None:
        inputs = as_samples(input_array(Ports.single(x), network.input_shape))
    else:
        inputs, normalization = packed(network, network.input_ports, x, reading.normalization)
    if network.output_ports is None:
        samples = Samples.of(inputs, Ports.single(y), network.output_shape, names, ignore_label)
    elif ignore_label is not None:
        raise OptionError(f"ignore_label {ignore_label} requires a network with one output")
    else:
        samples = outputs.packed_samples(network.output_ports, inputs, y)
    return replace(samples, normalization=normalization)


def _matched(data: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Return a data set with the labels of a network, as `matched`."""
    if data.classes == classes:
        return data
    from chainrule.data.class_names import matched

    return matched(data, classes)


def packed(
    network: Network, ports: Ports, x: Any, normalization: Normalization | str | None, *, single: bool = False
) -> tuple[Array, Normalization | None]:
    """Return several inputs, normalized and packed into one array, and their normalization.

    x, normalization   as in `Samples` and `Reading`. Packed inputs are returned unchanged
    single             whether the inputs may be those of one sample
    """
    if ports.is_packed(x):
        if normalization in KINDS:
            names = ", ".join(ports.names)
            raise OptionError(f"normalization {normalization!r} of a packed array: pass the inputs {names}")
        return cast("Array", x), None
    arrays = ports.checked(x, "inputs", single=single)
    if isinstance(normalization, str) and all(map(len, arrays.values())):
        kind = None if normalization == AUTOMATIC else normalization
        normalization = fit_joint(network.layers, network.wiring, arrays, kind)
    fitted = network.normalization if normalization is None else normalization
    if not isinstance(fitted, JointNormalization):
        return ports.pack(arrays, "inputs"), None
    for name, part in fitted.parts.items():
        part.check_unit(arrays[name], f"input {name}: ")
    return ports.pack(fitted.of_each(arrays, network.dtype), "inputs"), fitted


def batched(network: Network, x: Any, y: Any) -> tuple[Any, Any]:
    """Return a batch of one sample for a single sample and its targets; return a batch unchanged."""
    inputs = {"": x} if network.input_ports is None else network.input_ports.named(x, "inputs")
    shapes = [network.input_shape] if network.input_ports is None else network.input_ports.shapes.values()
    try:
        is_batch = [np.shape(value) for value in inputs.values()] != [*shapes]
    except ValueError:  # rows of different lengths
        is_batch = True
    if is_batch:
        return x, y
    targets = {"": y} if network.output_ports is None else network.output_ports.named(y, "targets")
    x, y = ({name: np.asarray(value)[None] for name, value in values.items()} for values in (inputs, targets))
    return x, y
