"""Series of different lengths, in batches of equal length."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.arrays import Array, Ints, Shape
from chainrule.core.randomness import generator
from chainrule.core.shapes import text
from chainrule.data.dataset import order
from chainrule.data.sources import differing_shapes
from chainrule.errors import DataError, ShapeError
from chainrule.network.network import PREDICT_BATCH, Network
from chainrule.network.sizes import resized
from chainrule.training.samples import Samples
from chainrule.training.streams import BatchStream


class SeriesBatches(BatchStream):
    """Series (C, L) of different lengths L. The series of a batch have the same length.

    series      all series
    samples     the used ones, by their numbers as inputs, with their targets and weights
    batch_size  maximum number of series in a batch; None: `PREDICT_BATCH`
    seed        seed of the batches and their order in each epoch; None: by length, otherwise in order

    The joined series are the only input in ``probe``, which determines the normalization.
    """

    def __init__(
        self, series: Sequence[Array], samples: Samples, batch_size: int | None = None, seed: int | None = None
    ) -> None:
        self.series: Sequence[Array] = series
        self.samples, self.batch_size, self.seed = samples, batch_size, seed
        used = self._numbered(samples.x)
        self.lengths = np.array([values.shape[1] for values in used])
        self.probe = replace(samples, x=np.concatenate(used, 1)[None]).checked()
        self._epoch: int = 0
        self._batches = self._drawn(0)
        self.steps = len(self._batches)

    def __len__(self) -> int:
        return len(self.samples)

    @staticmethod
    def of(network: Network, x: Sequence[Any], y: Any, names: Sequence[str], ignore_label: int | None) -> SeriesBatches:
        """Return series with labels or targets y, as in `Samples.of`.

        Errors   ShapeError unless the network accepts the length of each; DataError for an output per position
        """
        series, channels = [np.asarray(values) for values in x], network.input_shape[0]
        for shape in {values.shape for values in series}:
            if len(shape) != 2 or shape[0] != channels:
                raise ShapeError(f"expected series of shape ({channels}, length), found one of ({text(shape)})")
            if len(resized(network, shape).output_shape) > 1:
                raise DataError("an output per position requires series of one length; pad or cut them")
        numbers = np.arange(len(series))[:, None]
        samples = Samples.of(numbers, y, network.output_shape, names, ignore_label)
        return SeriesBatches(series, replace(samples, x=numbers[:, 0]))

    def drawn(self, batch_size: int, seed: int) -> SeriesBatches:
        """Return the series in batches that are drawn anew in every epoch."""
        return SeriesBatches(self.series, self.samples, batch_size, seed)

    @property
    def numbers(self) -> Ints:
        """Numbers of the samples in the order of the batches, (N,)."""
        return np.concatenate(self._batches)

    def batch_at(self, step: int) -> Samples:
        """Return the batch of a step, numbered from 0."""
        epoch, position = divmod(step, self.steps)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._drawn(epoch)
        part = self.samples.take(self._batches[position])
        return replace(part, x=np.stack(self._numbered(part.x)))

    def _numbered(self, numbers: Array) -> list[Array]:
        return [self.series[int(number)] for number in numbers]

    def _drawn(self, epoch: int) -> list[Ints]:
        """Return the numbers of the samples in each batch of an epoch."""
        size, seed = self.batch_size or PREDICT_BATCH, self.seed
        numbers = np.arange(len(self)) if seed is None else order(len(self), seed, epoch)
        groups = (numbers[self.lengths[numbers] == length] for length in np.unique(self.lengths))
        batches = [group[first : first + size] for group in groups for first in range(0, len(group), size)]
        count = len(batches)
        return batches if seed is None else [batches[n] for n in generator(seed, "lengths", epoch).permutation(count)]

    def with_weights(self, weights: Any) -> SeriesBatches:
        """Return the series with other weights in the loss, (N,), as `Samples.with_weights`."""
        return SeriesBatches(self.series, self.samples.with_weights(weights))

    def parts(self, share: float, seed: int, groups: Any = None) -> tuple[SeriesBatches, SeriesBatches | None]:
        """Return training and validation series, as `Samples.parts`."""
        training, validation = self.samples.parts(share, seed, groups)
        held_out = None if validation is None else SeriesBatches(self.series, validation)
        return SeriesBatches(self.series, training), held_out


def have_lengths(network: Network, x: Any) -> bool:
    """Return whether a list contains series of different lengths, for a network with one input."""
    return len(network.input_shape) == 2 and not network.has_ports and bool(differing_shapes(x))


def stepper_of(stepper: Any, shape: Shape) -> Any:
    """Return a `Stepper` for inputs of another length, which shares the parameters and the optimizer's moments."""
    if shape not in stepper.sizes:
        twin = stepper.sizes[shape] = copy.copy(stepper)
        twin.network = resized(stepper.network, shape)
        twin.__post_init__()
        twin.moments = stepper.moments
    return stepper.sizes[shape]
