"""Run folders for `model.fit(…, run=Run(FOLDER))`, with the same files as those of `chainrule train`."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule._io import files
from chainrule.core.words import CheckedOptions
from chainrule.data.class_names import matched
from chainrule.data.dataset import Dataset
from chainrule.data.sources import SampleSource, as_array, as_samples
from chainrule.errors import DataError, OptionError, RunError, StudentError, quoted
from chainrule.layers import CustomLayer
from chainrule.models.model import Model
from chainrule.models.reading import Reading, held_out
from chainrule.network.ports import Ports
from chainrule.runs import running
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import ARRAYS, DataChoice, Job, describe, require_same
from chainrule.training.history import History
from chainrule.training.recipe import Recipe
from chainrule.training.samples import Samples
from chainrule.training.series import SeriesBatches
from chainrule.training.streams import BatchStream, PairSamples
from chainrule.training.trainer import Callback, Trainer


@dataclass(frozen=True, eq=False)
class FitData:
    """Training, validation or test data of `fit`.

    x        inputs (N, …)
    y        labels or targets, as passed to `fit`
    name     name of a known data set; `ARRAYS` for other data
    source   origin of the data
    weights  sample weights (N,); None: all are 1
    groups   what each sample belongs to, (N,); None: the samples are independent
    count    number of samples, if x and y are only some of them; None: N
    """

    x: Any
    y: Any
    name: str = ARRAYS
    source: str = ""
    weights: Any = None
    groups: Any = None
    count: int | None = None

    def __len__(self) -> int:
        return len(self.x) if self.count is None else self.count

    @staticmethod
    def of(samples: Any, classes: tuple[str, ...]) -> "FitData | None":
        """Return the data of a `Dataset`, with the labels of a network with these classes, or a pair (x, y)."""
        if samples is None:
            return None
        if isinstance(samples, Dataset):
            samples = matched(samples, classes)
            name = samples.name if samples.name in data.known_names() else ARRAYS
            return FitData(samples.x, samples.y, name, samples.source)
        if isinstance(samples, Samples | PairSamples | BatchStream):  # identified by their probe
            return FitData(samples.probe.x, samples.probe.targets, weights=samples.probe.weights, count=len(samples))
        inputs, y = map(Ports.single, samples)
        y = np.asarray(y)
        x = as_samples(inputs if isinstance(inputs, SampleSource) else as_array(inputs))
        # labels (N,) or (N, H, W); names of classes may be a list of Python strings
        are_labels, are_names = y.ndim in (1, 3) and y.dtype.kind in "iub", y.dtype.kind == "O"
        return FitData(x, y.astype(np.int64) if are_labels else y.astype(str) if are_names else y)


@dataclass(frozen=True, eq=False)
class Run(metaclass=CheckedOptions):
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

    def train(
        self,
        model: Model,
        trainer: Trainer,
        training: Any,
        validation: Any,
        columns: Mapping[str, Any],
        callbacks: Sequence[Callback],
    ) -> History:
        """Train with a model and trainer from `fit`, in a new folder or from the checkpoint of a run.

        columns   weights and groups of the training samples, as in `FitData`

        Errors   RunError if the folder contains a run that must not or cannot be resumed; OptionError if that run has
                 another model or recipe; DataError if it was trained on other data
        """
        if isinstance(trainer.train_data, SeriesBatches):
            raise OptionError(
                "run: series of different lengths cannot be resumed; train without run=, and save the model"
            )
        classes = trainer.fitted.class_names(model.classes)
        data, reading = FitData.of(training, classes), Reading(classes, normalization=trainer.normalization)
        plain = (Dataset,) if model.has_ports else (Dataset, tuple, list)  # data that are identified as a whole
        others: list[Any] = [
            pair if pair is None or isinstance(pair, plain) else held_out(model, "data", pair, reading)
            for pair in (validation, self.test_data)
        ]
        if isinstance(others[1], PairSamples | BatchStream):
            raise OptionError(f"test_data {quoted(self.test_data)}: expected (x, y) or a Dataset")
        sets = (data and replace(data, **columns), *(FitData.of(other, classes) for other in others))
        return _fit_in_folder(self, model, trainer, sets, callbacks)


def _fit_in_folder(
    run: Run, model: Model, trainer: Trainer, parts: Sequence[FitData | None], callbacks: Sequence[Callback]
) -> History:
    """Train in a run folder.

    There are four cases. Worker 0 starts a new run or continues one, and writes the folder. The other workers assist
    in either, and write nothing.

    parts   training, validation and test data
    """
    folder, workers = files.as_path(run.folder), trainer.workers
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
        result = running.continue_run(folder, prepare, parts[2], callbacks, plots=run.plots, **changes)
    else:
        # Weights other than those that the job's seed gives are saved, because the run could not start again from them.
        initial = job.build().weights
        is_initial = all(np.array_equal(values, initial[name]) for name, values in model.weights.items())
        first = None if is_initial else files.tensor_bytes("model", model.weights, model.about(trainer.fitted))
        result = running.begin(folder, job, model, trainer, parts[2], callbacks, first=first, plots=run.plots)
    for buffer in (model.parameters, model.statistics):  # worker 0 may have restored the best epoch
        workers.broadcast(buffer)
    if result.interrupted:
        raise KeyboardInterrupt(f"to continue: fit(…, run=Run({str(folder)!r}, resume=True))")
    return result.history


def _job(model: Model, trainer: Trainer, parts: Sequence[FitData | None]) -> Job:
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
    about, engine = model.about(trainer.fitted), model.engine.name
    return Job(about, choice, recipe, engine, model.threads, properties, command, precise=model.precise)


def _data_differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Describe which data differ from those of a run: the first set with another number of samples, else all data.

    before, now   data properties of the run and of the current call (`jobs.describe`)
    """
    for part in ("training", "test", "validation"):
        counts = [description.get(f"{part}_samples", 0) for description in (before, now)]
        if counts[0] != counts[1]:
            return f"{part} data ({counts[1]:,} samples, not {counts[0]:,})"
    return "data"
