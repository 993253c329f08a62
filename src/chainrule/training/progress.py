"""The live progress bar of training."""

import sys
import time
from typing import Any

from chainrule.training.history import Epoch, formatted
from chainrule.training.loop import Callback, Trainer
from chainrule.training.steps.base import Outcome

REFRESH = 0.1  # seconds between two updates: a step of the smallest network takes a thousandth of that
SMOOTH = 0.98  # weight of the old value in the displayed loss and measure


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
