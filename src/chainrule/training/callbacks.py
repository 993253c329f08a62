"""Callbacks of training: the protocol of `fit(callbacks=…)`, the progress bar, and logs as CSV and for TensorBoard."""

from __future__ import annotations

import importlib
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from chainrule._io import files
from chainrule.engines.protocol import Array
from chainrule.errors import OptionError, RunError
from chainrule.training import history
from chainrule.training.history import Epoch, formatted
from chainrule.training.steps.base import Outcome

if TYPE_CHECKING:
    from chainrule.training.loop import Trainer

METHODS = ("begin", "stepped", "stopped", "epoch_ended", "end")
REFRESH = 0.1  # seconds between two updates of the bar: a step of the smallest network takes a thousandth of that
SMOOTH = 0.98  # weight of the old value in the loss and the metric that the bar shows
MISSING = 'event files are written with tensorboardX, which is not installed: pip install "chainrule[tensorboard]"'


class Callback:
    """Base of callbacks, whose methods are called during training; each does nothing by default.

    Any object with some of these methods serves as a callback, and so does a function ``f(trainer, epoch)``, which is
    called after every epoch and stops training by returning True. A method stops training by setting
    ``trainer.stop = True``: no further step is taken. An exception in a callback ends training at once and leaves
    `fit`; the model is as after its last step, and `end` is called for every callback whose `begin` has returned.

    trainer     `training.loop.Trainer`: network, recipe, history, moments, steps, epoch_steps, seconds, stop, ahead
    each_step   whether `stepped` needs the network as it is after its step, or may stop training there. Where it is
                False for all callbacks that have `stepped`, several steps may be taken at once, and are told of
                afterwards: the network is then as after the last of them, `trainer.ahead` steps further. How many
                depends on the time they take, and so does where a stop by such a callback ends the training.
    """

    each_step: bool = True

    def begin(self, trainer: Trainer) -> None:
        """Prepare, before the first step."""

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Act after a step on ``samples`` samples; outcome: loss, measured (accuracy or error), gradient norm."""

    def stopped(self, trainer: Trainer) -> None:
        """Act after the last step, if training was stopped within an epoch."""

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Act after an epoch and its validation."""

    def end(self, trainer: Trainer) -> None:
        """Finish, after the last step, even if training was stopped or failed; in the reverse order of `begin`."""


class _Methods(Callback):
    """An object with some of the methods, as a callback."""

    def __init__(self, source: Any) -> None:
        self.each_step = getattr(source, "each_step", True)
        for name in METHODS:
            method = getattr(source, name, None)
            if callable(method):
                setattr(self, name, method)


class _Function(Callback):
    """A function that is called after every epoch, as a callback."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Call the function, and stop training if it returns True."""
        if self._function(trainer, epoch) is True:
            trainer.stop = True


