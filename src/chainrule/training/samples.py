"""Training samples, which are converted to normalized batches on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Array, Arrays, Bools, Floats, Ints, Shape
from chainrule.data.columns import checked_column
from chainrule.data.dataset import Dataset
from chainrule.data.input_statistics import InputStatistics
from chainrule.data.normalization import Normalization
from chainrule.data.sources import SampleSource, as_array, as_samples, finite_extremes, subset
from chainrule.errors import DataError, OptionError, SampleError, printable_name, quoted
from chainrule.layers import initializers
from chainrule.network.network import Network
from chainrule.training import dense
from chainrule.training.dense import PositionWeights

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from chainrule.data.augmentation import Augmentation
    from chainrule.data.coloring import Draw
    from chainrule.data.mask_values import MaskValues
    from chainrule.network.target_scaling import TargetScaling

Batch: TypeAlias = tuple[Array, Array, Array | None]  # x, targets, and weights in the loss or None


class Preparation(NamedTuple):
    """How inputs and targets are prepared for a network.

    network          has the dtype of the arrays, and the engine and threads that normalize inputs if the engine can
    augmentation     random transformations, drawn with ``seed``; None: none
    target_scaling   scaling of the targets; None: no scaling
    label_smoothing  label smoothing ε of the targets
    """

    network: Network
    normalization: Normalization
    augmentation: Augmentation | None = None
    seed: int = 0
    target_scaling: TargetScaling | None = None
    label_smoothing: float = 0.0

    def of_targets(self, batch: Batch) -> Batch:
        """Return a batch of `Samples.batch` with targets that are scaled and smoothed. All arrays have one dtype."""
        x, targets, weights = batch
        t = targets_of_step(targets, self.target_scaling, self.label_smoothing, self.network.dtype)
        return x, t, None if weights is None else weights.astype(self.network.dtype)


def targets_of_step(
    targets: Array, scaling: TargetScaling | None, smoothing: float, dtype: DTypeLike = np.float64
) -> Array:
    """Return targets t (N, K, …) as a training step uses them: standardized, and smoothed by ε, (1 − ε)·t + ε/K."""
    t = (targets if scaling is None else scaling.standardized(targets)).astype(dtype, order="C")
    return t * (1 - smoothing) + smoothing / t.shape[1] if smoothing else t


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and targets.

    x            inputs (N, *input_shape), in their original dtype: an array, or a `SampleSource`
    targets      targets (N, K), float64: one-hot rows, zeros and ones, or any numbers. Dense targets (N, K, …) are
                 one-hot labels, uint8, or numbers
    validation   the data set's own validation samples; None if there are none
    weights      weight of each sample in the loss, (N,); None if all are 1
    valid        for dense labels, whether each position counts, (N, …); None if all positions count
    mask_values  for labels from mask files, the value of each label in these files; None for other targets
    digits       whether x are centered digits as in MNIST, see `Dataset`
    class_weights   for dense labels, weight of each class in the loss, (K,), or (2,) for K = 1; None if all are 1
    normalization   normalization of several inputs, which was applied when they were packed to x; None for one input
    """

    x: Array
    targets: Array
    validation: Samples | None = None
    weights: Floats | None = None
    valid: Bools | None = None
    class_weights: Floats | None = None
    normalization: Normalization | None = None
    mask_values: MaskValues | None = None
    digits: bool = False

    def __len__(self) -> int:
        return len(self.x)

    batch_size = None  # the samples are not in batches

    @property
    def decodes(self) -> bool:
        """Whether worker processes should read ahead."""
        return isinstance(self.x, SampleSource) and self.x.decodes

    @cached_property
    def statistics(self) -> InputStatistics:
        """Statistics of the inputs, which determine the normalization."""
        return InputStatistics(self.x)

    @property
    def inputs(self) -> Any:
        """Inputs of all samples, (N, …)."""
        return self.x

    @property
    def probe(self) -> Samples:
        """Samples that determine the task and the normalization: all of them."""
        return self

    @staticmethod
    def of(
        x: ArrayLike,
        y: ArrayLike,
        outputs: int | Shape,
        names: Sequence[str] = (),
        ignore_label: int | None = None,
    ) -> Samples:
        """Convert inputs and labels or targets to samples for a network.

        x             inputs (N, *input_shape)
        y             labels (N,) or (N, 1), which are integers from 0 to K − 1 or class names; or targets (N, K). For a
                      single output: targets (N,) or (N, 1), or two class names, which mean 0 and 1. For dense outputs
                      (K, …): labels (N, …) or numbers (N, K, …)
        outputs       number of outputs K, or shape of the outputs (K,) or (K, …)
        names         class names
        ignore_label  for dense labels, label of positions that do not count in the loss and the metrics; None: all
                      count

        Errors   DataError if x and y do not match each other or the network, or if a target is not finite
        """
        inputs, labels = as_samples(x if isinstance(x, SampleSource) else np.asarray(x)), label_array(y)
        if inputs.size == 0:
            raise DataError("the data is empty")
        if labels.ndim == 0 or len(inputs) != len(labels):
            raise DataError(f"{len(inputs)} inputs but {len(labels) if labels.ndim else 'a single'} targets")
        shape = (outputs,) if isinstance(outputs, int) else outputs
        is_dense = len(shape) > 1
        if ignore_label is not None and not is_dense:
            raise OptionError(
                f"ignore_label {ignore_label} requires a label per position, but the outputs are a vector"
            )
        if labels.dtype.kind in "US":
            if is_dense:
                raise DataError("the labels of positions must be whole numbers, found names")
            from chainrule.data.class_names import numbers_of

            labels = numbers_of(labels, names)
        targets, valid = dense.targets_of(labels, shape, ignore_label)
        return Samples(inputs, targets if is_dense else targets.astype(np.float64), valid=valid)

    @staticmethod
    def of_dataset(dataset: Dataset, outputs: int | Shape, ignore_label: int | None = None) -> Samples:
        """Convert a data set to samples for a network with the same classes (`matched`).

        outputs, ignore_label   as in `of`
        """
        samples, *validation = (
            Samples.of(part.x, part.y, outputs, ignore_label=ignore_label)
            for part in (dataset, dataset.validation)
            if part is not None
        )
        samples = replace(samples.with_weights(dataset.weights), validation=validation[0] if validation else None)
        return replace(samples, mask_values=dataset.mask_values, digits=dataset.digits)

    def with_weights(self, weights: ArrayLike | None) -> Samples:
        """Return a copy of the samples with other weights (N,). If ``weights`` is None, return the samples unchanged.

        Errors   DataError unless there are N finite weights of at least 0
        """
        if weights is None:
            return self
        values = checked_column("weights", weights, len(self))
        invalid = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if invalid.size:
            problem = f"expected at least 0, found {values[invalid[0]]:g}"
            raise SampleError(f"sample weights: {problem} for sample {invalid[0]}", invalid[0])
        return replace(self, weights=values)

    def checked(self) -> Samples:
        """Return the samples unchanged; DataError if an input is infinite or NaN."""
        if self.x.dtype.kind == "f" and not np.isfinite(self.statistics.limits).all():
            finite_extremes(self.x, "inputs")
        return self

    def take(self, part: Ints, x: Array | None = None) -> Samples:
        """Return the samples at the given indices, with other inputs x unless it is None."""
        weights, valid = (None if array is None else array[part] for array in (self.weights, self.valid))
        inputs = subset(self.x, part) if x is None else x
        return replace(self, x=inputs, targets=self.targets[part], validation=None, weights=weights, valid=valid)

    def masked(self) -> Samples:
        """Return the samples with ``valid`` for dense targets: without ignored positions, all positions count."""
        if not self.is_dense or self.valid is not None:
            return self
        return replace(self, valid=np.broadcast_to(np.True_, (len(self), *self.targets.shape[2:])))

    def _moved(self, augmentation: Augmentation, draw: Draw) -> Samples:
        """Return the samples with dense targets moved like the images. Positions outside the images do not count.

        Labels are those of the nearest pixel; numbers are interpolated, and count only if no outside pixel is involved.

        draw   as in `Augmentation.move`
        """
        interpolate = self.targets.dtype != np.uint8
        valid = (self.masked() if augmentation.exposes_outside else self).valid
        targets = augmentation.move(self.targets, draw, interpolate=interpolate)
        if valid is not None:
            shares = augmentation.move(valid[:, None].astype(np.float64), draw, interpolate=interpolate)
            valid = shares[:, 0] > 1 - 1e-9
        return replace(self, targets=targets, valid=valid)

    @property
    def rows(self) -> Array:
        """Targets as rows (M, K): one per sample or position. For dense labels, one row per class that occurs."""
        return dense.rows(self.targets)

    @property
    def is_dense(self) -> bool:
        """Whether there is one target per position."""
        return self.targets.ndim > 2

    @property
    def loss_weights(self) -> Floats | PositionWeights | None:
        """Weights in the loss: of samples, (N,), or of the positions of dense targets; None if all are 1."""
        options = self.valid, self.class_weights, self.weights
        if not self.is_dense or all(option is None for option in options):
            return self.weights
        return PositionWeights(self.targets, *options)

    def weighted_targets(self, loss: object) -> Array:
        """Return the targets, or, if positions are ignored, the targets multiplied by the weights of their positions.

        The categorical cross-entropy is linear in the targets, so the result has the same loss and gradients without
        weights.

        Errors   OptionError for another loss if positions are ignored
        """
        if self.valid is None or self.valid.all():
            return self.targets
        if loss != "categorical_cross_entropy":
            raise OptionError(f"a step with ignored positions can be traced for categorical_cross_entropy, not {loss}")
        return self.targets * PositionWeights(self.targets, self.valid)[:][:, :1]

    def _classes(self) -> Ints | None:
        """Return the class of each sample, (N,), if the targets are one-hot rows or a column of 0 and 1; else None."""
        if self.is_dense or not ((self.targets == 0) | (self.targets == 1)).all():
            return None
        if self.targets.shape[1] == 1:
            return self.targets[:, 0].astype(np.int64)
        return self.targets.argmax(1) if (self.targets.sum(1) == 1).all() else None

    def parts(self, share: float, seed: int, groups: ArrayLike | None = None) -> tuple[Samples, Samples | None]:
        """Return the training samples, and the validation samples or None.

        share   fraction of the samples and of each class to use for validation; 0: use the data set's own validation
                samples, if any
        seed    seed for the random selection
        groups  group of each sample, (N,), of which none is divided; None: all samples are independent
        """
        if not share:
            return self, self.validation
        from chainrule.data.splits import split_validation

        training, validation = split_validation(len(self), share, seed, self._classes(), groups)
        return self.take(training), self.take(validation)

    def batch(
        self,
        indices: Ints,
        preparation: Preparation,
        *,
        epoch: int = 0,
        numbers: Ints | None = None,
    ) -> Batch:
        """Return a batch: x in the network's dtype, normalized and augmented; targets; and weights or None.

        indices      indices (N,) of the samples, whose inputs are an array
        epoch        epoch for the augmentation
        numbers      numbers of the samples for the augmentation, (N,); None: the indices
        """
        network, normalization, augmentation, seed, *_ = preparation
        options = *normalization.constants, network.dtype, network.threads
        x = network.engine.normalized_rows(self.x, indices, *options)
        if x is None:
            x = normalization.apply(self.x[indices], network.dtype)
        if augmentation:
            from chainrule.data.coloring import Draw

            draw = Draw(seed, epoch, indices if numbers is None else numbers)
            return self.take(indices, x)._augmented(preparation, draw)
        loss_weights = self.loss_weights
        return x, self.targets[indices], None if loss_weights is None else loss_weights[indices]

    def _augmented(self, preparation: Preparation, draw: Draw) -> Batch:
        """Return the samples, whose inputs are normalized, with random transformations."""
        augmentation, normalization = cast("Augmentation", preparation.augmentation), preparation.normalization
        changed = augmentation.apply(self.x, draw, fill=normalization.background, levels=normalization.levels)
        x = np.ascontiguousarray(changed, preparation.network.dtype)
        moved = self._moved(augmentation, draw) if self.is_dense else self
        targets = moved.targets
        if augmentation.positions:
            targets = augmentation.move_positions(targets, draw, x.shape[2:])
        x, targets = augmentation.call_function(x, targets, draw)
        loss_weights = replace(moved, targets=targets).loss_weights
        return x, targets, None if loss_weights is None else loss_weights[:]

    def read(self, indices: Ints, key: int = 0) -> Arrays:
        """Return the inputs at the given indices, as an argument of `loaded`. Processes call this to read ahead."""
        return (self.x[indices],)

    def loaded(self, indices: Ints, arrays: Arrays = ()) -> tuple[Samples, Ints]:
        """Return samples whose inputs are an array, and the indices in them of the samples at the given indices.

        arrays   result of `read` for the indices; empty: call it, unless the inputs are an array
        """
        if not arrays and not isinstance(self.x, SampleSource):
            return self, indices
        (x,) = arrays or self.read(indices)
        return self.take(indices, x), np.arange(len(indices))


