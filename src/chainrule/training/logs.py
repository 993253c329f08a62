"""Callbacks that write what training measures: CSV, and event files for TensorBoard."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainrule._io import files
from chainrule.errors import OptionError, RunError
from chainrule.training import history
from chainrule.training.callbacks import Callback
from chainrule.training.history import Epoch
from chainrule.training.steps.base import Outcome

if TYPE_CHECKING:
    from chainrule.training.loop import Trainer

MISSING = 'event files are written with tensorboardX, which is not installed: pip install "chainrule[tensorboard]"'


class CsvLog(Callback):
    """Writes a CSV file: a row for each step, with the results of validation at the end of an epoch.

    The columns are those of the history.csv of a run folder. Rows are written after every epoch.

    path   of the file, which is replaced
    """

    def __init__(self, path: str | Path) -> None:
        self.path = files.as_path(path)
        self._written = 0

    def begin(self, trainer: "Trainer") -> None:
        """Write the heading, and the steps of a training that goes on; RunError where no file can be written."""
        heading = ",".join(history.columns(trainer.history.measure))
        files.write_atomic(self.path, f"{heading}\n".encode())
        self._written = 0
        self._append(trainer)

    def epoch_ended(self, trainer: "Trainer", epoch: Epoch) -> None:
        """Write the steps of the epoch."""
        self._append(trainer)

    def end(self, trainer: "Trainer") -> None:
        """Write the steps of an epoch that was not finished."""
        self._append(trainer)

    def _append(self, trainer: "Trainer") -> None:
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

    def begin(self, trainer: "Trainer") -> None:
        """Open a new event file; RunError where the folder cannot be made."""
        try:
            self._writer = self._library.SummaryWriter(logdir=str(self.folder))
        except OSError as error:
            raise RunError(f"cannot write to {self.folder}: {error.strerror or error}") from None

    def stepped(self, trainer: "Trainer", outcome: Outcome, samples: int) -> None:
        """Write what the step measured."""
        measured = {"loss": outcome.loss, trainer.history.measure: outcome.measured}
        self._write(trainer, "train", {**measured, "rate": trainer.history.rates[-1], "gradient_norm": outcome.norm})

    def epoch_ended(self, trainer: "Trainer", epoch: Epoch) -> None:
        """Write what validation measured."""
        found = {"loss": epoch.validation_loss, trainer.history.measure: epoch.validation_measured}
        self._write(trainer, "validation", {name: value for name, value in found.items() if value is not None})
        self._writer.flush()

    def end(self, trainer: "Trainer") -> None:
        """Close the event file."""
        self._writer.close()

    def _write(self, trainer: "Trainer", part: str, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{part}/{name}", value, len(trainer.history))
