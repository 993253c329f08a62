"""Run folders of `model.fit(…, run=FOLDER)`: the same files as from `chainrule train`, for data in memory."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data, files
from chainrule.data.dataset import Dataset
from chainrule.errors import DataError, RunError, StudentError
from chainrule.layers import CustomLayer
from chainrule.model import Model
from chainrule.runs import running
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import ARRAYS, DataChoice, Job, describe
from chainrule.runs.same_job import require_same
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


def fit_parts(training: Any, validation: Any, test: Any, weights: Any) -> tuple[Part | None, ...]:
    """Return the training, validation and test data of `fit`: each a `Dataset`, a pair (x, y), or None.

    weights  of the training samples (N,); None: 1
    """
    first = Part.of(training)
    return first and replace(first, weights=weights), Part.of(validation), Part.of(test)


def fit_in_folder(
    model: Model,
    trainer: Trainer,
    run: str | Path,
    parts: Sequence[Part | None],
    callbacks: Sequence[Callback],
    *,
    resume: bool,
    plots: bool = True,
) -> History:
    """Train a model and trainer prepared by `fit` in a new run folder or, to resume, from a folder's checkpoint.

    run    the folder, which worker 0 alone writes
    parts  training, validation and test data, from `fit_parts`
    plots  whether to draw plots in the end
    Errors   RunError when the folder holds a run, or none that can be resumed; OptionError when that run has another
             model or recipe; DataError when it was trained on other data
    """
    folder, workers = files.as_path(run), trainer.workers
    job = _job(model, trainer, parts)
    changes: dict[str, Any] = {"epochs": job.recipe.epochs, "patience": job.recipe.patience}
    resuming = workers.any(resume and not workers.rank and (folder / CONFIG).is_file())
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
            result = running.continue_run(folder, prepare, parts[2], callbacks, plots=plots, **changes)
    else:
        fresh = job.build().weights
        as_seeded = all(np.array_equal(values, fresh[name]) for name, values in model.weights.items())
        first = None if as_seeded else files.tensor_bytes("model", model.weights, model.about(trainer.fitted))
        result = running.begin(folder, job, model, trainer, parts[2], callbacks, first=first, plots=plots)
    for buffer in (model.parameters, model.statistics):  # perhaps those of the best epoch
        workers.broadcast(buffer)
    if result.interrupted:
        raise KeyboardInterrupt(f"go on with fit(…, run={str(folder)!r}, resume=True)")
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
