"""The methods of models that predict, evaluate and decide, as functions of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule.core.arrays import Array
from chainrule.core.options import checked_options
from chainrule.data.containers import Column, Data, are_files, as_columns
from chainrule.data.sources import SampleSource, as_samples, blocks
from chainrule.errors import explain_memory_errors
from chainrule.models.record import Record, loaded
from chainrule.network.losses import LossLike
from chainrule.network.network import PREDICT_BATCH, Network
from chainrule.network.ports import ArraysLike

if TYPE_CHECKING:
    from chainrule.data.inputs import ImageSource
    from chainrule.training.metrics import Evaluation, Metric


@checked_options
@explain_memory_errors("predicting", "use a smaller batch_size, or predict fewer samples at a time")
def predict(
    self: Network,
    x: ArraysLike | Data | ImageSource | Sequence[ImageSource],
    *,
    batch_size: int = PREDICT_BATCH,
) -> Any:
    """Return the outputs (N, *output_shape) for inputs (N, *input_shape), which are normalized as in training.

    Several inputs are a tuple or a dictionary of arrays. Several outputs are returned as a dictionary of arrays.

    If training standardized the targets, the outputs are converted to the targets' units.

    If no weights depend on it, arrays may have another height, width or length than ``input_shape``, as in a network
    that is convolutional up to a global pooling. Files are resized.

    x   inputs as in `fit`, one sample, the path of an image file, a Pillow image, or a list of paths or images. N
        may be 0. Labels of a data set or of batches (x, y) are not used. Files and images are converted by
        `data.inputs.read_input`

    This method is thread-safe, including in forked processes. Unlike `fit` and `evaluate`, it does not check
    that inputs are finite: NaN or infinity in a sample can make the outputs of that sample NaN.

    >>> model.predict(x_test)
    >>> model.predict("seven.png")
    """
    network, samples = read_samples(self, x)
    if isinstance(samples, SampleSource) and len(samples):
        parts = list[Array]()
        for part in blocks(samples):
            parts.append(_outputs(network, part, batch_size))
        results = np.concatenate(parts)
    else:
        results = _outputs(network, samples, batch_size)
    if network.target_scaling is not None:
        results = network.target_scaling.in_units(results)
    if network.output_ports is None:
        return results
    return network.output_ports.split(results)


def _outputs(network: Network, samples: Any, batch_size: int) -> Array:
    """Return the outputs for samples in their own units."""
    return network.infer(network.normalization.prepare(samples, network.dtype), batch_size)


@checked_options
def predict_classes(
    self: Network,
    x: ArraysLike | Data | ImageSource | Sequence[ImageSource],
    *,
    batch_size: int = PREDICT_BATCH,
) -> Any:
    """Return the answers for inputs of `predict`, as ``chainrule predict`` prints them.

    These are the class names (N,) for one of several classes or yes and no; for labels, a tuple of the names of each
    sample's labels; for an output per position, the class names (N, H, W); for a regression, the values in the units of
    the targets, as `predict` returns them. Several outputs are a dictionary.

    >>> model.predict_classes(["one.png", "two.png"])
    array(['cat', 'dog'], dtype='<U3')
    """
    from chainrule.models.decisions import answers

    return answers(self, predict(self, x, batch_size=batch_size))


def read_samples(network: Network, x: Any) -> tuple[Network, Any]:
    """Return the network for the size of inputs of `predict`, and an array, packed inputs or a `SampleSource`."""
    if _is_batch(network, x):
        return network, x
    return _read(network, _input_columns(network, x))


def _is_batch(network: Network, x: Any) -> bool:
    """Return whether x is an array (N, *input_shape) of numbers in memory, which is read as it is."""
    is_array = type(x) is np.ndarray and network.input_ports is None  # a subclass may be masked or mapped to a file
    return is_array and x.shape[1:] == network.input_shape and x.dtype.kind in "fiub" and as_samples(x) is x


def _input_columns(network: Network, x: Any) -> Mapping[Any, Column]:
    """Return the inputs of `predict` as columns: of arrays, files, images, or data with targets, which are not used."""
    if isinstance(x, Data):
        return loaded(network, x, tests=True).inputs
    if are_files(x):
        from chainrule.data.inputs import read_inputs

        x = read_inputs(x, network.input_shape, network.normalization)
    return as_columns(x)


def _read(network: Network, columns: Mapping[Any, Column]) -> tuple[Network, Any]:
    """Return a network for the size of the inputs, and the inputs (N, *input_shape) or, of several, packed."""
    if len(columns) == 1 and next(iter(columns.values())).shape[1:] != network.input_shape:
        from chainrule.models.sizes import sized

        network = sized(network, columns, single=True)
    return network, Record.of(network).inputs(columns, single=True)[0]


@checked_options
@explain_memory_errors("evaluating", f"evaluate fewer samples at a time, below {PREDICT_BATCH}")
def evaluate(
    self: Network,
    x: ArraysLike | Data | Any,
    y: ArraysLike | None = None,
    *,
    loss: LossLike | None = None,
    ignore_label: int | None = None,
    metrics: Mapping[str, Metric] | None = None,
    sample_weight: ArrayLike | None = None,
) -> Evaluation:
    """Return the loss and the metrics of the task (`Evaluation.figures`) on labelled samples.

    x, y    as in `Model.fit`; arrays may have another size, as in `predict`
    loss    None: the model's loss
    ignore_label   for dense labels, the label of positions that do not count; None: all positions count
    metrics   further metrics by name: functions of the true and the predicted classes (N,), labels (N, K) of 0 and 1,
            or numbers, such as those of scikit-learn, which return a number. Of several outputs, they are called for
            each. What needs more, such as ROC AUC, follows from ``predict(x)``; see docs/scikit-learn.md
    sample_weight   weight of each sample in the loss and the metrics, (N,), as in scikit-learn: means are Σ w v / Σ w.
            Functions in ``metrics`` get the argument sample_weight, too
    """
    from chainrule.models.decisions import evaluate

    options: dict[str, Any] = {"loss": loss, "ignore_label": ignore_label, "metrics": metrics}
    data = Data.of(x, y, weights=sample_weight)
    return evaluate(self, data, **options, is_weighted=sample_weight is not None)


def set_thresholds(self: Network, *thresholds: float) -> None:
    """Record the smallest output that means yes, from 0 to 1, for each output; without values, ½ for all.

    Errors  OptionError for other values, or outputs that do not mean yes or no

    >>> model.set_thresholds(0.3)
    """
    from chainrule.models.decisions import record_thresholds

    record_thresholds(self, thresholds)
