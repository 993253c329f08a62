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

import numpy as np

from chainrule.core.arrays import Arrays
from chainrule.errors import NotFiniteError
from chainrule.training.batches import StepInputs
from chainrule.training.history import Epoch, History, epoch_means
from chainrule.training.notes import training_warnings
from chainrule.training.steps.gradients import Batches
from chainrule.training.trainer import Callback, Trainer


def train(trainer: Trainer, callbacks: Sequence[Callback] = (), *, finish: bool = False) -> History:
    """Train from the current step to the last, and return the history.

    finish   whether to give the network its final weights, such as a moving average, even after a stop or an error

    Errors   NotFiniteError if the loss, the gradient or a parameter is not finite
    """
    before = trainer.history.epochs[-1].seconds if trainer.history.epochs else 0.0
    with ExitStack() as cleanup:
        if finish:
            cleanup.push(trainer.finish)
        cleanup.callback(trainer.loader.release)
        _prepare(trainer, callbacks)  # compile the step, outside the measured time
        trainer.started = trainer.clock() - before
        for callback in callbacks:
            callback.begin(trainer)
            cleanup.callback(callback.end, trainer)
        stopped = _is_stopped(trainer)
        while not trainer.finished and not stopped:
            stopped = _epoch(trainer, len(trainer.history) // trainer.epoch_steps, callbacks)
        if trainer.finished:
            for component in trainer.components.values():
                component.note(trainer.history, trainer.recipe.epochs)
            warnings = training_warnings(trainer)
            trainer.history.warnings += warnings
            trainer.history.notes += warnings
    return trainer.history


def _prepare(trainer: Trainer, callbacks: Sequence[Callback]) -> None:
    """Copy the fitted values to the network and warm up, outside the measured time."""
    trainer.history.standardized = len(trainer.units) > 1
    _rates(trainer, 1)  # raise any error in a custom schedule before the network is modified
    trainer.adopt()
    if not trainer.finished:
        trainer.loader.hold()
        size = min(trainer.recipe.batch_size, len(trainer.train_data))
        trainer.stepper.prepare(size, min(trainer.steps_per_call(callbacks), trainer.loader.batches_at_once))


def _epoch(trainer: Trainer, epoch: int, callbacks: Sequence[Callback]) -> bool:
    """Train to the end of the current epoch. Return whether any worker has been stopped."""
    limit = trainer.steps_per_call(callbacks)
    seconds = trainer.stepper.step_limits.seconds
    trainer.schedule = trainer.recipe.schedule_after(trainer.history.epochs)
    # The loader draws the batches; their order depends only on the seed and the step. An engine takes one step per
    # call, or as many as fit into its time limit, unless a callback or a component must act after each.
    for samples, count, batches in trainer.loader.remaining(epoch, len(trainer.history) - epoch * trainer.epoch_steps):
        done = 0
        while done < count:
            steps = min(limit, count - done)
            if seconds is not None:
                steps = max(1, int(min(steps, seconds / (trainer.seconds_per_sample * samples))))
            inputs = _select_batches(batches, count, done, done + steps)
            done += _steps(trainer, epoch, samples, steps, inputs, callbacks)
            if len(trainer.history) < (epoch + 1) * trainer.epoch_steps and _is_stopped(trainer):
                for callback in callbacks:
                    callback.stopped(trainer)
                return True
    _end_epoch(trainer, epoch, callbacks)
    return _is_stopped(trainer)


def _steps(
    trainer: Trainer, epoch: int, samples: int, count: int, inputs: Arrays, callbacks: Sequence[Callback]
) -> int:
    """Take up to ``count`` steps and call the callbacks. Return the number of steps taken, at least one.

    samples  number of samples in each batch
    inputs   all batches of these steps
    """
    first = len(trainer.history)
    rates = _rates(trainer, count)
    started = time.perf_counter()
    request = Batches(inputs, rates, first + 1, trainer.recipe.seed, samples)
    # Forward, loss, backward and update of the parameters. The arrays of all batches may be on the engine's device.
    outcomes = trainer.stepper.steps(request)
    if not outcomes:  # the first step on the device is not finite: repeat it alone to name the tensor in the error
        batch = trainer.loader.batch_of(epoch, inputs[0][:samples])
        outcomes = trainer.stepper.steps(request._replace(inputs=_select_batches(batch, 1, 0, 1), rates=rates[:1]))
    trainer.seconds_per_sample = max(time.perf_counter() - started, 1e-9) / (len(outcomes) * samples)
    # Record each step, and let the options of the recipe (components) and the callbacks act.
    trainer.ahead = len(outcomes)
    unit = trainer.units[0] if len(trainer.units) == 1 else 1.0
    for rate, outcome in zip(rates, outcomes, strict=False):
        trainer.ahead -= 1
        outcome = outcome._replace(measured=outcome.measured * unit)
        trainer.history.add(epoch + 1, samples, rate, outcome.loss, outcome.measured)
        for component in trainer.components.values():
            component.stepped(len(trainer.history), trainer.steps)
        for callback in callbacks:
            callback.stepped(trainer, outcome, samples)
    return len(outcomes)


def _is_stopped(trainer: Trainer) -> bool:
    """Return whether training has been stopped, on any worker."""
    return trainer.workers.any(trainer.stop) if trainer.workers.size > 1 else trainer.stop


def _rates(trainer: Trainer, count: int) -> list[float]:
    """Return the learning rates of the next ``count`` steps."""
    first = len(trainer.history)
    rate = trainer.recipe.optimizer.learning_rate
    steps = range(first, first + count)
    return [rate * trainer.schedule.factor(step, trainer.steps, trainer.epoch_steps) for step in steps]


def _end_epoch(trainer: Trainer, epoch: int, callbacks: Sequence[Callback]) -> None:
    if not np.isfinite(trainer.network.parameters).all():
        raise NotFiniteError(
            f"step {len(trainer.history)}: an update made parameters infinite; use a smaller learning rate"
        )
    means = epoch_means(trainer.history)
    validation = (None, None)
    metrics = dict[str, float]()
    if trainer.validation is not None:
        validation, metrics = trainer.validate(trainer.validation)
    summary = Epoch.of(trainer.task.metric, epoch + 1, len(trainer.history), means, validation, trainer.seconds)
    trainer.history.epochs.append(replace(summary, validation_metrics=metrics))
    with trainer.averaged():
        for component in trainer.components.values():
            component.epoch_ended(trainer.history.epochs)
    for callback in callbacks:
        callback.epoch_ended(trainer, trainer.history.epochs[-1])


def _select_batches(batches: StepInputs, count: int, first: int, last: int) -> Arrays:
    """Return batches ``first`` to ``last`` − 1 from arrays that contain ``count`` batches of equal size."""
    size = len(batches[0]) // count
    return tuple(array[first * size : last * size] for array in batches if array is not None)
