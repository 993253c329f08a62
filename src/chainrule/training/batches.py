"""The batches of a training: shuffled, read ahead by worker processes if necessary, normalized and augmented."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from chainrule.core.arrays import Array, Arrays, Ints
from chainrule.core.randomness import mix
from chainrule.core.shapes import is_whole
from chainrule.data.dataset import batch_count, order
from chainrule.data.normalization import Normalization
from chainrule.data.sources import SampleSource
from chainrule.engines.protocol import ONE_STEP
from chainrule.errors import OptionError, quoted
from chainrule.network.network import Network
from chainrule.network.tasks import REGRESSION
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Batch, Preparation, Samples
from chainrule.training.steps.stepper import Stepper

if TYPE_CHECKING:
    from chainrule.data.augmentation import Augmentation
    from chainrule.data.prefetch import Prefetcher
    from chainrule.training.streams import BatchStream, PairSamples, TrainingData

UPLOAD_SAMPLES = 4096  # number of samples that are normalized and copied to the device at once
EVALUATION_BATCH = 1024  # maximum number of samples that are evaluated together
EVALUATION_BYTES = 1 << 26  # maximum size of their inputs

StepInputs: TypeAlias = Batch | tuple[Array]  # a batch, or the indices of samples in device memory


@dataclass(eq=False)
class BatchLoader:
    """Provides the batches of a training.

    data          training data, with the weights of their samples in the loss
    readers       number of processes that read ahead; None: one per processor if the data are decoded when needed. Each
                  process holds at most two batches in memory
    epoch_steps   number of steps per epoch
    held          whether the samples are in the engine's device memory
    """

    preparation: Preparation
    recipe: Recipe
    data: TrainingData
    stepper: Stepper
    readers: int | None = None

    def __post_init__(self) -> None:
        self.epoch_steps = batch_count(len(self.data), self.recipe.batch_size)
        if not isinstance(self.data, Samples):
            from chainrule.training.streams import BatchStream

            if isinstance(self.data, BatchStream):
                self.data = self.data.drawn(self.recipe.batch_size, self.recipe.seed)
                self.epoch_steps = self.data.steps
        self._prefetcher: Prefetcher | None = None
        self._mixing: Augmentation | None = None
        self.held = False
        if self.recipe.augmentation is not None:
            self._augment(self.recipe.augmentation, self.data.probe)

    def _augment(self, augmentation: Augmentation, probe: Samples) -> None:
        """Prepare colors and mixing; OptionError for targets that would not be changed with their images."""
        if augmentation.mixes and probe.is_dense:
            raise OptionError("augmentation mixup and cutmix: expected one target per image, found one per position")
        if augmentation.moves and not augmentation.keep_targets:
            from chainrule.training.outputs import infer_task

            task = infer_task(self.preparation.network, self.recipe.loss, probe)
            are_pairs = task == REGRESSION and not probe.is_dense and probe.targets.shape[1] % 2 == 0
            if augmentation.positions and not are_pairs:
                raise OptionError("augmentation positions: expected pairs of numbers x, y for each image as targets")
            if REGRESSION in (*getattr(task, "parts", ()), task) and not (probe.is_dense or augmentation.positions):
                raise OptionError(
                    f"augmentation {augmentation} moves pixels, but not targets that are numbers: add positions if "
                    "they are positions in pixels, or keep_targets if they do not depend on the place in the image"
                )
        self._mixing = augmentation if augmentation.mixes else None

    # ------------------------------------------------------------------ batches of a step

    def batch(self, step: int) -> Batch:
        """Return a step's batch: normalized and augmented x, smoothed targets, and weights or None.

        step   step number, from 0
        """
        if self.data.batch_size is not None:
            return self._of_stream(step)[1]
        return self.batch_of(step // self.epoch_steps, self.indices(step))

    def indices(self, step: int) -> Ints:
        """Return the indices (N,) of the samples in a step's batch. Steps are numbered from 0."""
        epoch, position = divmod(step, self.epoch_steps)
        size = self.recipe.batch_size
        return order(len(self.data), self.recipe.seed, epoch)[position * size : (position + 1) * size]

    def _of_stream(self, step: int) -> tuple[int, Batch]:
        """Return the size of a step's batch, and this worker's rows of it."""
        samples, epoch = cast("BatchStream", self.data).batch_at(step), step // self.epoch_steps
        own = np.arange(len(samples))[self.stepper.rows(len(samples))]
        first = step * self.recipe.batch_size
        drawn = self._with_partners(epoch, own, len(samples), first)
        return len(samples), self._finished(samples, drawn, epoch, first + drawn, len(own))

    def batch_of(self, epoch: int, indices: Ints, arrays: Arrays = ()) -> Batch:
        """Return a batch of the samples at the given indices.

        arrays   result of the data's `read` for these indices `_with_partners`; empty: call it
        """
        data = cast("Samples | PairSamples", self.data)
        drawn = self._with_partners(epoch, indices, len(data))
        if not arrays and data.decodes:
            arrays = data.read(drawn, mix(self.recipe.seed, epoch))
        return self._finished(*data.loaded(drawn, arrays), epoch, drawn, len(indices))

    def _with_partners(self, epoch: int, indices: Ints, count: int, first: int = 0) -> Ints:
        """Return indices of samples, followed by those of the samples that they are mixed with, if samples are mixed.

        count   number of samples from which partners are drawn; they are numbered from ``first``
        """
        if self._mixing is None:
            return indices
        from chainrule.data import mixing

        return np.concatenate([indices, mixing.partners(mixing.Draw(self.recipe.seed, epoch, first + indices), count)])

    def _finished(
        self,
        samples: Samples,
        indices: Ints,
        epoch: int,
        numbers: Ints,
        count: int,
    ) -> Batch:
        """Normalize, augment and mix samples, smooth their targets, and convert all arrays to the network's dtype.

        indices   indices of the samples, followed by those of the samples that they are mixed with
        numbers   numbers of these samples, for random numbers
        count     number of samples in the batch
        """
        x, targets, weights = samples.batch(indices, self.preparation, epoch=epoch, numbers=numbers)
        if (augmentation := self._mixing) is not None:
            from chainrule.data import mixing

            draw = mixing.Draw(self.recipe.seed, epoch, numbers[:count])
            strengths = (augmentation.mixup, augmentation.cutmix)
            x, targets, weights = mixing.mix(x, targets, weights, strengths, draw)
        return self.preparation.of_targets((x, targets, weights))

    # ------------------------------------------------------------------ batches of an epoch

    def remaining(self, epoch: int, position: int) -> Iterator[tuple[int, int, StepInputs]]:
        """Yield the batches of an epoch in groups: (batch size, number of batches, this worker's inputs).

        If the samples are in the engine's device memory, the inputs are their indices.

        position   number of batches of the epoch that have been used
        """
        if self.data.batch_size is not None:
            for step in range(epoch * self.epoch_steps + position, (epoch + 1) * self.epoch_steps):
                size, batch = self._of_stream(step)
                yield size, 1, batch
            return
        groups, data = self._groups(epoch, position), cast("Samples | PairSamples", self.data)
        read_ahead = None  # the samples of each group, if other processes read them
        if data.decodes and (processes := reading_processes(self.readers, data)):
            if self._prefetcher is None:
                from chainrule.data.prefetch import Prefetcher

                samples = min(self.recipe.batch_size * self.batches_at_once, len(data))
                slot_bytes = samples * (2 if self._mixing else 1) * bytes_of_reading(data)
                self._prefetcher = Prefetcher(data.read, processes, slot_bytes)
            key, available = mix(self.recipe.seed, epoch), len(data)
            requests = ((self._with_partners(epoch, rows, available), key) for _, _, rows in groups)
            read_ahead = self._prefetcher.batches(requests)
        for size, count, rows in groups:
            samples_read = next(read_ahead) if read_ahead else ()
            yield size, count, (rows,) if self.held else self.batch_of(epoch, rows, samples_read)

    def _groups(self, epoch: int, position: int) -> list[tuple[int, int, Ints]]:
        """Return the remaining batches of an epoch: (batch size, number of batches, indices of this worker's rows).

        For 10 samples in batches of 4, prepared two at a time, these are (4, 2, 8 indices) and (2, 1, 2 indices).
        """
        size, all_samples = self.recipe.batch_size, order(len(self.data), self.recipe.seed, epoch)
        full_batches, groups = len(all_samples) // size, list[tuple[int, int, Ints]]()
        while position < self.epoch_steps:
            is_full = position < full_batches  # otherwise, only the last batch is left, which is smaller
            end = min(position + self.batches_at_once, full_batches) if is_full else self.epoch_steps
            batches = all_samples[position * size : end * size].reshape(end - position, -1)
            groups.append((batches.shape[1], len(batches), batches[:, self.stepper.rows(batches.shape[1])].ravel()))
            position = end
        return groups

    # ------------------------------------------------------------------ memory

    @property
    def batches_at_once(self) -> int:
        """Number of full batches to prepare together, because NumPy's overhead per call dominates for small images."""
        if self.data.batch_size is not None:
            return 1
        full = max(1, len(self.data) // self.recipe.batch_size)
        limits = self.stepper.step_limits
        size = ONE_STEP.size if self.recipe.augmentation else limits.size  # augmented by one thread
        return min(full, max(1, size // (self.recipe.batch_size * self._bytes_of_sample)))

    @property
    def _bytes_of_sample(self) -> int:
        """Size of one sample in bytes: input, target and weight."""
        target_shape = self.data.probe.targets.shape[1:]
        numbers = math.prod(self.preparation.network.input_shape) + math.prod(target_shape)
        if self.data.probe.loss_weights is not None:
            numbers += 2 * math.prod(target_shape[1:])
        return numbers * self.preparation.network.dtype.itemsize

    def hold(self) -> None:
        """If the engine supports it, copy all samples to its device, so that they are normalized only once."""
        if self.recipe.augmentation or not isinstance(self.data, Samples) or isinstance(self.data.x, SampleSource):
            return
        count = len(self.data)
        blocks = (np.arange(first, min(first + UPLOAD_SAMPLES, count)) for first in range(0, count, UPLOAD_SAMPLES))
        batches = (self.batch_of(0, block) for block in blocks)
        chunks = ((x, t) if weights is None else (x, t, weights) for x, t, weights in batches)
        self.held = self.stepper.hold(count * self._bytes_of_sample, chunks)

    def release(self) -> None:
        """Free the samples in the engine's device memory, and end the processes."""
        self.stepper.release()
        self.held = False
        if self._prefetcher is not None:
            self._prefetcher.close()
            self._prefetcher = None


def reading_processes(readers: int | None, data: TrainingData) -> int:
    """Return the number of processes that read ahead; OptionError for an invalid number.

    readers   number chosen by the user; None: one per processor if the data are decoded when needed
    """
    if readers is None and not data.decodes:
        return 0
    from chainrule.data.prefetch import MAX_PROCESSES, default_readers

    if readers is None:
        return default_readers()
    if not is_whole(readers, 0) or readers > MAX_PROCESSES:
        raise OptionError(f"readers {quoted(readers)}: expected a number of processes from 0 to {MAX_PROCESSES}")
    return readers if data.decodes else 0


def bytes_of_reading(data: Samples | PairSamples) -> int:
    """Return the size in bytes of one sample, as returned by the data's `read`, with a margin for alignment."""
    x = data.x if isinstance(data, Samples) else data.probe.x
    return math.prod(x.shape[1:]) * x.dtype.itemsize + 8 * math.prod(data.probe.targets.shape[1:]) + 64


def in_order(
    data: TrainingData, normalization: Normalization, network: Network, readers: int | None = None
) -> Iterator[Batch]:
    """Yield all samples in order, in batches for evaluation: normalized x, targets in float64, and weights or None."""
    preparation = Preparation(network, normalization)
    if data.batch_size is not None:
        stream = cast("BatchStream", data)
        for samples in map(stream.batch_at, range(stream.steps)):
            yield samples.batch(np.arange(len(samples)), preparation)
        return
    data = cast("Samples | PairSamples", data)
    from chainrule.data.prefetch import Prefetcher

    count = max(1, min(EVALUATION_BATCH, EVALUATION_BYTES // (math.prod(network.input_shape) * 4)))
    blocks = [np.arange(first, min(first + count, len(data))) for first in range(0, len(data), count)]
    processes = min(reading_processes(readers, data), len(blocks))
    prefetcher = Prefetcher(data.read, processes, count * bytes_of_reading(data))
    ahead: Iterable[Arrays] = prefetcher.batches((block,) for block in blocks) if processes else [()] * len(blocks)
    try:
        for block, arrays in zip(blocks, ahead, strict=True):
            samples, rows = data.loaded(block, arrays)
            yield samples.batch(rows, preparation)
    finally:
        prefetcher.close()
