"""Run folders for `model.fit(…, run=Run(FOLDER))`, with the same files as those of `chainrule train`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule._io import files
from chainrule.core.options import checked_options
from chainrule.data import known_names
from chainrule.data.containers import Data
from chainrule.data.dataset import Dataset
from chainrule.errors import DataError, RunError, StudentError
from chainrule.layers import CustomLayer
from chainrule.models.model import Model
from chainrule.models.record import Record
from chainrule.network.matching import matched
from chainrule.runs import running
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import ARRAYS, DataChoice, Job, describe, require_same
from chainrule.training.history import History
from chainrule.training.recipe import Recipe
from chainrule.training.trainer import Callback, Trainer


@dataclass(frozen=True, eq=False)
class IdentifiedData:
    """What identifies training, validation or test data of `fit`; see `jobs.Labelled`.

    x, y      inputs (N, …), and their labels or targets; of data that are read when they are needed, some of them
    count     number of samples
    name, source   name and origin of a known data set; `ARRAYS` and "" for other data
    weights   of the samples, (N,); None: none
    """

    x: Any
    y: Any
    count: int
    name: str = ARRAYS
    source: str = ""
    weights: Any = None

    def __len__(self) -> int:
        return self.count


def _identified(data: Data | None, record: Record) -> IdentifiedData | None:
    """Return what identifies data: the arrays of one input and one target, otherwise those that a network reads."""
    if data is None:
        return None
    if isinstance(data, Dataset):
        same = matched(data, record.labels)
        name = ARRAYS
        if data.name in known_names():
            name = data.name
        return IdentifiedData(same.x, same.y, len(same), name, same.source)
    if record.network.has_ports:
        examples = record.read(data)
        targets = examples.targets
        representative = examples.source.x
        return IdentifiedData(representative, np.asarray(targets.values), len(examples), weights=targets.weights)
    (x,) = data.inputs.values()
    (y,) = data.targets.values()
    targets = y.values
    if targets.ndim in (1, 3) and targets.dtype.kind in "iub":
        targets = targets.astype(np.int64)
    return IdentifiedData(x.values, targets, len(x.values))


@checked_options
@dataclass(frozen=True, eq=False)
class Run:
    """A run folder for `Model.fit`, with config, history, checkpoints, model and evaluation; see docs/runs.md.

    folder      path of the folder; with several workers, only worker 0 writes files
    resume      whether to continue from the checkpoint of the folder, if it contains a run
    test_data   data to evaluate the finished model on: a `Dataset` or a pair (x, y); None for no evaluation
    plots       whether to draw plots at the end

    >>> model.fit(x, y, epochs=4, run=cr.Run("runs/stripes", test_data=(x_test, y_test)))
    """

    folder: str | Path
    resume: bool = False
    test_data: Any = None
    plots: bool = True

    @property
    def test(self) -> Data | None:
        """The test data; None if there are none. OptionError for other values."""
        if self.test_data is None:
            return None
        return Data.of_option("test_data", self.test_data)

    def train(
        self,
        model: Model,
        trainer: Trainer,
        training: Data,
        validation: Data | None,
        callbacks: Sequence[Callback],
    ) -> History:
        """Train with a model and trainer from `fit`, in a new folder or from the checkpoint of a run.

        Errors   RunError if the folder contains a run that must not or cannot be resumed; OptionError if that run has
                 another model or recipe; DataError if it was trained on other data
        """
        fitted = trainer.fitted
        labels = fitted.labels_after(model.labels)
        normalization = trainer.normalization
        record = replace(Record.of(model), labels=labels, normalization=normalization)
        identified = _identified(training, record)
        if identified is not None and training.weights is not None:
            identified = replace(identified, weights=np.asarray(training.weights, np.float64))
        parts = identified, _identified(validation, record), _identified(self.test, record)
        return _fit_in_folder(self, model, trainer, parts, callbacks)


def _fit_in_folder(
    run: Run, model: Model, trainer: Trainer, parts: Sequence[IdentifiedData | None], callbacks: Sequence[Callback]
) -> History:
    """Train in a run folder.

    There are four cases. Worker 0 starts a new run or continues one, and writes the folder. The other workers assist
    in either, and write nothing.

    parts   training, validation and test data
    """
    folder = files.as_path(run.folder)
    workers = trainer.workers
    job = _job(model, trainer, parts)

    def prepare(started: Job) -> tuple[Model, Trainer]:
        require_same(folder, started, job, extending=True)
        if started.properties.get("fingerprint") != job.properties["fingerprint"]:
            difference = _data_differences(started.properties, job.properties)
            raise DataError(f"{folder}: the {difference} are not those this run was started with")
        trainer.replan(started.recipe)
        return model, trainer

    changes: dict[str, Any] = {"epochs": job.recipe.epochs, "patience": job.recipe.patience}
    continues = workers.any(run.resume and not workers.rank and (folder / CONFIG).is_file())
    if workers.rank and continues:
        result = running.assist_continued(folder, prepare, callbacks, **changes)
    elif workers.rank:
        result = running.assist(folder, model, trainer, callbacks)
    elif continues:
        result = running.continue_run(folder, prepare, run.test, callbacks, plots=run.plots, **changes)
    else:
        # Weights other than those that the job's seed gives are saved, because the run could not start again from them.
        initial = job.build().weights
        first = None
        if not all(np.array_equal(values, initial[name]) for name, values in model.weights.items()):
            first = files.tensor_bytes("model", model.weights, model.about(trainer.fitted))
        result = running.begin(folder, job, model, trainer, run.test, callbacks, first=first, plots=run.plots)
    for buffer in (model.parameters, model.statistics):  # worker 0 may have restored the best epoch
        workers.broadcast(buffer)
    if result.interrupted:
        raise KeyboardInterrupt(f"to continue: fit(…, run=Run({str(folder)!r}, resume=True))")
    return result.history


def _job(model: Model, trainer: Trainer, parts: Sequence[IdentifiedData | None]) -> Job:
    """Return the job that describes the arguments of `fit`.

    Errors   StudentError or RunError for custom layers or a custom recipe, which a run folder cannot store
    """
    training, validation, test = parts
    if training is None:
        raise DataError("there are no data to train on")
    custom_layers = [layer.describe() for layer in model.layers if isinstance(layer, CustomLayer)]
    if custom_layers:
        raise StudentError(f"{custom_layers[0]}: custom layers are not saved in run folders; leave out run=")
    recipe = trainer.recipe
    try:
        is_saved = Recipe.from_config(recipe.to_config()) == recipe
    except Exception:  # comparing recipes may run the user's code
        is_saved = False
    if not is_saved:
        raise RunError(
            "custom losses, schedules, optimizers and augmentation are not saved in run folders; leave out run="
        )
    command = ("python", *sys.argv[:1])
    properties = describe(training, test, validation)
    choice = DataChoice(training.name)
    about = model.about(trainer.fitted)
    engine = model.engine.name
    return Job(about, choice, recipe, engine, model.threads, properties, command, precise=model.precise)


def _data_differences(before: dict[str, object], now: dict[str, object]) -> str:
    """Describe which data differ from those of a run: the first set with another number of samples, else all data.

    before, now   data properties of the run and of the current call (`jobs.describe`)
    """
    for part in ("training", "test", "validation"):
        samples_before = before.get(f"{part}_samples", 0)
        samples = now.get(f"{part}_samples", 0)
        if samples != samples_before:
            return f"{part} data ({samples:,} samples, not {samples_before:,})"
    return "data"
