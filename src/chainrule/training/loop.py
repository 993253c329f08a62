"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from chainrule.data.dataset import batch_count, order
from chainrule.data.normalization import Normalization
from chainrule.engines.protocol import ONE_STEP, Array
from chainrule.errors import NotFiniteError, OptionError
from chainrule.training import history, tasks
from chainrule.training.averaging import WeightAverage, slow_copy
from chainrule.training.callbacks import Callback, best_epoch, watches_steps
from chainrule.training.class_weights import sample_weights
from chainrule.training.evaluation import evaluate
from chainrule.training.history import Epoch, History, epoch_means
from chainrule.training.losses import Loss
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples, whiten
from chainrule.training.steps.base import Outcome
from chainrule.training.steps.selection import make_stepper
from chainrule.training.tasks import Task
from chainrule.training.workers import ALONE, Workers

if TYPE_CHECKING:
    from chainrule.models.network import Network

HELD_AT_ONCE = 4096  # samples that are normalized together for a device that holds all

_Batch: TypeAlias = tuple[Array, Array, Array | None]  # x, t and, where samples have them, weights
_Given: TypeAlias = _Batch | tuple[Array]  # or the numbers of samples that the engine's device holds


class Clock(Protocol):
    """Source of seconds, for the history."""

    def __call__(self) -> float: ...


@dataclass(frozen=True)
class Fitted:
    """Normalization, loss and task, which a trainer fits to its data before the first step.

    classes        their names where the data have them; empty: the model's own
    largest_input  largest absolute value of a training input, normalized; None: unknown
    """

    normalization: Normalization
    loss: Loss
    task: Task | None
    classes: tuple[str, ...] = ()
    largest_input: float | None = None


