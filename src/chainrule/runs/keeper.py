"""Keeps a run on disk while it trains, so that it can be killed at any moment and resumed bit for bit.

The order at every save: first the rows of history.csv are flushed, then checkpoint.safetensors is replaced. A history
longer than its checkpoint is therefore normal after a crash; the rest is trained again, to the same bits.
"""

import json
import os
import time
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule import files
from chainrule.engines import Array
from chainrule.errors import FormatError, NotFiniteError, RunError
from chainrule.model import Sequential
from chainrule.runs.folder import BEST, CHECKPOINT, HELD, HISTORY, PICTURES
from chainrule.training import history
from chainrule.training.history import Epoch
from chainrule.training.loop import Callback, Trainer, best_epoch
from chainrule.training.step import Outcome

INTERVAL = 15.0  # seconds between two checkpoints within an epoch


class Keeper(Callback):
    """Writes history.csv, checkpoint.safetensors and best.safetensors of a run folder, which must be locked."""

    def __init__(self, folder: Path, model: Sequential, interval: float = INTERVAL) -> None:
        self.folder = folder
        self.model = model
        self._interval = interval
        self._written = 0
        self._saved = time.monotonic()

    def begin(self, trainer: Trainer) -> None:
        """Write the history so far and, of a fresh run, the first checkpoint."""
        files.remove_torn(self.folder, (*HELD, *PICTURES))
        rows = [",".join(history.COLUMNS) + "\n", *trainer.history.rows()]
        files.write_whole(self.folder / HISTORY, "".join(rows).encode())
        self._written = len(trainer.history)
        if not self._written:
            self.save(trainer)

    def stepped(self, trainer: Trainer, outcome: Outcome, samples: int) -> None:
        """Save now and then; not at the end of an epoch, which is saved with its validation."""
        ended = len(trainer.history) % trainer.epoch_steps == 0
        if not ended and time.monotonic() - self._saved >= self._interval:
            self.save(trainer)

    def epoch_ended(self, trainer: Trainer, epoch: Epoch) -> None:
        """Save, and keep the model if it is the best so far."""
        self._check(trainer)
        if best_epoch(trainer.history.epochs) == len(trainer.history.epochs) - 1:
            self.model.save(self.folder / BEST)
        self.save(trainer)

    def stopped(self, trainer: Trainer) -> None:
        """Save."""
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        """Flush the history, then replace the checkpoint; never with parameters that an update made infinite."""
        self._check(trainer)
        self._append(trainer)
        tensors = dict(self.model.weights)
        tensors |= {f"optimizer.{name}": moment for name, moment in _named(trainer)}
        about = {"step": len(trainer.history), "model": self.model.about()}
        files.write_tensors(self.folder / CHECKPOINT, "checkpoint", tensors, about)
        self._saved = time.monotonic()

    def _check(self, trainer: Trainer) -> None:
        if not np.isfinite(self.model.parameters).all():
            raise NotFiniteError(
                f"step {len(trainer.history)}: the update made parameters infinite; the rate is too large"
            )

    def _append(self, trainer: Trainer) -> None:
        path = self.folder / HISTORY
        try:
            with path.open("a", encoding="utf-8") as stream:
                stream.writelines(trainer.history.rows(self._written))
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror or error}") from None
        self._written = len(trainer.history)


def restore(folder: Path, model: Sequential, trainer: Trainer) -> None:
    """Bring model and trainer to where the checkpoint of a run folder is; without one yet, that is the start."""
    path = folder / CHECKPOINT
    if not path.exists() and history.is_bare(folder / HISTORY):
        return
    tensors, about = files.read_tensors(path, "checkpoint")
    expected = json.loads(json.dumps(model.architecture()))  # tuples as lists, as a file has them
    if not _describes(about.get("model"), expected):
        raise FormatError(f"{path} is a checkpoint of another model")
    model.set_weights({name: tensor for name, tensor in tensors.items() if not name.startswith("optimizer.")})
    for name, moment in _named(trainer):
        _copy(moment, tensors, f"optimizer.{name}", path)
    steps = about.get("step")
    if not isinstance(steps, int) or not 0 <= steps <= trainer.steps:
        raise FormatError(f"{path}: {steps} steps, and the run has {trainer.steps}")
    samples = len(trainer.training)
    trainer.history = history.read(folder / HISTORY, steps, samples, trainer.recipe.batch_size)


def _describes(about: Any, expected: dict[str, Any]) -> bool:
    return isinstance(about, dict) and {key: cast(dict[str, Any], about).get(key) for key in expected} == expected


def _named(trainer: Trainer) -> list[tuple[str, Array]]:
    return list(zip(trainer.recipe.optimizer.moments, trainer.moments, strict=True))


def _copy(target: Array, tensors: dict[str, Array], name: str, path: Path) -> None:
    found = tensors.get(name)
    if found is None or (found.shape, found.dtype) != (target.shape, target.dtype):
        raise FormatError(f"{path}: {name} is missing or of another size")
    target[...] = found
