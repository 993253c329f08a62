"""The batches of a training: shuffled, normalized and augmented."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from chainrule.core.arrays import Array, Arrays, Ints
from chainrule.engines.protocol import ONE_STEP
from chainrule.training.examples import Examples
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Batch, Preparation
from chainrule.training.steps.stepper import Stepper

if TYPE_CHECKING:
    pass

UPLOAD_SAMPLES = 4096  # number of samples that are normalized and copied to the device at once

StepInputs: TypeAlias = Batch | tuple[Array]  # a batch, or the indices of samples in device memory


class BatchGroup(NamedTuple):
    """Consecutive batches of one size that are prepared together.

    size     number of samples in each whole batch
    batches  number of batches
    numbers  numbers of this worker's samples of all batches, one batch after the other
    """

    size: int
    batches: int
    numbers: Ints


@dataclass(eq=False)
class BatchLoader:
    """Provides the batches of a training.

    data          training data, with the weights of their samples in the loss
    epoch_steps   number of steps per epoch
    held          whether the samples are in the engine's device memory
    """

    preparation: Preparation
    recipe: Recipe
    data: Examples
    stepper: Stepper

    def __post_init__(self) -> None:
        self.epoch_steps = self.data.source.steps(self.recipe.batch_size)
        self._planned_epoch: int | None = None
        self._planned = list[Ints]()  # numbers of the samples of each batch of this epoch
        self.held = False

    # ------------------------------------------------------------------ batches of a step

    def batch(self, step: int) -> Batch:
        """Return a step's batch: normalized and augmented x, smoothed targets, and weights or None.

        step   step number, from 0
        """
        return self.batch_of(step // self.epoch_steps, self.indices(step))

    def indices(self, step: int) -> Ints:
        """Return the numbers (N,) of the samples in a step's batch. Steps are numbered from 0."""
        epoch, position = divmod(step, self.epoch_steps)
        return self._plan(epoch)[position]

    def _plan(self, epoch: int) -> list[Ints]:
        """Return the numbers of the samples of each batch of an epoch."""
        if self._planned_epoch != epoch:
            size = self.recipe.batch_size
            seed = self.recipe.seed
            self._planned = self.data.source.plan(size, seed, epoch)
            self._planned_epoch = epoch
        return self._planned

    def batch_of(self, epoch: int, numbers: Ints) -> Batch:
        """Return a batch of the samples with these numbers, (N,)."""
        source = self.data.source
        samples, rows = source.samples(numbers, self.data.targets)
        batch = samples.batch(rows, self.preparation, epoch=epoch, numbers=numbers)
        return self.preparation.of_targets(batch)

    # ------------------------------------------------------------------ batches of an epoch

    def remaining(self, epoch: int, position: int) -> Iterator[tuple[int, int, StepInputs]]:
        """Yield the batches of an epoch in groups: (batch size, number of batches, this worker's inputs).

        If the samples are in the engine's device memory, the inputs are their indices.

        position   number of batches of the epoch that have been used
        """
        groups = self._groups(epoch, position)
        if self.held:
            for group in groups:
                yield group.size, group.batches, (group.numbers,)
            return
        batches = (self.batch_of(epoch, group.numbers) for group in groups)
        if self.data.source.decodes:
            batches = _computed_ahead(batches)
        for group, batch in zip(groups, batches, strict=True):
            yield group.size, group.batches, batch

    def _groups(self, epoch: int, position: int) -> list[BatchGroup]:
        """Return the remaining batches of an epoch in groups of equal sizes.

        For 10 samples in batches of 4, prepared two at a time, these are (4, 2, 8 numbers) and (2, 1, 2 numbers).
        """
        plan = self._plan(epoch)
        most = self.batches_at_once
        groups = list[BatchGroup]()
        while position < len(plan):
            size = len(plan[position])
            end = position + 1
            while end < len(plan) and end - position < most and len(plan[end]) == size:
                end += 1
            batches = np.stack(plan[position:end])
            numbers = batches[:, self.stepper.rows(size)].ravel()
            groups.append(BatchGroup(size, len(batches), numbers))
            position = end
        return groups

    # ------------------------------------------------------------------ memory

    @property
    def batches_at_once(self) -> int:
        """Number of full batches to prepare together, because NumPy's overhead per call dominates for small images."""
        full = max(1, len(self.data) // self.recipe.batch_size)
        limits = self.stepper.step_limits
        size = ONE_STEP.size if self.recipe.augmentation else limits.size  # augmented by one thread
        return min(full, max(1, size // (self.recipe.batch_size * self._bytes_of_sample)))

    @property
    def _bytes_of_sample(self) -> int:
        """Size of one sample in bytes: input, target and weight."""
        target_shape = self.data.targets.values.shape[1:]
        numbers = math.prod(self.preparation.network.input_shape) + math.prod(target_shape)
        weights = self.data.targets.loss_weights
        if weights is not None:
            numbers += weights[:1].size
        return numbers * self.preparation.network.dtype.itemsize

    def hold(self) -> None:
        """If the engine supports it, copy all samples to its device, so that they are normalized only once."""
        if self.recipe.augmentation or not self.data.source.in_memory:
            return
        self.held = self.stepper.hold(len(self.data) * self._bytes_of_sample, self._chunks())

    def _chunks(self) -> Iterator[Arrays]:
        """Yield all samples in order, as blocks of (x, targets) or (x, targets, weights)."""
        count = len(self.data)
        for first in range(0, count, UPLOAD_SAMPLES):
            numbers = np.arange(first, min(first + UPLOAD_SAMPLES, count))
            x, targets, weights = self.batch_of(0, numbers)
            yield (x, targets) if weights is None else (x, targets, weights)

    def release(self) -> None:
        """Free the samples in the engine's device memory."""
        self.stepper.release()
        self.held = False


def _computed_ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield batches while a thread, if one can be started, computes the next one: images are decoded during a step."""
    with ThreadPoolExecutor(1) as thread:
        try:
            following = thread.submit(next, batches, None)
        except RuntimeError:
            yield from batches
            return
        batch = following.result()
        while batch is not None:
            following = thread.submit(next, batches, None)
            yield batch
            batch = following.result()
