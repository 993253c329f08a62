"""Checkpoints of a run. The run can be killed at any time and resumed, with bitwise identical results.

To save a checkpoint, first the new rows of history.csv are flushed to disk, then checkpoint.safetensors is replaced.
After a crash, the history may therefore contain steps after the checkpoint. These steps are trained again, with the
same results.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule._io import files
from chainrule.engines.protocol import Array
from chainrule.errors import FormatError, NotFiniteError, RunError, quoted
from chainrule.models.model import Model
from chainrule.runs.folder import CHECKPOINT, HISTORY, PICTURES, RUN_FILES
from chainrule.training import history_files
from chainrule.training.history import Epoch, History
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import Callback, Trainer

BEST = "best."  # prefix of the names of the best epoch's weights in a checkpoint
STATE = ("optimizer.", "average.", BEST)  # prefixes of all names that are not weights
INTERVAL = 15.0  # seconds between two checkpoints within an epoch


class Checkpointer(Callback):
    """Callback that writes history.csv and checkpoint.safetensors to a run folder, which must be locked.

    interval   seconds between two checkpoints within an epoch
    best       weights of the best epoch so far, by name; empty before the end of the first epoch
    """

    each_step = False

    def __init__(
        self, folder: Path, model: Model, interval: float = INTERVAL, best: Mapping[str, Array] | None = None
    ) -> None:
        self.folder = folder
        self.model = model
        self.best: Mapping[str, Array] = best or {}
        self._interval = interval
        self._written = 0
        self._digest = hashlib.sha256()
        self._further: tuple[str, ...] = ()  # names of further metrics in the heading of history.csv
        self._saved = time.monotonic()

    def begin(self, trainer: Trainer) -> None:
        """Write the history so far, without steps after the checkpoint."""
        files.remove_temporary(self.folder, (*RUN_FILES, *PICTURES))
        self._digest.update(_rows(trainer.history))
        self._write_history(trainer.history)

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Save a checkpoint if the interval has passed. After the last step of an epoch, `epoch_ended` does this."""
        ended = len(trainer.history) % trainer.epoch_steps == 0
        if not (ended or trainer.ahead) and time.monotonic() - self._saved >= self._interval:
            self.save(trainer)

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Save a checkpoint, which keeps the weights if this epoch is the best so far."""
        epochs = trainer.history.epochs
        if trainer.recipe.criterion.best(epochs) == len(epochs) - 1:
            with trainer.averaged():
                self.best = {name: values.copy() for name, values in self.model.weights.items()}
        self.save(trainer)

    def stopped(self, trainer: Trainer) -> None:
        """Save a checkpoint."""
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Flush the history, then replace the checkpoint.

        Errors   NotFiniteError if a parameter is not finite
        """
        history = trainer.history
        if not np.isfinite(self.model.parameters).all():
            problem = f"step {len(history)}: the update made parameters infinite"
            raise NotFiniteError(f"{problem}; use a smaller learning rate")
        self._digest.update(_rows(history, self._written))
        if self._further == history_files.further_metrics(history):
            files.append(self.folder / HISTORY, _rows(history, self._written, self._further))
            self._written = len(history)
        else:
            self._write_history(history)
        self.write_checkpoint(trainer)

    def write_checkpoint(self, trainer: Trainer) -> None:
        """Replace the checkpoint."""
        best = {BEST + name: values for name, values in self.best.items()}
        about: dict[str, Any] = {
            "step": len(trainer.history),
            "history": self._digest.hexdigest(),
            "model": self.model.about(trainer.fitted),
        }
        if best:
            about["best_epoch"] = trainer.recipe.criterion.best(trainer.history.epochs) + 1
        tensors = {**self.model.weights, **trainer.state, **best}
        files.write_atomic(self.folder / CHECKPOINT, files.tensor_bytes("checkpoint", tensors, about))
        self._saved = time.monotonic()

    def _write_history(self, history: History) -> None:
        """Replace history.csv."""
        self._further = history_files.further_metrics(history)
        heading = history_files.heading(history.measure, self._further)
        files.write_atomic(self.folder / HISTORY, heading.encode() + _rows(history, further=self._further))
        self._written = len(history)


def _rows(history: History, start: int = 0, further: tuple[str, ...] = ()) -> bytes:
    return "".join(history_files.rows(history, start, further)).encode()


