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
from chainrule.errors import RunError, StudentError
from chainrule.layers import CustomLayer
from chainrule.models.model import Model
from chainrule.models.record import Record
from chainrule.runs import running
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import ARRAYS, DataChoice, Job, require_same
from chainrule.training.history import History
from chainrule.training.recipe import Recipe
from chainrule.training.trainer import Callback, Trainer


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
        callbacks: Sequence[Callback],
    ) -> History:
        """Train with a model and trainer from `fit`, in a new folder or from the checkpoint of a run.

        Errors   RunError if the folder contains a run that must not or cannot be resumed; OptionError if that run has
                 another model or recipe; DataError if it was trained on other data
        """
        test = self.test
        if test is not None:  # raises errors in the test data before training
            labels = trainer.fitted.labels_after(model.labels)
            record = replace(Record.of(model), labels=labels, normalization=trainer.normalization)
            record.read(test)
        job = _job(model, trainer, training)
        return _fit_in_folder(self, job, model, trainer, test, callbacks)


def _fit_in_folder(
    run: Run, job: Job, model: Model, trainer: Trainer, test: Data | None, callbacks: Sequence[Callback]
) -> History:
    """Train in a run folder.

    There are four cases. Worker 0 starts a new run or continues one, and writes the folder. The other workers assist
    in either, and write nothing.
    """
    folder = files.as_path(run.folder)
    workers = trainer.workers

    def prepare(started: Job) -> tuple[Model, Trainer]:
        require_same(folder, started, job, extending=True)
        started.check_data(folder, trainer.train_data, trainer.validation)
        trainer.replan(started.recipe)
        return model, trainer

    changes: dict[str, Any] = {"epochs": job.recipe.epochs, "patience": job.recipe.patience}
    continues = workers.any(run.resume and not workers.rank and (folder / CONFIG).is_file())
    if workers.rank and continues:
        result = running.assist_continued(folder, prepare, callbacks, **changes)
    elif workers.rank:
        result = running.assist(folder, model, trainer, callbacks)
    elif continues:
        result = running.continue_run(folder, prepare, test, callbacks, plots=run.plots, **changes)
    else:
        initial = job.build().weights
        pretrained = not all(np.array_equal(model.weights[name], initial[name]) for name in model.table)
        job = replace(job, pretrained=pretrained)
        result = running.begin(folder, job, model, trainer, test, callbacks, plots=run.plots)
    for buffer in (model.parameters, model.statistics):  # worker 0 may have restored the best epoch
        workers.broadcast(buffer)
    if result.interrupted:
        raise KeyboardInterrupt(f"to continue: fit(…, run=Run({str(folder)!r}, resume=True))")
    return result.history


def _job(model: Model, trainer: Trainer, training: Data) -> Job:
    """Return the job that describes the arguments of `fit`.

    Errors   StudentError or RunError for custom layers or a custom recipe, which a run folder cannot store
    """
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
    choice = DataChoice(ARRAYS)
    properties: dict[str, Any] = {"source": ""}
    if isinstance(training, Dataset):
        properties["source"] = training.source
        if training.name in known_names():
            choice = DataChoice(training.name)
    about = model.about(trainer.fitted)
    engine = model.engine.name
    return Job(about, choice, recipe, engine, model.threads, properties, command, precise=model.precise)
