"""Training callbacks that write logs, in CSV and TensorBoard format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from chainrule._io import files
from chainrule._io.extras import import_optional
from chainrule.errors import RunError
from chainrule.training import history_files
from chainrule.training.history import Epoch
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import Callback, Trainer


class CsvLog(Callback):
    """Callback that writes every step and every epoch's validation results to a CSV file.

    The columns are the same as in a run folder's history.csv. Rows are written after every epoch.

    path   path of the file; an existing file is overwritten

    >>> model.fit(x, y, epochs=5, callbacks=CsvLog("log.csv"))
    """

    def __init__(self, path: str | Path) -> None:
        self.path = files.as_path(path)
        self._written = 0

    def begin(self, trainer: Trainer) -> None:
        """Write the heading and, if training is resumed, the steps so far.

        Errors   RunError if the file cannot be written
        """
        heading = ",".join(history_files.columns(trainer.history.measure))
        files.write_atomic(self.path, f"{heading}\n".encode())
        self._written = 0
        self._append(trainer)

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Write the epoch's steps."""
        self._append(trainer)

    def end(self, trainer: Trainer) -> None:
        """If the last epoch is unfinished, write its steps."""
        self._append(trainer)

    def _append(self, trainer: Trainer) -> None:
        files.append(self.path, "".join(history_files.rows(trainer.history, self._written)).encode())
        self._written = len(trainer.history)


class TensorBoardLog(Callback):
    """Callback that writes event files for TensorBoard, using tensorboardX.

    train/…        for every step: loss, metric, learning rate and gradient norm
    validation/…   for every epoch: loss and metric

    folder   folder for the event files; ``tensorboard --logdir FOLDER`` shows them

    Errors   OptionError if tensorboardX is not installed
    """

    each_step = False

    def __init__(self, folder: str | Path) -> None:
        self._library = import_optional("tensorboardX", "tensorboard", "a TensorBoard log")
        self.folder = files.as_path(folder)
        self._writer: Any = None

    def begin(self, trainer: Trainer) -> None:
        """Open a new event file; RunError if the folder cannot be created."""
        try:
            self._writer = self._library.SummaryWriter(logdir=str(self.folder))
        except OSError as error:
            raise RunError(f"cannot write to {self.folder}: {error.strerror or error}") from None

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Write the step's values."""
        values = {"loss": outcome.loss, trainer.history.measure: outcome.measured}
        self._write(trainer, "train", {**values, "rate": trainer.history.rates[-1], "gradient_norm": outcome.norm})

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Write the validation results."""
        values = {"loss": epoch.validation_loss, trainer.history.measure: epoch.validation_measured}
        values |= epoch.validation_metrics
        self._write(trainer, "validation", {name: value for name, value in values.items() if value is not None})
        self._writer.flush()

    def end(self, trainer: Trainer) -> None:
        """Close the event file."""
        self._writer.close()

    def _write(self, trainer: Trainer, part: str, values: dict[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(f"{part}/{name}", value, len(trainer.history))
