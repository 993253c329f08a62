"""Runs on disk, opened to be looked at."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from chainrule import data, files
from chainrule.cli.jobs import located
from chainrule.data.dataset import Dataset
from chainrule.engines import Array
from chainrule.errors import DataError, FormatError, OptionError, RunError
from chainrule.model import Sequential, load
from chainrule.runs import running
from chainrule.runs.folder import CONFIG, EVALUATION, HISTORY, MODEL
from chainrule.runs.jobs import Job
from chainrule.shapes import text
from chainrule.training import history
from chainrule.training.history import History


@dataclass(frozen=True)
class Run:
    """A run folder: its job, its history, and what its evaluation found (None while it is not finished)."""

    folder: Path
    job: Job
    history: History
    evaluation: dict[str, Any] | None

    @property
    def seconds(self) -> float | None:
        """Seconds of training, up to the last epoch that ended."""
        return self.history.epochs[-1].seconds if self.history.epochs else None

    @property
    def speed(self) -> float | None:
        """Images a second."""
        return speed(self.job, self.history)


def run(folder: Path) -> Run:
    """The run in a folder, finished or not."""
    job = running.read_job(folder)
    path = folder / HISTORY
    try:
        rows = path.read_bytes().count(b"\n") - 1  # a torn last row has no end
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from None
    found = history.read(path, max(rows, 0), job.epoch_images, job.recipe.batch_size)
    return Run(folder, job, found, _evaluation(folder / EVALUATION))


def _evaluation(path: Path) -> dict[str, Any] | None:
    """What the evaluation of a run found; None where there is none."""
    if not path.exists():
        return None
    found = files.read_json(path)
    accuracy = cast(dict[str, Any], found).get("accuracy") if isinstance(found, dict) else None
    if not isinstance(accuracy, float) or not 0 <= accuracy <= 1:
        raise FormatError(f"{path}: expected an accuracy from 0 to 1, found {accuracy!r}")
    return cast(dict[str, Any], found)


def speed(job: Job, found: History) -> float | None:
    """Images a second over the epochs that ended."""
    if not found.epochs or found.epochs[-1].seconds <= 0:
        return None
    return len(found.epochs) * job.epoch_images / found.epochs[-1].seconds


def model_and_job(
    path: Path, *, engine: str | None = None, threads: int | None = None
) -> tuple[Sequential, Job | None]:
    """The model of a run folder or a .safetensors file, and the job of the folder, where there is one."""
    folder = path if path.is_dir() else path.parent
    job = running.read_job(folder) if (folder / CONFIG).is_file() else None
    if path.is_dir() and not (path / MODEL).exists():
        if job is None:
            raise RunError(f"{path} holds no run (there is no {CONFIG})")
        advice = f"finish it with chainrule train --resume {path}"
        raise RunError(f"{path} holds no {MODEL}: the run is not finished; {advice}")
    if not path.exists():
        raise DataError(f"{path}: no such run folder or model file")
    return load(path, engine=engine, threads=threads), job


def test_data(
    model: Sequential, job: Job | None, name: str | None, *, folder: str | None, offline: bool | None
) -> Dataset:
    """The test part of the data a run was made with, or of other data, brought to what the model takes."""
    if job is not None and (name is None or located(name) == job.choice.name):
        return job.choice.load(job.recipe.seed, folder=folder, offline=offline)[1]
    if name is None:
        raise OptionError("a model file does not say what to test it on; give --data")
    channels, *size = model.input_shape
    picture = len(size) == 2 and channels in (1, 3)
    _, test = data.load(
        name,
        folder=folder,
        offline=offline,
        size=(size[0], size[1]) if picture else None,
        channels=channels if picture else None,
    )
    return _relabelled(test, model.classes)


def _relabelled(test: Dataset, classes: tuple[str, ...]) -> Dataset:
    """The data with the model's numbers for its classes, found by name. Classes that are only numbered are kept."""
    if test.classes == classes or test.classes == tuple(map(str, range(len(test.classes)))):
        return test
    unknown = [name for name in test.classes if name not in classes]
    if unknown:
        raise DataError(f"{test.name}: this model knows no class {unknown[0]!r}; it knows: {', '.join(classes)}")
    places = np.array([classes.index(name) for name in test.classes], np.int64)
    return replace(test, y=places[test.y], classes=classes)


def pixels(model: Sequential, image: str, *, as_is: bool = False) -> Array:
    """A picture as the model takes it; a digit centred and scaled as MNIST was made, unless ``as_is``."""
    shape = model.input_shape
    if len(shape) != 3:
        raise OptionError(f"{model.name} takes no pictures: its input is {text(shape)}")
    digits = shape == (1, 28, 28) and all(len(name) == 1 and name.isdigit() for name in model.classes)
    return data.load_digit(image) if digits and not as_is else data.load_image(image, shape)
