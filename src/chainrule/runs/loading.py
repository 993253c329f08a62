"""Loading of models from files and run folders, and of the results that a run folder holds.

The model of a run is that of its final weights, else of the best so far, else of the last checkpoint.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from chainrule._io import files
from chainrule._io.reading import read_bytes
from chainrule.engines import fallback
from chainrule.errors import FormatError, OptionError, RunError, ShapeError, explain_memory_errors
from chainrule.interop import importing
from chainrule.models.model import Graph, Model, Options
from chainrule.runs import checksums, jobs
from chainrule.runs.checkpointer import finite_weights
from chainrule.runs.folder import BEST, CHECKPOINT, CONFIG, EVALUATION, HISTORY, MODEL, START, require_run
from chainrule.runs.jobs import Job
from chainrule.training import history
from chainrule.training.history import ERROR, History
from chainrule.training.tasks import METRICS


@explain_memory_errors("loading a model", "close other programs, or load a smaller model")
def load(path: str | Path, *, engine: str | None = None, threads: int | None = None, precise: bool = False) -> Model:
    """Load a model from a file written by `Model.save`, an ONNX or Keras file, or a run folder.

    engine, threads, precise   as in `Sequential`; a file holds none of them

    Errors   FormatError if it is invalid
    """
    place = files.as_path(path)
    if place.is_dir():
        return load_run(place, engine=engine, threads=threads, precise=precise)
    if importing.is_network(place):
        return _import(place, engine=engine, threads=threads, precise=precise)
    tensors, about = files.read_tensors(place, "model")
    return Model.from_about(about, engine=engine, threads=threads, precise=precise, weights=tensors)


def _import(path: Path, *, engine: str | None, threads: int | None, precise: bool) -> Model:
    """Return the network that another framework wrote, named after its file."""
    made = importing.read_network(path)
    try:
        options: Options = {"name": path.stem, "dtype": made.dtype}
        options |= {"engine": engine, "threads": threads, "precise": precise}
        return Graph(made.x, made.y, **options | {"weights": made.weights})
    except (OptionError, ShapeError, FormatError) as error:
        raise FormatError(f"{path}: {error}") from None


@dataclass(frozen=True)
class Opened:
    """The model of a run, its job, and remarks on which weights were loaded and which files were changed."""

    model: Model
    job: Job
    remarks: tuple[str, ...]


def open_run(
    folder: Path,
    *,
    engine: str | None = None,
    threads: int | None = None,
    precise: bool = False,
    accept_changes: bool = False,
) -> Opened:
    """Load the model with the best available weights of a run folder.

    Errors   RunError when there are no weights yet; FormatError when a file was changed, unless ``accept_changes``
    """
    remarks = checksums.check(require_run(folder), (CONFIG, START), accept=accept_changes)
    job = jobs.read_job(folder)
    for name, kind in ((MODEL, "model"), (BEST, "model"), (CHECKPOINT, "checkpoint")):
        path = folder / name
        if not path.exists():
            continue
        tensors, about = files.read_tensors(path, kind)
        if name == MODEL and about.get("epochs", job.recipe.epochs) != job.recipe.epochs and (folder / BEST).exists():
            continue  # the final weights of a shorter run that is being extended
        remarks += checksums.check(folder, (name,), accept=accept_changes)
        described = about if kind == "model" else about.get("model")
        if not isinstance(described, dict):
            raise FormatError(f"{path}: expected the description of a model, found {described!r}")
        about_model, weights = cast(dict[str, Any], described), finite_weights(tensors, path)
        model = Model.from_about(about_model, engine=engine, threads=threads, precise=precise, weights=weights)
        return Opened(model, job, (*dict.fromkeys(remarks), *_which(folder, name, about, job)))
    raise RunError(f"{folder} holds no weights yet; train it with chainrule train --resume {folder}")


def load_run(folder: Path, *, engine: str | None = None, threads: int | None = None, precise: bool = False) -> Model:
    """Load the model with the best weights of a run folder, or model.safetensors in a folder without config.json."""
    if (folder / CONFIG).is_file():
        opened = open_run(folder, engine=engine, threads=threads, precise=precise)
        for remark in opened.remarks:
            fallback.say_once(f"chainrule: {remark}")
        return opened.model
    path = folder / MODEL
    if not path.exists():
        raise RunError(f"{folder} holds no run (there is no {CONFIG})")
    tensors, about = files.read_tensors(path, "model")
    return Model.from_about(about, engine=engine, threads=threads, precise=precise, weights=tensors)


def _which(folder: Path, name: str, about: dict[str, Any], job: Job) -> list[str]:
    """Return a remark if the weights are not those of the finished run."""
    if name == MODEL:
        return []
    when = f"epoch {about.get('epoch', '?')} of {job.recipe.epochs}" if name == BEST else f"step {about.get('step')}"
    return [f"{folder} is not finished: these are the weights of {name} ({when})"]


@dataclass(frozen=True)
class RunRecord:
    """What a run folder holds: its job, its history, and the results of its evaluation (None before the end)."""

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
        return training_speed(self.job, self.history)


def read_run(folder: Path, *, accept_changes: bool = False) -> tuple[RunRecord, list[str]]:
    """Read the run in a folder, its history only as far as the checksums cover it; and remarks on changed files."""
    require_run(folder)
    remarks = checksums.check(folder, (CONFIG, HISTORY, EVALUATION), accept=accept_changes)
    job = jobs.read_job(folder)
    path, end = folder / HISTORY, None if accept_changes else checksums.history_bytes(folder)
    rows = read_bytes(path, history.MAX_BYTES, RunError)[:end].count(b"\n") - 1  # a torn last row has no end
    found = history.read(path, max(rows, 0), job.epoch_images, job.recipe.batch_size)
    return RunRecord(folder, job, found, _evaluation(folder / EVALUATION)), remarks


def _evaluation(path: Path) -> dict[str, Any] | None:
    """Read the evaluation of a run; None if there is none."""
    if not path.exists():
        return None
    found = files.read_json(path)
    figures = cast(dict[str, Any], found) if isinstance(found, dict) else {}
    name = next((metric for metric in METRICS if metric in figures), "accuracy")
    value = figures.get(name)
    most = math.inf if name == ERROR else 1
    if not isinstance(value, float) or not 0 <= value <= most:
        raise FormatError(f"{path}: expected the {name} from 0 to {most:g}, found {value!r}")
    return figures


def training_speed(job: Job, found: History) -> float | None:
    """Return the training speed over the complete epochs in images per second."""
    if not found.epochs or found.epochs[-1].seconds <= 0:
        return None
    return len(found.epochs) * job.epoch_images / found.epochs[-1].seconds
