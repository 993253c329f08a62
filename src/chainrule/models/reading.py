"""Conversion of a user's data to samples, with the normalization of several inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

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

if TYPE_CHECKING:
    from chainrule.training.streams import Convert, TrainingData

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
        from chainrule.data.class_names import recorded_classes

        names = recorded_classes(x)
    else:
        labels = label_array(Ports.single(y))
        names = tuple(np.unique(labels.astype(str)).tolist()) if labels.dtype.kind in "US" else ()
    if {*names} <= {*network.classes}:  # also without names
        return ()
    from chainrule.data.class_names import are_numbers

    if y is None and network.untrained:
        names += tuple(name for name in network.classes[len(names) :] if name not in names)
    is_new = are_numbers(network.classes) and len(names) in class_counts(network.output_shape[0])
    return names if is_new else ()


def is_stream(x: Any) -> bool:
    """Return whether a value, passed without labels, provides samples or batches with their targets."""
    if isinstance(x, np.ndarray | str | bytes) or np.isscalar(x) or hasattr(x, "__array__") or isinstance(x, dict):
        return False
    return hasattr(x, "__iter__") or (hasattr(x, "__getitem__") and hasattr(x, "__len__"))


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
    """Convert a user's data to samples. Without y, x may provide samples or batches with targets.

    steps   number of batches per epoch, for an iterable without a length
    """
    if callable(x) and not hasattr(x, "__array__") and not is_stream(x):
        raise OptionError(f"x is a function: {quoted(x)}; call it, such as fit(batches(), steps_per_epoch=…)")
    is_streamed = y is None and not isinstance(x, Dataset) and is_stream(x)
    if steps is not None and not is_streamed:
        raise OptionError("steps_per_epoch is only used for iterables of batches; pass batch_size")
    targets = x.y if y is None and isinstance(x, Dataset) else y
    if is_streamed or isinstance(targets, SampleSource):
        return _streamed(network, x, y, reading, steps)
    if isinstance(x, list | tuple):
        from chainrule.training.series import SeriesBatches, have_lengths

        series = cast("Any", x)
        if have_lengths(network, series):
            return SeriesBatches.of(network, series, y, reading.classes or network.classes, reading.ignore_label)
    return samples_of(network, cast("Any", x), y, reading).checked()


def _streamed(network: Network, x: Any, y: Any, reading: Reading, steps: int | None) -> TrainingData:
    """Return a data set whose targets are a source, pairs of x and such targets, or a stream as training data.

    steps   number of batches per epoch, for an iterable without a length
    """
    from chainrule.data.class_names import recorded_classes
    from chainrule.training import streams

    if isinstance(x, Dataset) and y is None:
        data = matched_data(network, x, reading)
        network.check_input(data.x)
        return streams.pairs_of(data, network.output_shape, reading.ignore_label)
    if y is not None:
        pairs = streams.SourcePairs(network.check_input(cast("Any", x)), y)
        return streams.PairSamples.of(pairs, _converter(network, reading), network.input_shape)
    if network.has_ports:
        return streams.BatchStream(x, _converter(network, reading), steps)
    convert = _converter(network, reading, recorded_classes(x))
    return streams.stream_of(x, lambda x, y: convert(np.asarray(x), np.asarray(y)), network.input_shape, steps)


def _converter(network: Network, reading: Reading, recorded: tuple[str, ...] = ()) -> Convert:
    """Return a function that converts batches to samples, all with the normalization that is fitted to the first one.

    recorded   class names of the labels, which are matched with the network's; empty: the labels are the network's
    """

    def convert(x: Any, y: Any) -> Samples:
        nonlocal reading
        if recorded:
            from chainrule.data.class_names import matched_targets

            y = matched_targets(y, recorded, reading.classes or network.classes, len(network.output_shape))
        samples = samples_of(network, x, y, reading)
        reading = replace(reading, normalization=samples.normalization)
        return samples

    return convert


def samples_of(network: Network, x: ArraysLike | Dataset, y: ArraysLike | None, reading: Reading) -> Samples:
    """Convert a user's data to samples. Errors are raised if they do not match the model's input and outputs."""
    if isinstance(x, Dataset):
        if y is not None:
            raise DataError("a Dataset contains its labels; leave out y")
        if network.has_ports:
            raise DataError("a Dataset has one input and one label; pass x and y with all inputs and targets")
        samples = Samples.of_dataset(matched_data(network, x, reading), network.output_shape, reading.ignore_label)
        return replace(samples, x=network.check_input(x.x))
    if y is None:
        raise DataError("labels are missing: pass y, or a Dataset")
    if network.input_ports is None:
        return _labelled(network, as_samples(input_array(Ports.single(x), network.input_shape)), y, reading)
    inputs, normalization = packed(network, network.input_ports, x, reading.normalization)
    return replace(_labelled(network, inputs, y, reading), normalization=normalization)


def _labelled(network: Network, x: Array | SampleSource, y: ArraysLike, reading: Reading) -> Samples:
    """Return inputs with the targets of one output, or with the packed targets of several."""
    if network.output_ports is None:
        names = reading.classes or network.classes
        names = names if len(names) > 1 else ("0", "1")
        return Samples.of(x, Ports.single(y), network.output_shape, names, reading.ignore_label)
    if reading.ignore_label is not None:
        raise OptionError(f"ignore_label {reading.ignore_label} requires a network with one output")
    return outputs.packed_samples(network.output_ports, cast("Array", x), y)


def matched_data(network: Network, data: Dataset, reading: Reading) -> Dataset:
    """Return a data set with the labels of a network, as `matched`."""
    classes = reading.classes or network.classes
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
    fitted = network.normalization if normalization is None else normalization
    if isinstance(fitted, str) and all(map(len, arrays.values())):
        fitted = fit_joint(network.layers, network.wiring, arrays, None if fitted == AUTOMATIC else fitted)
    if not isinstance(fitted, JointNormalization):
        return ports.pack(arrays, "inputs"), None
    for name, part in fitted.parts.items():
        part.check_unit(arrays[name], f"input {name}: ")
    return ports.pack(fitted.of_each(arrays, network.dtype), "inputs"), fitted


def batched(network: Network, x: Any, y: Any) -> tuple[Any, Any]:
    """Return a batch of one sample for a single sample and its targets; return a batch unchanged."""
    # one unnamed input and output, or several by name
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