def label_array(y: ArrayLike) -> Array:
    """Convert labels to an array of numbers or of names in one Unicode normal form; DataError for other types."""
    labels = as_array(y)
    if labels.dtype.kind not in "fiubUS":
        raise DataError(f"targets must be numbers or names of classes, found {labels.dtype}: {quoted(y)}")
    if labels.dtype.kind == "U":
        return np.array([*map(printable_name, labels.flat)], str).reshape(labels.shape)
    return labels


WHITENING_IMAGES = 5_000  # number of training images used to compute whitening kernels


def whiten(network: Network, samples: Samples, normalization: Normalization) -> None:
    """Initialize kernels from training images, in all layers with the initializer "whiten".

    Only kernels that still have their random initial values are replaced. Others were trained or read from a file.

    Errors   OptionError if such a layer is not a convolution over all channels of the images
    """
    for name, layer, inputs in zip(network.names, network.layers, network.wiring.inputs, strict=True):
        if vars(layer).get("initializer") != initializers.whiten.__name__:
            continue
        w = network.weights[f"{name}.w"]
        if inputs != (0,) or w.ndim != 4 or w.shape[1] != network.input_shape[0]:
            raise OptionError(f"{layer.describe()}: only a convolution of all channels of the images can whiten them")
        if np.array_equal(w, network.drawn(f"{name}.w", network.seed)):
            w[...] = initializers.whitening(w, normalization.apply(samples.x[:WHITENING_IMAGES], network.dtype))
