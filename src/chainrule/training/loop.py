"""The training loop."""

import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from chainrule.data.batches import batch_count, order
from chainrule.data.normalisation import Normalisation
from chainrule.engines import Array
from chainrule.errors import NotFiniteError
from chainrule.network import Network
from chainrule.training.evaluation import evaluate
from chainrule.training.history import Epoch, History, epoch_means
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from chainrule.training.step import Outcome, Stepper


class Callback:
    """What may be done besides, at moments of training; every method does nothing by default."""

    def begin(self, trainer: "Trainer") -> None:
        """Before the first step."""

    def stepped(self, trainer: "Trainer", outcome: Outcome, samples: int) -> None:
        """After a step on so many samples."""

    def stopped(self, trainer: "Trainer") -> None:
        """After the last step, where training was stopped within an epoch."""

    def epoch_ended(self, trainer: "Trainer", epoch: Epoch) -> None:
        """After an epoch and its validation."""

    def end(self, trainer: "Trainer") -> None:
        """After the last step, also when training was stopped or failed."""


class Clock(Protocol):
    """Seconds, for the history."""

    def __call__(self) -> float: ...


class Trainer:
    """Trains a network by a recipe; everything that a run is between two steps.

    epoch_steps   steps an epoch
    steps         in all
    history       its length is the number of steps done: order, augmentation and dropout are functions of it
    stop          set to True by a callback, it ends training after the current step
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        training: Samples,
        normalisation: Normalisation,
        validation: Samples | None = None,
        *,
        clock: Clock = time.perf_counter,
    ) -> None:
        self.network = network
        self.recipe = recipe
        self.training = training
        self.validation = validation
        self.normalisation = normalisation
        self.epoch_steps = batch_count(len(training), recipe.batch_size)
        self.steps = self.epoch_steps * recipe.epochs
        self.history = History()
        self.stop = False
        self.stepper = Stepper(network, recipe.optimizer, recipe.loss, recipe.clip_norm)
        self._clock = clock
        self._started = clock()

    @property
    def moments(self) -> tuple[Array, ...]:
        """The optimizer's moments."""
        return self.stepper.moments

    @property
    def seconds(self) -> float:
        """Seconds of training so far, those before a resumption included."""
        return self._clock() - self._started

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: all steps are done, or the validation loss stopped improving."""
        return len(self.history) >= self.steps or self._out_of_patience()

    def run(self, callbacks: Sequence[Callback] = ()) -> History:
        """Train from the current step to the end."""
        self.stepper.prepare(min(self.recipe.batch_size, len(self.training)))
        before = self.history.epochs[-1].seconds if self.history.epochs else 0.0
        self._started = self._clock() - before
        for callback in callbacks:
            callback.begin(self)
        try:
            while not self.finished and not self.stop:
                self._epoch(len(self.history) // self.epoch_steps, callbacks)
        finally:
            for callback in callbacks:
                callback.end(self)
        return self.history

    def _epoch(self, epoch: int, callbacks: Sequence[Callback]) -> None:
        """From the current step to the end of its epoch."""
        size = self.recipe.batch_size
        samples = order(len(self.training), self.recipe.seed, epoch)
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
        """The samples x and targets t that a step (from 0) trains on."""
        epoch, place = divmod(step, self.epoch_steps)
        size = self.recipe.batch_size
        samples = order(len(self.training), self.recipe.seed, epoch)
        return self._batch(epoch, samples[place * size : (place + 1) * size])

    def _batch(self, epoch: int, indices: Any) -> tuple[Array, Array]:
        augmentation, seed = self.recipe.augmentation, self.recipe.seed
        return self.training.batch(
            indices, self.normalisation, self.network.dtype, augmentation, seed=seed, epoch=epoch
        )

    def _step(self, epoch: int, indices: Any) -> Outcome:
        recipe, step = self.recipe, len(self.history)
        x, t = self._batch(epoch, indices)
        rate = recipe.optimizer.rate * recipe.schedule.factor(step, self.steps, self.epoch_steps)
        outcome = self.stepper.step(x, t, step=step + 1, rate=rate, seed=recipe.seed)
        self.history.add(epoch + 1, rate, outcome.loss, outcome.accuracy)
        return outcome

    def _end_epoch(self, epoch: int, callbacks: Sequence[Callback]) -> None:
        if not np.isfinite(self.network.parameters).all():
            raise NotFiniteError(f"step {len(self.history)}: an update made parameters infinite; the rate is too large")
        loss, accuracy = epoch_means(self.history, len(self.training), self.recipe.batch_size)
        checked: tuple[float | None, float | None] = (None, None)
        if self.validation is not None:
            result = evaluate(self.network, self.validation, self.normalisation, self.recipe.loss)
            checked = (result.loss, result.accuracy)
        ended = Epoch(epoch + 1, len(self.history), loss, accuracy, *checked, seconds=self.seconds)
        self.history.epochs.append(ended)
        for callback in callbacks:
            callback.epoch_ended(self, ended)

    def _out_of_patience(self) -> bool:
        epochs = self.history.epochs
        if self.recipe.patience is None or not epochs or self.validation is None:
            return False
        return len(epochs) - 1 - best_epoch(epochs) >= self.recipe.patience


class KeepBest(Callback):
    """Ends training with the weights of the best epoch, as `best_epoch` judges them."""

    def __init__(self) -> None:
        self._best: tuple[Array, Array] | None = None

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Copy the weights when they are the best so far."""
        if best_epoch(trainer.history.epochs) == len(trainer.history.epochs) - 1:
            self._best = trainer.network.parameters.copy(), trainer.network.statistics.copy()

    def end(self, trainer: Trainer) -> None:
        """Put the best weights back."""
        if self._best is not None:
            trainer.network.parameters[:], trainer.network.statistics[:] = self._best


def best_epoch(epochs: Sequence[Epoch]) -> int:
    """Place of the epoch with the lowest validation loss (the first of equals), or of the lowest training loss."""
    scores = [epoch.loss if epoch.validation_loss is None else epoch.validation_loss for epoch in epochs]
    scores = [math.inf if math.isnan(score) else score for score in scores]
    return scores.index(min(scores))
