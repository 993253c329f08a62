"""Training callbacks: conversion of functions and objects, and the progress bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias, cast

from chainrule.errors import OptionError
from chainrule.training.history import Epoch, formatted
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import CALLBACK_METHODS, Callback, Trainer, implements

REFRESH_INTERVAL = 0.1  # minimum seconds between updates of the bar, because small networks take many steps per second
SMOOTHING = 0.98  # weight of the previous value in the bar's moving averages of loss and metric


CallbackLike: TypeAlias = Callback | Callable[["Trainer", Epoch], object] | object  # an object with some methods


def as_callbacks(callbacks: object) -> list[Callback]:
    """Return a list of `Callback`. Other objects and functions are wrapped.

    callbacks   a callback, a list or tuple of callbacks, or None for none
    Errors      OptionError for any other value, such as an object without a method that training calls
    """
    if callbacks is None:
        return []
    if isinstance(callbacks, list | tuple):
        return list(map(_as_callback, cast("list[object]", callbacks)))
    return [_as_callback(callbacks)]


def _as_callback(value: object) -> Callback:
    if isinstance(value, type):
        raise OptionError(f"callback {value.__name__} is a class; expected an instance, {value.__name__}()")
    methods = {name: getattr(value, name) for name in CALLBACK_METHODS if implements(value, name)}
    if methods and isinstance(value, Callback):
        return value
    if not methods and callable(value):
        methods["epoch_ended"] = partial(_call, value)
    if not methods:
        raise OptionError(
            f"{repr(value)[:60]} is not a callback: expected a function f(trainer, epoch), or an object with some of "
            f"the methods {', '.join(CALLBACK_METHODS)}"
        )
    callback = Callback()
    vars(callback).update(methods, each_step=getattr(value, "each_step", True))
    return callback


def _call(function: Callable[[Trainer, Epoch], object], trainer: Trainer, epoch: Epoch) -> None:
    """Call a function after an epoch, and stop training if it returns True, also that of NumPy or another library."""
    result = function(trainer, epoch)
    is_boolean = isinstance(result, bool) or "bool" in str(getattr(result, "dtype", ""))
    if is_boolean and result:
        trainer.stop = True


class ProgressBar(Callback):
    """Callback that prints one line per epoch to stderr. In a terminal or Jupyter, it also shows a progress bar.

    In Jupyter, the line of an epoch replaces the one before it.
    The bar shows moving averages of loss and metric, the number of images per second, and the remaining time.
    """

    each_step = False

    def begin(self, trainer: Trainer) -> None:
        """Show an empty bar in a terminal or Jupyter, and print the history's notes."""
        from chainrule._io.console import notebook_line, progress_bars

        self._bar: Any = progress_bars(refresh=False)
        if self._bar is not None:
            self._task = self._bar.add_task("", total=trainer.steps, completed=len(trainer.history), figures="")
            self._bar.start()
        self._line: Any = notebook_line()
        self._done = self._notes = 0
        self._loss = self._measured = 0.0
        self._print_notes(trainer)
        self._first = self._drawn = time.perf_counter()

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Update the moving averages, and redraw the bar at intervals."""
        if self._bar is None:
            return
        weight = 0.0  # of the first step, there is no previous value
        if self._done:
            weight = SMOOTHING
        self._done += samples
        self._loss += (1 - weight) * (outcome.loss - self._loss)
        self._measured += (1 - weight) * (outcome.measured - self._measured)
        now = time.perf_counter()
        if not trainer.ahead and now - self._drawn > REFRESH_INTERVAL:
            self._drawn = now
            self._draw(trainer, len(trainer.history), now)

    def _draw(self, trainer: Trainer, steps: int, now: float) -> None:
        epoch = min((steps - 1) // trainer.epoch_steps + 1, trainer.recipe.epochs)
        speed = self._done / max(now - self._first, 1e-9)
        shown = _format_metrics(trainer, self._loss, self._measured)
        figures = f"{shown}  {speed:,.0f} samples/s"
        description = f"epoch {epoch}/{trainer.recipe.epochs}"
        self._bar.update(self._task, completed=steps, figures=figures, description=description, refresh=True)

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Print one line about the epoch."""
        epochs = str(trainer.recipe.epochs)
        text = f"epoch {epoch.epoch:{len(epochs)}}/{epochs}  {_format_metrics(trainer, epoch.loss, epoch.measured)}"
        if epoch.validation_loss is not None:
            text += f"  validation {_format_metrics(trainer, epoch.validation_loss, epoch.validation_measured)}"
            metrics = list[str]()
            for name, value in epoch.validation_metrics.items():
                metrics.append(f"{name.replace('_', ' ')} {formatted(name, value)}")
            if metrics:
                text += f" ({', '.join(metrics)})"
        seconds = epoch.seconds  # since the start of training
        *earlier, _ = trainer.history.epochs
        if earlier:
            seconds -= earlier[-1].seconds
        text += f"  {seconds:.1f} s"
        (self._line or self._print)(text)
        self._print_notes(trainer)

    def _print(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr, flush=True)

    def _print_notes(self, trainer: Trainer) -> None:
        """Print the history's notes that have not been printed yet."""
        for note in trainer.history.notes[self._notes :]:
            self._print(f"chainrule: {note}")
        self._notes = len(trainer.history.notes)

    def end(self, trainer: Trainer) -> None:
        """Print the notes on the outcome of training, and remove the bar."""
        self._print_notes(trainer)
        if self._bar is not None:
            self._bar.stop()


def _format_metrics(trainer: Trainer, loss: float, value: float | None) -> str:
    return f"loss {loss:<6.4g} {trainer.history.label} {formatted(trainer.history.measure, value)}"