@dataclass(frozen=True)
class Checkpoint:
    """The content of a checkpoint.

    tensors   weights, state of the training, and the weights of the best epoch
    about     description of the model, number of steps, digest of the history, and number of the best epoch, if any
    """

    path: Path
    tensors: dict[str, Array]
    about: dict[str, Any]

    @staticmethod
    def read(folder: Path) -> "Checkpoint":
        """Read the checkpoint of a run folder.

        Errors   RunError if there is none; FormatError if it is damaged
        """
        path = folder / CHECKPOINT
        if not path.exists():
            raise RunError(f"{path} is missing, so that the run cannot be continued")
        checkpoint = Checkpoint(path, *files.read_tensors(path, "checkpoint"))
        step = checkpoint.about.get("step")
        if not isinstance(step, int) or step < 0:
            raise FormatError(f"{path}: expected a number of steps, found {quoted(step)}")
        return checkpoint

    @property
    def step(self) -> int:
        """Number of steps so far."""
        return self.about["step"]

    @property
    def weights(self) -> dict[str, Array]:
        """Weights after the last step; FormatError if one is not finite."""
        weights = {name: tensor for name, tensor in self.tensors.items() if not name.startswith(STATE)}
        return finite_weights(weights, self.path)

    @property
    def best(self) -> dict[str, Array]:
        """Weights after the best epoch, empty before the end of the first epoch; FormatError if one is not finite."""
        prefix = len(BEST)
        weights = {name[prefix:]: tensor for name, tensor in self.tensors.items() if name.startswith(BEST)}
        return finite_weights(weights, self.path)

    def model(self, weights: Mapping[str, Array], **machine: Any) -> Model:
        """Return the model with these weights.

        machine   engine, threads and precise, as in `Sequential`

        Errors    FormatError if the checkpoint does not describe a model
        """
        described = self.about.get("model")
        if not isinstance(described, dict):
            raise FormatError(f"{self.path}: expected the description of a model, found {quoted(described)}")
        return Model.from_about(cast(dict[str, Any], described), weights=weights, **machine)

    def state(self, name: str, like: Array) -> Array:
        """Return an array of the training state; FormatError unless it is there, with the given layout."""
        tensor = self.tensors.get(name)
        if tensor is None or (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
            raise FormatError(f"{self.path}: {name} is missing or of another size")
        return tensor

    def history(self, samples: int, batch_size: int) -> History:
        """Read the history of the steps so far.

        samples, batch_size   number of samples per epoch and per batch

        Errors   FormatError if history.csv is damaged or was edited
        """
        path = self.path.with_name(HISTORY)
        if not self.step:
            return History()
        history = history_files.read(path, self.step, samples, batch_size)
        if self.about.get("history") != hashlib.sha256(_rows(history)).hexdigest():
            raise FormatError(f"{path} is not the history of {self.path.name}: it was edited or damaged")
        return history


def finite_weights(weights: Mapping[str, Array], path: Path) -> dict[str, Array]:
    """Return the weights of a file; FormatError if one is not finite."""
    for name, values in weights.items():
        if not np.isfinite(values).all():
            raise FormatError(f"{path}: {name} contains weights that are not finite")
    return dict(weights)


def restore(folder: Path, model: Model, trainer: Trainer) -> Checkpoint:
    """Restore model and trainer from the checkpoint of a run folder, and return the checkpoint.

    Errors   RunError without a checkpoint; FormatError for one that is damaged or belongs to another model
    """
    checkpoint = Checkpoint.read(folder)
    expected = json.loads(json.dumps(model.architecture()))  # tuples become lists, as in a file
    if not _describes(checkpoint.about.get("model"), expected):
        raise FormatError(f"{checkpoint.path} is a checkpoint of another model")
    if checkpoint.step > trainer.steps:
        raise FormatError(f"{checkpoint.path}: step {checkpoint.step}; expected 0 … {trainer.steps}")
    model.set_weights(checkpoint.weights)
    for name, array in trainer.state.items():
        array[...] = checkpoint.state(name, array)
    if checkpoint.step:
        trainer.history = checkpoint.history(len(trainer.train_data), trainer.recipe.batch_size)
    return checkpoint


def _describes(about: object, expected: dict[str, object]) -> bool:
    return isinstance(about, dict) and {key: cast(dict[str, object], about).get(key) for key in expected} == expected
