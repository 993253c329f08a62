"""Run folders of `model.fit(…, run=Run(FOLDER))`: the files that `chainrule train` writes, for data in memory."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule._io import files
from chainrule.data.dataset import Dataset
from chainrule.errors import DataError, RunError, StudentError
from chainrule.layers import CustomLayer
from chainrule.models.model import Model
from chainrule.runs import running
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import ARRAYS, DataChoice, Job, describe, require_same
from chainrule.training.history import History
from chainrule.training.loop import Callback, Trainer
from chainrule.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Part:
    """Inputs x (N, …) and labels or targets y as given to `fit`, their origin, and weights of the samples (N,)."""

    x: Any
    y: Any
    name: str = ARRAYS
    source: str = ""
    weights: Any = None

    @staticmethod
    def of(given: Any) -> "Part | None":
        """Return a part for a `Dataset` or a pair (x, y); None for None."""
        if given is None:
            return None
        if isinstance(given, Dataset):
            known = [info.name for info in data.catalogue()]
            return Part(given.x, given.y, given.name if given.name in known else ARRAYS, given.source)
        x, y = (np.asarray(one) for one in given)
        whole, named = y.ndim == 1 and y.dtype.kind in "iub", y.dtype.kind == "O"
        return Part(x, y.astype(np.int64) if whole else y.astype(str) if named else y)


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder for `Model.fit`: config, history, checkpoints, the model and its evaluation; see docs/runs.md.

    folder      the folder; worker 0 alone writes it
    resume      whether to continue from the folder's checkpoint if it holds a run
    test_data   data to evaluate the finished model on: a `Dataset` or a pair (x, y)
    plots       whether to draw plots at the end

        model.fit(x, y, epochs=4, run=cr.Run("runs/stripes", test_data=(x_test, y_test)))
    """

    folder: str | Path
    resume: bool = False
    test_data: Any = None
    plots: bool = True

    def train(
        self,
        model: Model,
        trainer: Trainer,
        given: Any,
        validation: Any,
        weights: Any,
        callbacks: Sequence[Callback],
    ) -> History:
        """Train a model and trainer that `fit` has prepared, in a new folder or from the checkpoint of a run.

        Errors   RunError when the folder holds a run, or none that can be resumed; OptionError when that run has
                 another model or recipe; DataError when it was trained on other data
        """
        training = Part.of(given)
        parts = (training and replace(training, weights=weights), Part.of(validation), Part.of(self.test_data))
        return _fit_in_folder(self, model, trainer, parts, callbacks)


def _fit_in_folder(
    run: Run, model: Model, trainer: Trainer, parts: Sequence[Part | None], callbacks: Sequence[Callback]
) -> History:
    """Train in a run folder; parts are the training, validation and test data."""
    folder, workers = files.as_path(run.folder), trainer.workers
    job = _job(model, trainer, parts)
    changes: dict[str, Any] = {"epochs": job.recipe.epochs, "patience": job.recipe.patience}
    resuming = workers.any(run.resume and not workers.rank and (folder / CONFIG).is_file())
    if workers.rank and not resuming:
        result = running.assist(folder, model, trainer, callbacks)
    elif resuming:

        def prepare(kept: Job) -> tuple[Model, Trainer]:
            require_same(folder, kept, job, extending=True)
            if kept.found.get("fingerprint") != job.found["fingerprint"]:
                what = _data_differences(kept.found, job.found)
                raise DataError(f"{folder}: the {what} are not those this run began with")
            running.replan(trainer, kept.recipe)
            return model, trainer

        if workers.rank:
            result = running.assist_continued(folder, prepare, callbacks, **changes)
        else:
            result = running.continue_run(folder, prepare, parts[2], callbacks, plots=run.plots, **changes)
    else:
        fresh = job.build().weights
        as_seeded = all(np.array_equal(values, fresh[name]) for name, values in model.weights.items())
        first = None if as_seeded else files.tensor_bytes("model", model.weights, model.about(trainer.fitted))
        result = running.begin(folder, job, model, trainer, parts[2], callbacks, first=first, plots=run.plots)
    for buffer in (model.parameters, model.statistics):  # perhaps those of the best epoch
        workers.broadcast(buffer)
    if result.interrupted:
        raise KeyboardInterrupt(f"go on with fit(…, run=Run({str(folder)!r}, resume=True))")
    return result.history


def _job(model: Model, trainer: Trainer, parts: Sequence[Part | None]) -> Job:
    """Return the job that describes the arguments of `fit`."""
    training, validation, test = parts
    if training is None:
        raise DataError("there are no data to train on")
    own = [layer.describe() for layer in model.layers if isinstance(layer, CustomLayer)]
    if own:
        raise StudentError(f"{own[0]}: a run folder holds no code, so it cannot hold this network; leave out run=")
    recipe = trainer.recipe
    try:
        kept = Recipe.from_config(recipe.to_config()) == recipe
    except Exception:  # to_config may run the user's code
        kept = False
    if not kept:
        raise RunError("a run folder cannot hold a loss, schedule or optimizer of your own; leave out run=")
    command = ("python", *sys.argv[:1])
    found = describe(training, test, validation)
    choice = DataChoice(training.name)
    about, engine = model.about(trainer.fitted), model.engine.name
    return Job(about, choice, recipe, engine, model.threads, found, command, precise=model.precise)


def _data_differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Describe how the given data differ from those of a run, as far as the numbers of samples show it."""
    for part in ("training", "test", "validation"):
        counts = [found.get(f"{part}_samples", 0) for found in (before, now)]
        if counts[0] != counts[1]:
            return f"{part} data ({counts[1]:,} samples, not {counts[0]:,})"
    return "data"
