"""The training loop. docs/architecture.md shows how a step reaches the kernels.

for each epoch:
    for each group of steps:               one step, unless the engine takes several in one call
        batches -> stepper -> outcomes     forward, loss, backward, update
        history, components, callbacks     after every step
    validation, history, callbacks
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, cast

import numpy as np

from chainrule.errors import NotFiniteError
from chainrule.training.batches import Batch, StepInputs
from chainrule.training.history import Epoch, History, epoch_means
from chainrule.training.notes import note_restored, training_warnings
from chainrule.training.steps.base import Outcome
from chainrule.training.trainer import Callback, Trainer


class TrainingLoop(Trainer):
    """A trainer that takes the steps."""

    def run(self, callbacks: Sequence[Callback] = ()) -> History:
        """Train from the current step to the last, and return the history.

        Errors   NotFiniteError if the loss, the gradient or a parameter is not finite
        """
        before = self.history.epochs[-1].seconds if self.history.epochs else 0.0
        with ExitStack() as cleanup:
            cleanup.callback(self.loader.release)
            self._prepare(callbacks)  # compile the step, outside the measured time
            self._started = self._clock() - before
            for callback in callbacks:
                callback.begin(self)
                cleanup.callback(callback.end, self)
            stopped = self.workers.any(self.stop)
            while not self.finished and not stopped:
                stopped = self._epoch(len(self.history) // self.epoch_steps, callbacks)
            if self.finished:
                note_restored(self.history, self.recipe, validated=self.validation is not None)
                targets = self.train_data.probe.targets if self.weights is None else None
                facts = self.history, self.recipe, self.epoch_steps, self.task, targets, self.target_scaling
                warnings = training_warnings(*facts)
                self.history.warnings += warnings
                self.history.notes += warnings
        return self.history

    def _prepare(self, callbacks: Sequence[Callback]) -> None:
        """Copy the fitted values to the network and warm up, outside the measured time."""
        self.history.standardized = len(self._units) > 1
        self._rates(len(self.history), 1)  # raise any error in a custom schedule before the network is modified
        self.adopt()
        if not self.finished:
            self.loader.hold()
            size = min(self.recipe.batch_size, len(self.train_data))
            self.stepper.prepare(size, min(self._limit(callbacks), self.loader.batches_at_once))

    def _epoch(self, epoch: int, callbacks: Sequence[Callback]) -> bool:
        """Train to the end of the current epoch. Return whether any worker has been stopped."""
        limit = self._limit(callbacks)
        # The loader draws the batches; their order depends only on the seed and the step. An engine takes one step per
        # call, or as many as fit into its time limit, unless a callback or a component must act after each.
        for samples, count, batches in self.loader.remaining(epoch, len(self.history) - epoch * self.epoch_steps):
            done = 0
            while done < count:
                steps = min(limit, count - done, self._steps_within_time_limit(samples))
                inputs = _select_batches(batches, count, done, done + steps)
                done += self._steps(epoch, samples, steps, inputs, callbacks)
                if len(self.history) < (epoch + 1) * self.epoch_steps and self.workers.any(self.stop):
                    for callback in callbacks:
                        callback.stopped(self)
                    return True
        self._end_epoch(epoch, callbacks)
        return self.workers.any(self.stop)

    def _steps(self, epoch: int, samples: int, count: int, inputs: StepInputs, callbacks: Sequence[Callback]) -> int:
        """Take up to ``count`` steps and call the callbacks. Return the number of steps taken, at least one.

        samples  number of samples in each batch
        inputs   all batches of these steps
        """
        recipe, first = self.recipe, len(self.history)
        rates = self._rates(first, count)
        seed, started, outcomes = recipe.seed, time.perf_counter(), list[Outcome]()
        # Forward, loss, backward and update of the parameters. The arrays of all batches may be on the engine's device.
        if self.loader.held:
            outcomes = self.stepper.steps_of_held(inputs[0], step=first + 1, rates=rates, seed=seed)
        if not outcomes:
            if self.loader.held:  # the first step is not finite: repeat it alone to name the tensor in the error
                inputs, rates = self.loader.batch_of(epoch, inputs[0][:samples]), rates[:1]
            x, t, weights = cast("Batch", inputs)
            outcomes = self.stepper.steps(x, t, weights, step=first + 1, rates=rates, seed=seed, samples=samples)
        self._seconds_per_sample = max(time.perf_counter() - started, 1e-9) / (len(outcomes) * samples)
        # Record each step, and let the options of the recipe (components) and the callbacks act.
        self.ahead = len(outcomes)
        unit = self._units[0] if len(self._units) == 1 else 1.0
        for rate, outcome in zip(rates, outcomes, strict=False):
            self.ahead -= 1
            outcome = outcome._replace(measured=outcome.measured * unit)
            self.history.add(epoch + 1, rate, outcome.loss, outcome.measured)
            for component in self.components:
                component.stepped(len(self.history), self.steps)
            for callback in callbacks:
                callback.stepped(self, outcome, samples)
        return len(outcomes)

    def _steps_within_time_limit(self, samples: int) -> int:
        """Return the number of steps that fit into the engine's time limit per call, at least one.

        samples  number of samples per step
        """
        seconds = self.stepper.step_limits.seconds
        if seconds is None:
            return self.steps
        return int(max(1, min(seconds / (self._seconds_per_sample * samples), self.steps)))

    def _rates(self, first: int, count: int) -> list[float]:
        """Return the learning rates of ``count`` steps, beginning with step ``first`` (numbered from 0)."""
        optimizer, schedule = self.recipe.optimizer, self.recipe.schedule
        steps = range(first, first + count)
        return [optimizer.learning_rate * schedule.factor(step, self.steps, self.epoch_steps) for step in steps]

    def _end_epoch(self, epoch: int, callbacks: Sequence[Callback]) -> None:
        if not np.isfinite(self.network.parameters).all():
            raise NotFiniteError(
                f"step {len(self.history)}: an update made parameters infinite; use a smaller learning rate"
            )
        means = epoch_means(self.history, len(self.train_data), self.recipe.batch_size)
        validation, metrics = (None, None), dict[str, float]()
        if self.validation is not None:
            validation, metrics = self._validate(self.validation)
        summary = Epoch.of(self.task.metric, epoch + 1, len(self.history), means, validation, self.seconds)
        self.history.epochs.append(replace(summary, validation_metrics=metrics))
        for callback in callbacks:
            callback.epoch_ended(self, self.history.epochs[-1])


def _select_batches(batches: StepInputs, count: int, first: int, last: int) -> Any:
    """Return batches ``first`` to ``last`` − 1 from arrays that contain ``count`` batches of equal size."""
    size = len(batches[0]) // count
    return tuple(None if array is None else array[first * size : last * size] for array in batches)
