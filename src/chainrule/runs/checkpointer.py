"""Checkpoints of a run. The run can be killed at any time and resumed, with bitwise identical results.

To save a checkpoint, first the new rows of history.csv are flushed to disk, then the checksums of the new files are
written, and finally checkpoint.safetensors is replaced. After a crash, the history may therefore contain steps after
the checkpoint. These steps are trained again, with the same results.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule._io import files
from chainrule.engines.protocol import Array
from chainrule.errors import FormatError, NotFiniteError
from chainrule.models.model import Model
from chainrule.runs.checksums import Recorder
from chainrule.runs.folder import BEST, CHECKED_FILES, CHECKPOINT, CHECKSUMS, HISTORY, PICTURES, VALIDATION
from chainrule.training import history_files
from chainrule.training.history import Epoch
from chainrule.training.steps.gradients import Outcome
from chainrule.training.trainer import Callback, Trainer

STATE = ("optimizer.", "average.")  # prefixes of the names in `Trainer.state`
INTERVAL = 15.0  # seconds between two checkpoints within an epoch


class Checkpointer(Callback):
    """Callback that writes history.csv, checkpoint.safetensors and best.safetensors.

    recorder   writer of the files
    interval   seconds between two checkpoints within an epoch
    """

    each_step = False

    def __init__(self, recorder: Recorder, model: Model, interval: float = INTERVAL) -> None:
        self.recorder = recorder
        self.model = model
        self._interval = interval
        self._written = 0
        self._saved = time.monotonic()

    def begin(self, trainer: Trainer) -> None:
        """Write the history so far and, in a new run, the first checkpoint."""
        files.remove_temporary(self.recorder.folder, (CHECKSUMS, *CHECKED_FILES, *PICTURES))
        rows = [",".join(history_files.columns(trainer.history.measure)) + "\n", *history_files.rows(trainer.history)]
        self.recorder.write({HISTORY: "".join(rows).encode()})
        self._written = len(trainer.history)
        if not self._written:
            self.save(trainer)

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Save a checkpoint if the interval has passed. After the last step of an epoch, `epoch_ended` does this."""
        ended = len(trainer.history) % trainer.epoch_steps == 0
        if not (ended or trainer.ahead) and time.monotonic() - self._saved >= self._interval:
            self.save(trainer)

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Save a checkpoint, and the model if it is the best so far."""
        done = len(trainer.history.epochs)
        self.save(trainer, best=trainer.recipe.criterion.best(trainer.history.epochs) == done - 1)

    def stopped(self, trainer: Trainer) -> None:
        """Save a checkpoint."""
        self.save(trainer)

    def save(self, trainer: Trainer, *, best: bool = False) -> None:
        """Flush the history, then replace the checkpoint.

        best     whether to replace best.safetensors, too
        Errors   NotFiniteError if a parameter is not finite
        """
        self._check(trainer)
        self.recorder.append_history("".join(history_files.rows(trainer.history, self._written)).encode())
        self._written = len(trainer.history)
        contents: dict[str, bytes] = {}
        if trainer.validation is not None:
            contents[VALIDATION] = history_files.validation_csv(trainer.history)
        if best:
            with trainer.averaged():
                contents[BEST] = model_bytes(self.model, len(trainer.history.epochs))
        tensors = {**self.model.weights, **trainer.state}
        about = {"step": len(trainer.history), "model": self.model.about()}
        self.recorder.write({**contents, CHECKPOINT: files.tensor_bytes("checkpoint", tensors, about)})
        self._saved = time.monotonic()

    def _check(self, trainer: Trainer) -> None:
        if not np.isfinite(self.model.parameters).all():
            raise NotFiniteError(
                f"step {len(trainer.history)}: the update made parameters infinite; use a smaller learning rate"
            )


def model_bytes(model: Model, epoch: int, epochs: int | None = None) -> bytes:
    """Return the content of a model file.

    epoch    number of trained epochs
    epochs   number of epochs of the recipe, for a finished run; None for an unfinished run
    """
    about = {**model.about(), "epoch": epoch}
    if epochs is not None:
        about["epochs"] = epochs
    return files.tensor_bytes("model", model.weights, about)


def restore(folder: Path, model: Model, trainer: Trainer) -> None:
    """Restore model and trainer from the checkpoint of a run folder.

    A run that has neither a checkpoint nor any steps starts from the beginning.

    Errors   FormatError for a checkpoint that is missing, damaged or belongs to another model
    """
    path = folder / CHECKPOINT
    if not path.exists() and history_files.is_bare(folder / HISTORY):
        return
    tensors, about = files.read_tensors(path, "checkpoint")
    expected = json.loads(json.dumps(model.architecture()))  # tuples become lists, as in a file
    if not _describes(about.get("model"), expected):
        raise FormatError(f"{path} is a checkpoint of another model")
    model.set_weights(finite_weights(tensors, path))
    for name, array in trainer.state.items():
        array[...] = state_of(tensors, name, array, path)
    steps = about.get("step")
    if not isinstance(steps, int) or not 0 <= steps <= trainer.steps:
        raise FormatError(f"{path}: step {steps}; expected 0 … {trainer.steps}")
    samples = len(trainer.train_data)
    trainer.history = history_files.read(folder / HISTORY, steps, samples, trainer.recipe.batch_size)
    history_files.add_validation(trainer.history, folder / VALIDATION)


def model_of(path: Path, tensors: Mapping[str, Array], described: Any, **machine: Any) -> Model:
    """Return the model with the description and weights in a model or checkpoint file.

    machine   engine, threads and precise, as in `Sequential`

    Errors    FormatError if there is no description, or if a weight is not finite
    """
    if not isinstance(described, dict):
        raise FormatError(f"{path}: expected the description of a model, found {described!r}")
    return Model.from_about(cast(dict[str, Any], described), weights=finite_weights(tensors, path), **machine)


def finite_weights(tensors: Mapping[str, Array], path: Path) -> dict[str, Array]:
    """Return the weights among the tensors of a model or checkpoint; FormatError if a weight is not finite."""
    weights = {name: tensor for name, tensor in tensors.items() if not name.startswith(STATE)}
    for name, values in weights.items():
        if not np.isfinite(values).all():
            raise FormatError(f"{path}: {name} contains weights that are not finite")
    return weights


def _describes(about: object, expected: dict[str, object]) -> bool:
    return isinstance(about, dict) and {key: cast(dict[str, object], about).get(key) for key in expected} == expected


def state_of(tensors: Mapping[str, Array], name: str, like: Array, path: Path) -> Array:
    """Return an array of the training state in a checkpoint; FormatError unless it is there, with the given layout."""
    tensor = tensors.get(name)
    if tensor is None or (tensor.shape, tensor.dtype) != (like.shape, like.dtype):
        raise FormatError(f"{path}: {name} is missing or of another size")
    return tensor