class Trainer:
    """Trains a network by a recipe, and holds the complete state of a training between two steps.

    epoch_steps   number of steps per epoch
    steps         number of steps in all
    history       its length is the number of steps done, which order, augmentation and dropout depend on
    stop          True, set by a callback, ends training after the steps that are being taken
    ahead         steps that the network is ahead of the history, while callbacks are told of steps taken at once
    task          task given by the targets
    weights       weight of each training sample in the loss, (N,): its own times that of its class; None: 1
    fitted        what was fitted to the data besides the parameters
    workers       processes that train together, each with a trainer of its own on the same data
    average       of the weights after each step; None where the recipe wants none

    Building a trainer leaves the network as it is. `run` gives the network what was fitted; before single steps, call
    `adopt`.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        train_data: Samples,
        normalization: Normalization,
        validation: Samples | None = None,
        *,
        classes: tuple[str, ...] = (),
        clock: Clock = time.perf_counter,
        workers: Workers = ALONE,
    ) -> None:
        recipe.check_input(network.input_shape)
        self.network = network
        self.recipe = recipe
        self.train_data = train_data
        self.validation = validation
        self.normalization = normalization
        self.classes = classes
        self.epoch_steps = batch_count(len(train_data), recipe.batch_size)
        self.steps = self.epoch_steps * recipe.epochs
        self.task = self._task()
        self.history = History(measure=self.task.measure)
        self.stop = False
        self.ahead = 0
        self.workers = workers
        if recipe.label_smoothing and self.task != tasks.CLASSIFICATION:
            raise OptionError(f"label smoothing is for classes, and the task is {self.task.name}")
        names = classes or getattr(network, "classes", ())
        self.weights, held = sample_weights(
            *(recipe.class_weight, self.task, train_data, [validation], names), dtype=network.dtype
        )
        self.validation = validation if validation is None else replace(validation, weights=held)
        self.stepper = make_stepper(
            *(network, recipe.optimizer, recipe.loss, recipe.clip_norm, self.task, recipe.lr_multipliers),
            weighted=self.weights is not None,
            parts=recipe.gradient_accumulation_steps,
            shards=recipe.shards,
            workers=workers,
        )
        self.average = None if recipe.ema_decay is None else WeightAverage(network, recipe.ema_decay)
        if said := tasks.range_warning(network.last_layer, train_data.targets):
            self.history.notes.append(said)
        self._slow = slow_copy(network) if recipe.lookahead else {}
        self._held = False
        self._pace = math.inf  # seconds for each sample, in the last steps
        self._clock = clock
        self._started = clock()

    def _task(self) -> tasks.Task:
        """Return the task given by loss and targets; an error if they do not fit together."""
        loss, ending = str(self.recipe.loss), self.network.last_layer
        for samples in (self.train_data, self.validation):
            if samples is not None:
                tasks.check(loss, ending, samples.targets)
        return tasks.infer_task(loss, ending, self.train_data.targets)

    @property
    def fitted(self) -> Fitted:
        """Return what was fitted to the data besides the parameters."""
        return Fitted(self.normalization, self.recipe.loss, self.task, self.classes, self._largest_input)

    @cached_property
    def _largest_input(self) -> float | None:
        """Largest absolute value of a training input, normalized; None where one is not finite."""
        largest = self.normalization.largest(self.train_data.x)
        return largest if math.isfinite(largest) else None

    def adopt(self) -> None:
        """Give the network what was fitted, which its evaluations and its files need, and kernels that whiten."""
        whiten(self.network, self.train_data, self.normalization)
        self.network.adopt(self.fitted)

    @property
    def moments(self) -> tuple[Array, ...]:
        """Moments of the optimizer."""
        return self.stepper.moments

    def averaged(self) -> AbstractContextManager[None]:
        """Give the network the average of its weights for the time of a `with` block, where the recipe wants one."""
        return nullcontext() if self.average is None or not len(self.history) else self.average.applied()

    def use_average(self) -> None:
        """Give the network the average of its weights, where the recipe wants one."""
        if self.average is not None and len(self.history):
            self.average.apply()

    @property
    def state(self) -> dict[str, Array]:
        """Moments of the optimizer and averages of the weights, by name, which a resumed training needs too."""
        found = {
            f"optimizer.{name}": each for name, each in zip(self.recipe.optimizer.moments, self.moments, strict=True)
        }
        found |= {f"lookahead.{name}": slow for name, slow in self._slow.items()}
        return found if self.average is None else {**found, "average.values": self.average.values}

    @property
    def seconds(self) -> float:
        """Seconds of training so far, including those before it was resumed."""
        return self._clock() - self._started

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or the validation loss has stopped improving."""
        return len(self.history) >= self.steps or self._patience_exhausted()

    def run(self, callbacks: Sequence[Callback] = ()) -> History:
        """Train from the current step to the end."""
        before = self.history.epochs[-1].seconds if self.history.epochs else 0.0
        with ExitStack() as cleanup:
            cleanup.callback(self._release)
            self._prepare(callbacks)
            self._started = self._clock() - before
            for callback in callbacks:
                callback.begin(self)
                cleanup.callback(callback.end, self)
            stopped = self.workers.any(self.stop)
            while not self.finished and not stopped:
                stopped = self._epoch(len(self.history) // self.epoch_steps, callbacks)
            if self.finished:
                self.history.notes += history.training_notes(self)
        return self.history

    def _prepare(self, callbacks: Sequence[Callback]) -> None:
        """Do what must not count as training time: give the network what was fitted, and warm up."""
        self._rates(len(self.history), 1)  # a schedule that fails leaves the network as it is
        self.adopt()
        if not self.finished:
            self._hold()
            size = min(self.recipe.batch_size, len(self.train_data))
            self.stepper.prepare(size, min(self._limit(callbacks), self._batches_at_once))

    def _release(self) -> None:
        self.stepper.release()
        self._held = False

    def _epoch(self, epoch: int, callbacks: Sequence[Callback]) -> bool:
        """Train from the current step to the end of its epoch; return whether a worker was stopped."""
        limit = self._limit(callbacks)
        for samples, count, batches in self._batches(epoch):
            done = 0
            while done < count:
                taken = min(limit, count - done, self._most_in_time(samples))
                given = _some(batches, count, done, done + taken)
                done += self._steps(epoch, samples, taken, given, callbacks)
                if len(self.history) < (epoch + 1) * self.epoch_steps and self.workers.any(self.stop):
                    for callback in callbacks:
                        callback.stopped(self)
                    return True
        self._end_epoch(epoch, callbacks)
        return self.workers.any(self.stop)

    def _limit(self, callbacks: Sequence[Callback]) -> int:
        """Return how many steps may be taken at once: one where each is looked at."""
        watched = self.recipe.lookahead or self.average or any(map(watches_steps, callbacks))
        return 1 if watched else self.stepper.step_limits.steps

    def _most_in_time(self, samples: int) -> int:
        """Return how many steps on so many samples each take no longer than the engine allows, at least one."""
        seconds = self.stepper.step_limits.seconds
        return self.steps if seconds is None else int(max(1, min(seconds / (self._pace * samples), self.steps)))

    def _hold(self) -> None:
        """Have the engine's device hold the samples, where it can: they are then not normalized again in each epoch."""
        if self.recipe.augmentation:
            return
        count = len(self.train_data)
        blocks = (np.arange(first, min(first + HELD_AT_ONCE, count)) for first in range(0, count, HELD_AT_ONCE))
        batches = (self._batch(0, block) for block in blocks)
        parts = ((x, t) if weights is None else (x, t, weights) for x, t, weights in batches)
        self._held = self.stepper.hold(count * self._bytes_of_sample, parts)

    @property
    def _bytes_of_sample(self) -> int:
        """Bytes of an input, its target and its weight."""
        entries = math.prod(self.network.input_shape) + self.train_data.targets.shape[1] + 1
        return entries * self.network.dtype.itemsize

    @property
    def _batches_at_once(self) -> int:
        """Number of full batches that are made at once: one small image takes NumPy as long as ten do."""
        full = max(1, len(self.train_data) // self.recipe.batch_size)
        size = ONE_STEP.size if self.recipe.augmentation else self.stepper.step_limits.size  # one thread augments
        return min(full, max(1, size // (self.recipe.batch_size * self._bytes_of_sample)))

    def batch(self, step: int) -> _Batch:
        """Return the batch x, t of a step (from 0), normalized and augmented, its labels smoothed, and its weights."""
        return self._batch(step // self.epoch_steps, self.batch_indices(step))

    def batch_indices(self, step: int) -> NDArray[np.int64]:
        """Return the numbers (N,) of the samples in the batch of a step (from 0)."""
        epoch, place = divmod(step, self.epoch_steps)
        size = self.recipe.batch_size
        return order(len(self.train_data), self.recipe.seed, epoch)[place * size : (place + 1) * size]

    def _batches(self, epoch: int) -> Iterator[tuple[int, int, _Given]]:
        """Yield the rest of an epoch: the size of some batches, their number, and what this worker has of them."""
        size, all_samples = self.recipe.batch_size, order(len(self.train_data), self.recipe.seed, epoch)
        place, full = len(self.history) - epoch * self.epoch_steps, len(all_samples) // size
        many = self._batches_at_once
        while place < self.epoch_steps:
            end = min(place + many, full) if place < full else self.epoch_steps  # the last: smaller
            batches = all_samples[place * size : end * size].reshape(end - place, -1)
            own = batches[:, self.stepper.rows(batches.shape[1])].ravel()
            yield batches.shape[1], len(batches), (own,) if self._held else self._batch(epoch, own)
            place = end

    def _batch(self, epoch: int, indices: Any) -> _Batch:
        augmentation, seed = self.recipe.augmentation, self.recipe.seed
        x, t = self.train_data.batch(
            *(indices, self.normalization, self.network.dtype, augmentation),
            seed=seed,
            epoch=epoch,
            network=self.network,
        )
        if share := self.recipe.label_smoothing:
            t *= 1 - share
            t += share / t.shape[1]
        return x, t, None if self.weights is None else self.weights[indices].astype(self.network.dtype)

    def _steps(self, epoch: int, samples: int, count: int, given: _Given, callbacks: Sequence[Callback]) -> int:
        """Take steps on `count` batches of so many samples each, or on the first of them; return how many."""
        recipe, first = self.recipe, len(self.history)
        rates = self._rates(first, count)
        seed, began, outcomes = recipe.seed, time.perf_counter(), list[Outcome]()
        if self._held:
            outcomes = self.stepper.steps_of_held(given[0], step=first + 1, rates=rates, seed=seed)
        if not outcomes:
            if self._held:  # the first step is not finite: take it again, for an error that names the tensor
                given, rates = self._batch(epoch, given[0][:samples]), rates[:1]
            x, t, weights = cast("_Batch", given)
            outcomes = self.stepper.steps(x, t, weights, step=first + 1, rates=rates, seed=seed, samples=samples)
        self._pace = max(time.perf_counter() - began, 1e-9) / (len(outcomes) * samples)
        self.ahead = len(outcomes)
        for rate, outcome in zip(rates, outcomes, strict=False):
            self.ahead -= 1
            self.history.add(epoch + 1, rate, outcome.loss, outcome.measured)
            self.lookahead(len(self.history))
            if self.average is not None:
                self.average.add(len(self.history))
            for callback in callbacks:
                callback.stepped(self, outcome, samples)
        return len(outcomes)

    def _rates(self, first: int, count: int) -> list[float]:
        """Return the learning rates of ``count`` steps, from step number ``first`` (from 0)."""
        optimizer, schedule = self.recipe.optimizer, self.recipe.schedule
        steps = range(first, first + count)
        return [optimizer.learning_rate * schedule.factor(step, self.steps, self.epoch_steps) for step in steps]

    def lookahead(self, step: int) -> None:
        """Average the network as the recipe's lookahead, if it has one, does after step number ``step`` (from 1)."""
        if self.recipe.lookahead:
            self.recipe.lookahead.follow(self.network, self._slow, step, self.steps)

    def _end_epoch(self, epoch: int, callbacks: Sequence[Callback]) -> None:
        if not np.isfinite(self.network.parameters).all():
            raise NotFiniteError(
                f"step {len(self.history)}: an update made parameters infinite; the learning rate is too large"
            )
        means = epoch_means(self.history, len(self.train_data), self.recipe.batch_size)
        checked = (None, None) if self.validation is None else self._validate(self.validation)
        ended = Epoch.of(self.task.measure, epoch + 1, len(self.history), means, checked, self.seconds)
        self.history.epochs.append(ended)
        for callback in callbacks:
            callback.epoch_ended(self, ended)

    def _validate(self, samples: Samples) -> tuple[float, float]:
        """Return loss and measure of validation samples, as worker 0 finds them."""
        found = np.zeros(2)
        if not self.workers.rank:
            with self.averaged():
                result = evaluate(self.network, samples, self.normalization, self.recipe.loss, self.task)
            found[:] = result.loss, result.figures[self.task.measure]
        self.workers.broadcast(found)
        return float(found[0]), float(found[1])

    def _patience_exhausted(self) -> bool:
        epochs = self.history.epochs
        if self.recipe.patience is None or not epochs or self.validation is None:
            return False
        return len(epochs) - 1 - best_epoch(epochs) >= self.recipe.patience


def _some(batches: _Given, count: int, first: int, last: int) -> Any:
    """Return some of `count` batches of equal size that lie one after the other: from `first` to before `last`."""
    size = len(batches[0]) // count
    return tuple(None if array is None else array[first * size : last * size] for array in batches)
