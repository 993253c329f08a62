"""Training and evaluation data behind the record of a network: samples with numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chainrule._io.locks import cached_property
from chainrule.core.arrays import Ints
from chainrule.data.dataset import batch_count, order
from chainrule.data.input_statistics import InputStatistics
from chainrule.data.normalization import Normalization
from chainrule.data.sources import SampleSource, finite_extremes, subset
from chainrule.training.samples import Samples
from chainrule.training.targets import Targets


class InputSource:
    """Inputs of samples, which are numbered from 0: an array, a mapped file, or image files.

    Of a mapped file and of image files, only the samples of a batch are copied.

    x           inputs (N, …): an array or a `SampleSource`
    in_memory   whether the inputs are an array in memory
    decodes     whether reading takes so much work that the next batch is read during a step
    """

    def __init__(self, x: Any) -> None:
        self.x = x
        self.in_memory = not isinstance(x, SampleSource)
        self.decodes = isinstance(x, SampleSource) and x.decodes

    def __len__(self) -> int:
        return len(self.x)

    def part(self, numbers: Ints) -> InputSource:
        """Return the source of the samples with the given numbers, which get numbers from 0."""
        return InputSource(subset(self.x, numbers))

    def samples(self, numbers: Ints, targets: Targets) -> tuple[Samples, Ints]:
        """Return samples in memory, and the indices in them of the samples with the given numbers."""
        if self.in_memory:
            return Samples(self.x, targets), numbers
        return Samples(self.x[numbers], targets.take(numbers)), np.arange(len(numbers))

    def plan(self, size: int, seed: int | None, epoch: int) -> list[Ints]:
        """Return the numbers of the samples in each batch of an epoch; without a seed, in order."""
        numbers = np.arange(len(self)) if seed is None else order(len(self), seed, epoch)
        return [numbers[first : first + size] for first in range(0, len(numbers), size)]

    def steps(self, size: int) -> int:
        """Return the number of batches in an epoch, for batches of ``size`` samples."""
        return batch_count(len(self), size)


@dataclass(frozen=True, eq=False)
class Examples:
    """Training or evaluation data.

    source        source of the inputs
    targets       targets of all samples
    validation    validation data of their own; None if there are none
    normalization   normalization of several inputs, which was applied when they were packed; None for one input
    digits        whether the inputs are centered digits as in MNIST, see `Dataset`
    """

    source: InputSource
    targets: Targets
    validation: Examples | None = None
    normalization: Normalization | None = None
    digits: bool = False

    @staticmethod
    def of(x: ArrayLike, y: ArrayLike, shape: Sequence[int]) -> Examples:
        """Return arrays as examples: inputs (N, …), and labels or targets for outputs of the given shape."""
        return Examples(InputSource(np.asarray(x)), Targets.of(np.asarray(y), tuple(shape)))

    def __len__(self) -> int:
        return len(self.source)

    @cached_property
    def statistics(self) -> InputStatistics:
        """Statistics of the inputs, which determine the normalization."""
        return InputStatistics(self.source.x)

    def checked(self) -> Examples:
        """Return the examples unchanged; DataError if an input is infinite or NaN."""
        x = self.source.x
        if x.dtype.kind == "f" and not np.isfinite(self.statistics.limits).all():
            finite_extremes(x, "inputs")
        return self

    def first(self) -> Examples:
        """Return the first sample."""
        numbers = np.arange(1)
        return Examples(InputSource(self.source.x[:1]), self.targets.take(numbers))

    def with_weights(self, weights: ArrayLike | None) -> Examples:
        """Return the examples with other weights in the loss, (N,), if they are not None."""
        return self if weights is None else replace(self, targets=self.targets.with_weights(weights))

    def split(self, share: float, seed: int) -> tuple[Ints, Ints]:
        """Return the numbers of training and of validation samples. Of labels, the share of every class is the same.

        share    fraction of the samples for validation
        seed     seed of the random selection
        """
        from chainrule.data.splits import split_validation

        return split_validation(len(self), share, seed, self.targets.classes)

    def parts(self, share: float, seed: int) -> tuple[Examples, Examples | None]:
        """Return training data and validation data or None, as `split`; with a share of 0, the data's own."""
        if not share:
            return self, self.validation
        training, validation = (self._part(numbers) for numbers in self.split(share, seed))
        return training, validation

    def _part(self, numbers: Ints) -> Examples:
        return replace(self, source=self.source.part(numbers), targets=self.targets.take(numbers), validation=None)