class RestoreBest(Callback):
    """Restores the weights of the best epoch (see `best_epoch`) at the end of training."""

    def __init__(self) -> None:
        self._best: tuple[Array, Array] | None = None

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Copy the weights if the epoch is the best so far."""
        if best_epoch(trainer.history.epochs) == len(trainer.history.epochs) - 1:
            with trainer.averaged():
                self._best = trainer.network.parameters.copy(), trainer.network.statistics.copy()

    def end(self, trainer: Trainer) -> None:
        """Restore the best weights."""
        if self._best is not None:
            trainer.network.parameters[:], trainer.network.statistics[:] = self._best


def best_epoch(epochs: Sequence[Epoch]) -> int:
    """Return the index of the epoch with the lowest validation loss, or training loss without validation.

    The first of equals wins; NaN counts as infinite.
    """
    scores = [epoch.loss if epoch.validation_loss is None else epoch.validation_loss for epoch in epochs]
    scores = [math.inf if math.isnan(score) else score for score in scores]
    return scores.index(min(scores))


def watches_steps(callback: Callback) -> bool:
    """Return whether a callback needs the network as it is after each step."""
    return callback.each_step and getattr(callback.stepped, "__func__", None) is not Callback.stepped


CallbackLike: TypeAlias = Callback | Callable[["Trainer", Epoch], object] | object  # with some of the methods


def as_callbacks(given: Any) -> list[Callback]:
    """Return callbacks for one or several of: callbacks, objects with some of the methods, functions."""
    several = cast("list[Any]", [] if given is None else given if isinstance(given, list | tuple) else [given])
    return [_as_callback(one) for one in several]


def _as_callback(one: Any) -> Callback:
    if isinstance(one, Callback):
        return one
    if isinstance(one, type):
        raise OptionError(f"callback {one.__name__} is a class; give an object of it, {one.__name__}()")
    if any(callable(getattr(one, name, None)) for name in METHODS):
        return _Methods(one)
    if callable(one):
        return _Function(one)
    raise OptionError(
        f"{repr(one)[:60]} is no callback: expected a function f(trainer, epoch), or an object with some of "
        f"{', '.join(METHODS)}"
    )


class ProgressBar(Callback):
    """Progress bar on stderr: loss, measure, images per second and remaining time; a line per epoch if no terminal."""

    each_step = False

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._done = 0
        self._notes = 0
        self._drawn = 0.0
        self._first = 0.0
        self._loss = self._measured = 0.0

    def begin(self, trainer: Trainer) -> None:
        """Show an empty bar."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        if console.is_terminal or console.is_jupyter:
            columns = (TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.fields[figures]}"))
            left = TimeRemainingColumn(compact=True)
            self._bar = Progress(*columns, left, console=console, auto_refresh=False, expand=True, transient=True)
            self._task = self._bar.add_task("", total=trainer.steps, completed=len(trainer.history), figures="")
            self._bar.start()
        self._done = 0
        self._print_notes(trainer)
        self._first = self._drawn = time.perf_counter()

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Count the samples for a terminal's bar, and update it from time to time, when no step is ahead."""
        if self._bar is None:
            return
        weight = SMOOTH if self._done else 0.0
        self._done += samples
        self._loss += (1 - weight) * (outcome.loss - self._loss)
        self._measured += (1 - weight) * (outcome.measured - self._measured)
        if not trainer.ahead and (now := time.perf_counter()) - self._drawn > REFRESH:
            self._drawn = now
            self._draw(trainer, len(trainer.history), now)

    def _draw(self, trainer: Trainer, steps: int, now: float) -> None:
        epoch = min((steps - 1) // trainer.epoch_steps + 1, trainer.recipe.epochs)
        speed = self._done / max(now - self._first, 1e-9)
        shown = _figures(self._loss, trainer.history.measure, self._measured)
        figures = f"{shown}  {speed:,.0f} images/s"
        description = f"epoch {epoch}/{trainer.recipe.epochs}"
        self._bar.update(self._task, completed=steps, figures=figures, description=description, refresh=True)

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Print a line for the epoch."""
        epochs = str(trainer.recipe.epochs)
        measure, found = trainer.history.measure, epoch.validation_loss
        text = f"epoch {epoch.epoch:{len(epochs)}}/{epochs}  {_figures(epoch.loss, measure, epoch.measured)}"
        if found is not None:
            text += f"  validation {_figures(found, measure, epoch.validation_measured)}"
        earlier = trainer.history.epochs[:-1]
        text += f"  {epoch.seconds - (earlier[-1].seconds if earlier else 0.0):.1f} s"
        self._print(text)

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _print_notes(self, trainer: Trainer) -> None:
        """Print the notes of the history that have not been printed yet."""
        for note in trainer.history.notes[self._notes :]:
            self._print(f"chainrule: {note}")
        self._notes = len(trainer.history.notes)

    def end(self, trainer: Trainer) -> None:
        """Print notes on the outcome, and remove the bar."""
        self._print_notes(trainer)
        if self._bar is not None:
            self._bar.stop()


def _figures(loss: float, measure: str, measured: float | None) -> str:
    return f"loss {loss:<6.4g} {measure.replace('_', ' ')} {formatted(measure, measured)}"


class CsvLog(Callback):
    """Writes a CSV file: a row for each step, with the results of validation at the end of an epoch.

    The columns are those of the history.csv of a run folder. Rows are written after every epoch.

    path   of the file, which is replaced
    """

    def __init__(self, path: str | Path) -> None:
        self.path = files.as_path(path)
        self._written = 0

    def begin(self, trainer: Trainer) -> None:
        """Write the heading, and the steps of a training that goes on; RunError where no file can be written."""
        heading = ",".join(history.columns(trainer.history.measure))
        files.write_atomic(self.path, f"{heading}\n".encode())
        self._written = 0
        self._append(trainer)

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Write the steps of the epoch."""
        self._append(trainer)

    def end(self, trainer: Trainer) -> None:
        """Write the steps of an epoch that was not finished."""
        self._append(trainer)

    def _append(self, trainer: Trainer) -> None:
        files.append(self.path, "".join(trainer.history.rows(self._written)).encode())
        self._written = len(trainer.history)


class TensorBoardLog(Callback):
    """Writes event files for TensorBoard, with tensorboardX.

    train/…        of every step: loss, the metric of the task, rate, and the norm of the gradient
    validation/…   after every epoch: loss and the metric

    folder   of the event files; ``tensorboard --logdir FOLDER`` shows them

    Errors   OptionError where tensorboardX is not installed
    """

    each_step = False

    def __init__(self, folder: str | Path) -> None:
        try:
            self._library: Any = importlib.import_module("tensorboardX")
        except ImportError:
            raise OptionError(MISSING) from None
        self.folder = files.as_path(folder)
        self._writer: Any = None

    def begin(self, trainer: Trainer) -> None:
        """Open a new event file; RunError where the folder cannot be made."""
        try:
            self._writer = self._library.SummaryWriter(logdir=str(self.folder))
        except OSError as error:
            raise RunError(f"cannot write to {self.folder}: {error.strerror or error}") from None

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Write what the step measured."""
        measured = {"loss": outcome.loss, trainer.history.measure: outcome.measured}
        self._write(trainer, "train", {**measured, "rate": trainer.history.rates[-1], "gradient_norm": outcome.norm})

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Write what validation measured."""
        found = {"loss": epoch.validation_loss, trainer.history.measure: epoch.validation_measured}
        self._write(trainer, "validation", {name: value for name, value in found.items() if value is not None})
        self._writer.flush()

    def end(self, trainer: Trainer) -> None:
        """Close the event file."""
        self._writer.close()

    def _write(self, trainer: Trainer, part: str, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{part}/{name}", value, len(trainer.history))
