"""Reading of runs, models and test data for the commands."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule import data, files
from chainrule.cli.jobs import full_path
from chainrule.cli.output import SHARES
from chainrule.cli.program import say
from chainrule.data.dataset import Dataset
from chainrule.data.inputs import read_input
from chainrule.engines import Array
from chainrule.errors import DataError, FormatError, OptionError, RunError
from chainrule.loading import load
from chainrule.model import Model
from chainrule.reading import read_bytes
from chainrule.runs import checksums, opening, running
from chainrule.runs.folder import CONFIG, EVALUATION, HISTORY
from chainrule.runs.jobs import Job
from chainrule.tasks import MEASURES
from chainrule.training import history
from chainrule.training.history import History


@dataclass(frozen=True)
class Run:
    """A run folder: its job, its history, and the results of its evaluation (None while it is unfinished)."""

    folder: Path
    job: Job
    history: History
    evaluation: dict[str, Any] | None

    @property
    def seconds(self) -> float | None:
        """Seconds of training up to the end of the last complete epoch."""
        return self.history.epochs[-1].seconds if self.history.epochs else None

    @property
    def speed(self) -> float | None:
        """Training speed in images per second."""
        return speed(self.job, self.history)


def run(folder: Path, *, accept_changes: bool = False) -> Run:
    """Read the run in a folder, finished or not; its history only as far as the checksums cover it."""
    running.require_run(folder)
    remarks = checksums.check(folder, (CONFIG, HISTORY, EVALUATION), accept=accept_changes)
    job = running.read_job(folder)
    path, end = folder / HISTORY, None if accept_changes else checksums.history_bytes(folder)
    rows = read_bytes(path, history.MOST_BYTES, RunError)[:end].count(b"\n") - 1  # a torn last row has no end
    found = history.read(path, max(rows, 0), job.epoch_images, job.recipe.batch_size)
    evaluation = _evaluation(folder / EVALUATION)
    remark(remarks)
    return Run(folder, job, found, evaluation)


def _evaluation(path: Path) -> dict[str, Any] | None:
    """Read the evaluation of a run; None if there is none."""
    if not path.exists():
        return None
    found = files.read_json(path)
    figures = cast(dict[str, Any], found) if isinstance(found, dict) else {}
    name = next((each for each in MEASURES if each in figures), "accuracy")
    value = figures.get(name)
    most = 1 if name in SHARES else math.inf
    if not isinstance(value, float) or not 0 <= value <= most:
        raise FormatError(f"{path}: expected the {name} from 0 to {most:g}, found {value!r}")
    return figures


def speed(job: Job, found: History) -> float | None:
    """Return the training speed over the complete epochs in images per second."""
    if not found.epochs or found.epochs[-1].seconds <= 0:
        return None
    return len(found.epochs) * job.epoch_images / found.epochs[-1].seconds


def model_and_job(
    path: Path, *, engine: str | None = None, threads: int | None = None, accept_changes: bool = False
) -> tuple[Model, Job | None]:
    """Load the model of a run folder or a .safetensors file, and the job of the folder, if there is one.

    Remarks go to stderr: which weights of an unfinished run are used, and which files were changed.
    """
    if path.is_dir():
        found = opening.open_run(path, engine=engine, threads=threads, accept_changes=accept_changes)
        remark(found.remarks)
        return found.model, found.job
    if not path.exists():
        raise DataError(f"{path}: no such run folder or model file")
    model, job = load(path, engine=engine, threads=threads), None
    if (path.parent / CONFIG).is_file():
        remarks = checksums.check(path.parent, (CONFIG, path.name), accept=accept_changes)
        job = running.read_job(path.parent)
        remark(remarks)
    return model, job


def remark(remarks: Iterable[str]) -> None:
    """Print remarks to stderr, one per line."""
    for one in remarks:
        say(one)


def test_data(
    model: Model,
    job: Job | None,
    name: str | None,
    *,
    folder: str | None,
    offline: bool | None,
    skip_damaged: bool,
) -> Dataset:
    """Load the test set of a run's data, or of other data, converted to the model's input shape and classes."""
    if job is not None and (name is None or full_path(name) == job.choice.name):
        choice = replace(job.choice, skip_damaged=job.choice.skip_damaged or skip_damaged)
        return choice.load(job.recipe.seed, folder=folder, offline=offline)[1]
    if name is None:
        raise OptionError("a model file does not name its test data; give --data")
    channels, *size = model.input_shape
    picture = len(size) == 2 and channels in (1, 3)
    _, test = data.load(
        name,
        folder=folder,
        offline=offline,
        size=(size[0], size[1]) if picture else None,
        channels=channels if picture else None,
        skip_damaged=skip_damaged,
    )
    return _relabelled(test, model.classes)


def _relabelled(test: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Return the data with labels renumbered to the model's classes by name; numbered classes keep their labels."""
    if test.classes == classes or test.classes == tuple(map(str, range(len(test.classes)))):
        return test
    unknown = [name for name in test.classes if name not in classes]
    if unknown:
        raise DataError(f"{test.name}: this model has no class {unknown[0]!r}; it has: {', '.join(classes)}")
    places = np.array([classes.index(name) for name in test.classes], np.int64)
    return replace(test, y=places[test.y], classes=classes)


def pixels(model: Model, image: str, *, as_is: bool = False) -> Array:
    """Read an image file for a model; a digit is centred and scaled as in MNIST, unless ``as_is``."""
    return read_input(image, model.input_shape, model.classes, as_is=as_is)
