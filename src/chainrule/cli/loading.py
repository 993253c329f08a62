"""Loading of runs, models, test data and images for the commands."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chainrule import data
from chainrule.cli.program import print_message
from chainrule.cli.training_request import resolve_data_name
from chainrule.data.dataset import Dataset
from chainrule.data.folder_layout import CLASSES, NUMBERS
from chainrule.data.inputs import read_input
from chainrule.engines.protocol import Array
from chainrule.errors import DataError, OptionError
from chainrule.models import temperature
from chainrule.models.model import Model
from chainrule.models.reading import Reading, training_data
from chainrule.network import tasks
from chainrule.runs import checksums, jobs, loading
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import Job
from chainrule.runs.loading import RunRecord, load, read_run


def load_run(folder: Path, *, accept_changes: bool = False) -> RunRecord:
    """Load the run in a folder, finished or not, and print remarks on changed files to stderr."""
    record, remarks = read_run(folder, accept_changes=accept_changes)
    print_remarks(remarks)
    return record


def load_model_and_job(
    path: Path,
    *,
    engine: str | None = None,
    threads: int | None = None,
    precise: bool = False,
    accept_changes: bool = False,
) -> tuple[Model, Job | None]:
    """Load the model of a run folder or a .safetensors file, and the job of its run (None without a run).

    Remarks are printed to stderr: which weights of an unfinished run are used, and which files were changed.
    """
    machine: dict[str, Any] = {"engine": engine, "threads": threads, "precise": precise}
    if path.is_dir():
        opened_run = loading.open_run(path, **machine, accept_changes=accept_changes)
        print_remarks(opened_run.remarks)
        return opened_run.model, opened_run.job
    if not path.exists():
        raise DataError(f"{path}: no such run folder or model file")
    model, job = load(path, **machine), None
    if (path.parent / CONFIG).is_file():
        remarks = checksums.check(path.parent, (CONFIG, path.name), accept=accept_changes)
        job = jobs.read_job(path.parent)
        print_remarks(remarks)
    return model, job


def require_one_input_and_output(model: Model, path: Path) -> None:
    """Raise OptionError for a model with several inputs or outputs, which commands on images do not support."""
    ports = [
        f"{what} {ports}" for what, ports in (("inputs", model.input_ports), ("outputs", model.output_ports)) if ports
    ]
    if ports:
        raise OptionError(f"{path} has the {' and the '.join(ports)}; use it in Python: chainrule.load and predict")


def print_remarks(remarks: Iterable[str]) -> None:
    """Print remarks to stderr, one per line."""
    for remark in remarks:
        print_message(remark)


def load_test_data(
    model: Model,
    job: Job | None,
    name: str | None,
    *,
    folder: str | None,
    offline: bool | None,
    skip_damaged: bool,
) -> Dataset:
    """Load a test set.

    job   job of the model's run; None for a model without a run
    name  name or path of the data; None: the data of the run. Data other than the run's are converted to the model's
          input shape and classes
    """
    if job is not None and (name is None or resolve_data_name(name) == job.choice.name):
        choice = replace(job.choice, skip_damaged=job.choice.skip_damaged or skip_damaged)
        return choice.load(job.recipe.seed, folder=folder, offline=offline)[1]
    if name is None:
        raise OptionError("a model file does not name its test data; use --data")
    where: dict[str, Any] = {"folder": folder, "offline": offline}
    _, test = load_data_for(model, name, **where, skip_damaged=skip_damaged)
    return _relabel(test, model.classes)


def calibrate(model: Model, job: Job | None, *, folder: str | None, offline: bool | None) -> float:
    """Calibrate a model on the validation images of its run, and return the temperature (`Model.calibrate`).

    Errors   OptionError if there is no run, or if it has no validation images
    """
    validation = None
    if job is not None:
        training, _ = job.choice.load(job.recipe.seed, folder=folder, offline=offline)
        samples = training_data(model, training, None, Reading(ignore_label=job.recipe.ignore_label))
        validation = samples.parts(job.recipe.validation, job.recipe.seed, training.groups)[1]
    if validation is None:
        raise OptionError("--calibrated requires a run with validation images; train with --validation 0.1")
    return temperature.calibrate(model, validation)


def load_data_for(model: Model, name: str, **options: Any) -> tuple[Dataset, Dataset]:
    """Load a training set and a test set; images of a folder are converted to the model's input shape.

    name      name or path of the data
    options   further options of `data.load`
    """
    channels, *size = model.input_shape
    is_image = len(size) == 2 and channels in (1, 3)
    shape: dict[str, Any] = {"size": (size[0], size[1]), "channels": channels} if is_image else {}
    has_classes = model.task in (tasks.CLASSIFICATION, tasks.BINARY)
    targets = None if model.task is None else CLASSES if has_classes else NUMBERS
    return data.load(name, **shape, min_classes=1, targets=targets, **options)


def _relabel(test: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Return the data with their labels mapped to the model's classes by name; numbered classes keep their labels."""
    if not test.has_classes or test.classes == classes or test.classes == tuple(map(str, range(len(test.classes)))):
        return test
    unknown = [name for name in test.classes if name not in classes]
    if unknown:
        raise DataError(f"{test.name}: this model has no class {unknown[0]!r}; it has: {', '.join(classes)}")
    indices = np.array([classes.index(name) for name in test.classes], np.int64)
    return replace(test, y=indices[test.y], classes=classes)


def read_image(model: Model, image: str, *, as_is: bool = False) -> Array:
    """Read an image file as input for a model; a digit is centered and scaled as in MNIST, unless ``as_is``."""
    return read_input(image, model.input_shape, model.classes, as_is=as_is)
