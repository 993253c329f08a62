"""The methods `predict`, `evaluate` and `calibrate` of models, as functions of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.core.arrays import Array
from chainrule.core.words import checked_options
from chainrule.data.dataset import Dataset
from chainrule.data.sources import SampleSource, as_samples, blocks
from chainrule.errors import OptionError, explain_memory_errors
from chainrule.models.reading import Reading, packed, training_data
from chainrule.network import tasks
from chainrule.network.losses import LossLike
from chainrule.network.network import PREDICT_BATCH, Network
from chainrule.network.ports import ArraysLike, Ports
from chainrule.network.shapes import input_array
from chainrule.network.tasks import MULTI_LABEL, REGRESSION, Task
from chainrule.training import dense, outputs

if TYPE_CHECKING:
    from chainrule.data.augmentation import Views
    from chainrule.data.inputs import ImageSource
    from chainrule.training.metrics import Evaluation


@checked_options
@explain_memory_errors("predicting", "use a smaller batch_size, or predict fewer samples at a time")
def predict(
    self: Network,
    x: ArraysLike | Dataset | ImageSource | Sequence[ImageSource],
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
    if self.input_ports is None:
        self, samples = inputs_of(self, x)
    else:
        samples = packed(self, self.input_ports, x, None, single=True)[0]
    parts: Any = blocks(samples) if isinstance(samples, SampleSource) and len(samples) else [samples]
    computed = [self.infer(self.normalization.prepare(part, self.dtype), batch_size) for part in parts]
    results = computed[0] if len(computed) == 1 else np.concatenate(computed)
    results = results if self.target_scaling is None else self.target_scaling.in_units(results)
    return results if self.output_ports is None else self.output_ports.split(results)


@checked_options
def predict_classes(
    self: Network,
    x: ArraysLike | Dataset | ImageSource | Sequence[ImageSource],
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
    outputs = predict(self, x, batch_size=batch_size)
    if self.output_ports is None:
        return named(outputs, self.task, self.classes)
    parts = tasks.parts(self.task) if self.task else (None,) * len(outputs)
    return {name: named(values, part, ()) for (name, values), part in zip(outputs.items(), parts, strict=True)}


def named(outputs: Array, task: Task | None, names: Sequence[str]) -> Any:
    """Return the answers for the outputs (N, K, …) of one task, see `predict_classes`.

    names   class names; empty: numbers
    """
    if task == REGRESSION:
        return outputs
    words = np.array(names if len(names) > 1 else [str(k) for k in range(max(2, outputs.shape[1]))])
    if task == MULTI_LABEL:
        rows = np.moveaxis(dense.are_yes(outputs), 1, -1)
        return [tuple(words[row].tolist()) for row in rows] if rows.ndim == 2 else rows
    return words[dense.classes_of(outputs)]


def inputs_of(network: Network, x: Any) -> tuple[Network, Any]:
    """Return a network for the size of single inputs of `predict`, and the inputs (N, *input_shape)."""
    inputs: Any = x.x if isinstance(x, Dataset) else x
    if not isinstance(inputs, np.ndarray | SampleSource):
        from chainrule.data.inputs import read_inputs

        inputs = read_inputs(inputs, network.input_shape, network.normalization)
    values = Ports.single(inputs)
    if getattr(values, "shape", ())[1:] != network.input_shape:
        from chainrule.models.sizes import sized

        network = sized(network, values, single=True)
    return network, as_samples(input_array(values, network.input_shape, single=True))


@checked_options
@explain_memory_errors("evaluating", f"evaluate fewer samples at a time, below {PREDICT_BATCH}")
def evaluate(
    self: Network,
    x: ArraysLike | Dataset | Any,
    y: ArraysLike | None = None,
    *,
    loss: LossLike | None = None,
    views: str | Views | None = None,
    ignore_label: int | None = None,
) -> Evaluation:
    """Return the loss and the metrics of the task (`Evaluation.figures`) on labelled samples.

    x, y    as in `Model.fit`; arrays may have another size, as in `predict`
    loss    None: the model's loss
    views   views of each image over which to average the outputs: `Views`, or text such as "flip,shift=1";
            None: only the image itself
    ignore_label   for dense labels, the label of positions that do not count; None: all positions count
    """
    from chainrule.data.augmentation import Views
    from chainrule.data.sample_hashes import overlap
    from chainrule.models.sizes import sized
    from chainrule.training.evaluation import evaluate

    self = sized(self, x)
    samples = training_data(self, x, y, Reading(ignore_label=ignore_label))
    resolved_loss = self.choose_loss(loss)
    if samples.probe.is_dense and views is not None:
        raise OptionError("views would move the images, but not their dense targets; evaluate without them")
    outputs.check_targets(self, resolved_loss, samples.probe)
    self.normalization.check_unit(samples.probe.x)
    evaluation = evaluate(self, samples, self.normalization, resolved_loss, self.task, Views.choose(views))
    return replace(evaluation, overlap=overlap(self.training_hashes, samples.inputs))


@checked_options
def calibrate(self: Network, x: ArraysLike | Dataset, y: ArraysLike | None = None) -> float:
    """Scale the confidence of the predictions to the accuracy on held-out samples. Return the temperature T.

    The weights of the layer that computes the logits z are divided by T, so that the outputs are softmax(z / T) or
    sigmoid(z / T). The predicted classes do not change. T minimizes the cross-entropy.

    x, y    as in `fit`; samples that were not used for training
    Errors  OptionError unless Dense or a convolution computes the logits; DataError if no sample is misclassified

    >>> model.calibrate(x_validation, y_validation)
    """
    from chainrule.models import temperature

    return temperature.calibrate(self, training_data(self, x, y, Reading()))
