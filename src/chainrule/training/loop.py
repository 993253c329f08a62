"""The training loop."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np

from chainrule import tasks
from chainrule.data.batches import batch_count, order
from chainrule.data.normalisation import Normalisation
from chainrule.engines import Array
from chainrule.errors import NotFiniteError, OptionError
from chainrule.network import Fitted, Network
from chainrule.training import notes
from chainrule.training.callbacks import Callback, best_epoch
from chainrule.training.evaluation import evaluate
from chainrule.training.history import Epoch, History, epoch_means
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from chainrule.training.step import Outcome, Stepper
from chainrule.training.whitening import whiten


class Clock(Protocol):
    """Source of seconds, for the history."""

    def __call__(self) -> float: ...


class Trainer:
    """Trains a network by a recipe, and holds the complete state of a training between two steps.

    epoch_steps   number of steps per epoch
    steps         number of steps in all
    history       its length is the number of steps done, which order, augmentation and dropout depend on
    stop          True, set by a callback, ends training after the current step
    task          task given by the targets
    fitted        what was fitted to the data besides the parameters

    Building a trainer leaves the network as it is. `run` gives the network what was fitted; before single steps, call
    `adopt`.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        train_data: Samples,
        normalisation: Normalisation,
        validation: Samples | None = None,
        *,
        classes: tuple[str, ...] = (),
        clock: Clock = time.perf_counter,
    ) -> None:
        self.network = network
        self.recipe = recipe
        self.train_data = train_data
        self.validation = validation
        self.normalisation = normalisation
        self.classes = classes
        self.epoch_steps = batch_count(len(train_data), recipe.batch_size)
        self.steps = self.epoch_steps * recipe.epochs
        self.task = self._task()
        self.history = History(measure=self.task.measure)
        self.stop = False
        if recipe.smoothing and self.task != tasks.CLASSIFICATION:
            raise OptionError(f"label smoothing is for classes, and the task is {self.task.name}")
        self.stepper = Stepper(network, recipe.optimizer, recipe.loss, recipe.clip_norm, self.task, recipe.rates)
        if said := tasks.range_warning(network.last_layer, train_data.targets):
            self.history.notes.append(said)
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
        return Fitted(self.normalisation, self.recipe.loss, self.task, self.classes)

    def adopt(self) -> None:
        """Give the network what was fitted, which its evaluations and its files need, and kernels that whiten."""
        whiten(self.network, self.train_data, self.normalisation)
        self.network.adopt(self.fitted)

    @property
    def moments(self) -> tuple[Array, ...]:
        """Moments of the optimizer."""
        return self.stepper.moments

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
        self.adopt()
        if not self.finished:
            self.stepper.prepare(min(self.recipe.batch_size, len(self.train_data)))
        before = self.history.epochs[-1].seconds if self.history.epochs else 0.0
        self._started = self._clock() - before
        with ExitStack() as begun:
            for callback in callbacks:
                callback.begin(self)
                begun.callback(callback.end, self)
            while not self.finished and not self.stop:
                self._epoch(len(self.history) // self.epoch_steps, callbacks)
            if self.finished:
                self.history.notes += notes.training_notes(self)
        return self.history

    def _epoch(self, epoch: int, callbacks: Sequence[Callback]) -> None:
        """Train from the current step to the end of its epoch."""
        size = self.recipe.batch_size
        samples = order(len(self.train_data), self.recipe.seed, epoch)
        for place in range(len(self.history) - epoch * self.epoch_steps, self.epoch_steps):
            indices = samples[place * size : (place + 1) * size]
            outcome = self._step(epoch, indices)
            for callback in callbacks:
                callback.stepped(self, outcome, len(indices))
            if self.stop and place + 1 < self.epoch_steps:
                for callback in callbacks:
                    callback.stopped(self)
                return
        self._end_epoch(epoch, callbacks)

    def batch(self, step: int) -> tuple[Array, Array]:
        """Return the batch x, t of a step (from 0), normalised and augmented, its labels smoothed."""
        epoch, place = divmod(step, self.epoch_steps)
        size = self.recipe.batch_size
        samples = order(len(self.train_data), self.recipe.seed, epoch)
        return self._batch(epoch, samples[place * size : (place + 1) * size])

    def _batch(self, epoch: int, indices: Any) -> tuple[Array, Array]:
        augmentation, seed = self.recipe.augmentation, self.recipe.seed
        x, t = self.train_data.batch(
            indices, self.normalisation, self.network.dtype, augmentation, seed=seed, epoch=epoch
        )
        if share := self.recipe.smoothing:
            t *= 1 - share
            t += share / t.shape[1]
        return x, t

    def _step(self, epoch: int, indices: Any) -> Outcome:
        recipe, step = self.recipe, len(self.history)
        x, t = self._batch(epoch, indices)
        rate = recipe.optimizer.rate * recipe.schedule.factor(step, self.steps, self.epoch_steps)
        outcome = self.stepper.step(x, t, step=step + 1, rate=rate, seed=recipe.seed)
        self.history.add(epoch + 1, rate, outcome.loss, outcome.measured)
        return outcome

    def _end_epoch(self, epoch: int, callbacks: Sequence[Callback]) -> None:
        if not np.isfinite(self.network.parameters).all():
            raise NotFiniteError(f"step {len(self.history)}: an update made parameters infinite; the rate is too large")
        means = epoch_means(self.history, len(self.train_data), self.recipe.batch_size)
        checked: tuple[float | None, float | None] = (None, None)
        if self.validation is not None:
            result = evaluate(self.network, self.validation, self.normalisation, self.recipe.loss, self.task)
            checked = (result.loss, result.figures[self.task.measure])
        ended = Epoch.of(self.task.measure, epoch + 1, len(self.history), means, checked, self.seconds)
        self.history.epochs.append(ended)
        for callback in callbacks:
            callback.epoch_ended(self, ended)

    def _patience_exhausted(self) -> bool:
        epochs = self.history.epochs
        if self.recipe.patience is None or not epochs or self.validation is None:
            return False
        return len(epochs) - 1 - best_epoch(epochs) >= self.recipe.patience
