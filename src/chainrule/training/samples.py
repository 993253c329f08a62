"""Samples in memory, which are converted to normalized batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from chainrule.core.arrays import Array, Ints
from chainrule.data.normalization import Normalization
from chainrule.errors import OptionError
from chainrule.layers import initializers
from chainrule.network.network import Network
from chainrule.training.targets import Targets

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from chainrule.data.augmentation import Augmentation
    from chainrule.network.scaling import TargetScaling

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
    if scaling is not None:
        targets = scaling.standardized(targets)
    t = targets.astype(dtype, order="C")
    if smoothing == 0:
        return t
    return t * (1 - smoothing) + smoothing / t.shape[1]


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and targets of samples in memory.

    x         inputs (N, *input_shape), in their original dtype
    targets   their targets
    """

    x: Array
    targets: Targets

    def __len__(self) -> int:
        return len(self.x)

    def batch(
        self,
        indices: Ints,
        preparation: Preparation,
        *,
        epoch: int = 0,
        numbers: Ints | None = None,
    ) -> Batch:
        """Return a batch: x in the network's dtype, normalized and augmented; targets; and weights or None.

        indices      indices (N,) of the samples
        epoch        epoch for the augmentation
        numbers      numbers of the samples for the augmentation, (N,); None: the indices
        """
        network, normalization, augmentation, seed, *_ = preparation
        factors = normalization.factors(2, network.dtype)
        x = network.engine.normalized_rows(self.x, indices, factors, network.dtype, network.threads)
        if x is None:
            x = normalization.apply(self.x[indices], network.dtype)
        if augmentation:
            from chainrule.training.augmenting import augmented

            drawn = indices if numbers is None else numbers
            return augmented(x, self.targets.take(indices), augmentation, normalization, (seed, epoch, drawn))
        loss_weights = self.targets.loss_weights
        return x, self.targets.values[indices], None if loss_weights is None else loss_weights[indices]


WHITENING_IMAGES = 5_000  # number of training images used to compute whitening kernels


def whiten(network: Network, images: Array, normalization: Normalization) -> None:
    """Initialize kernels from training images (N, C, H, W), in all layers with the initializer "whiten".

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
            w[...] = initializers.whitening(w, normalization.apply(images[:WHITENING_IMAGES], network.dtype))
