"""Loading of models from files and run folders, and of the results in run folders.

A model from a finished run has the run's final weights. If the run is not finished, the model has the best weights so
far or, if no epoch is complete, the weights of the checkpoint.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from chainrule._io import files
from chainrule._io.reading import read_bytes
from chainrule.core.options import checked_options
from chainrule.engines import fallback
from chainrule.errors import FormatError, OptionError, RunError, ShapeError, explain_memory_errors
from chainrule.interop import importing
from chainrule.models.model import Graph, Model
from chainrule.network import tasks
from chainrule.network.tasks import METRICS
from chainrule.runs import checksums, jobs
from chainrule.runs.checkpointer import model_of
from chainrule.runs.folder import BEST, CHECKPOINT, CONFIG, EVALUATION, HISTORY, MODEL, START, VALIDATION, require_run
from chainrule.runs.jobs import Job
from chainrule.training import history_files
from chainrule.training.history import ERROR, History


@checked_options
@explain_memory_errors("loading a model", "close other programs, or load a smaller model")
def load(
    path: str | Path,
    *,
    engine: str | None = None,
    threads: int | None = None,
    precise: bool = False,
    outputs: str | list[str] | tuple[str, ...] | None = None,
    shape: list[int] | tuple[int, ...] | None = None,
) -> Model:
    """Load a model from a file written by `Model.save`, an ONNX, Keras or TensorFlow Lite file, or a run folder.

    The format of a file is recognized by its content.

    engine, threads, precise   as in `Sequential`; they are not saved in files
    outputs   name of the output, or names of the outputs, to import from an ONNX, Keras or TensorFlow Lite file; None:
              all outputs
    shape     shape of a sample, (C, H, W), (C, W) or (F,), for inputs whose sizes an ONNX or Keras file leaves open

    Errors   FormatError for an invalid file; RunError for a folder without a model

    >>> model = chainrule.load("runs/mnist")
    """
    file = files.as_path(path)
    names = outputs or ()
    if isinstance(names, str):
        names = (names,)
    is_foreign = not file.is_dir() and importing.holds_network(file)
    if (names or shape) and not is_foreign:
        raise OptionError(f"{file}: outputs and shape apply to networks of other frameworks, such as ONNX files")
    if file.is_dir():
        return load_run(file, engine=engine, threads=threads, precise=precise)
    if is_foreign:
        return _import(file, names, shape, engine=engine, threads=threads, precise=precise)
    if not files.may_be_described(file):
        raise importing.only_weights(file)
    tensors, about = files.read_tensors(file, "model")
    return Model.from_about(about, engine=engine, threads=threads, precise=precise, weights=tensors)


def _import(
    path: Path,
    outputs: Sequence[str],
    shape: Sequence[int] | None,
    *,
    engine: str | None,
    threads: int | None,
    precise: bool,
) -> Model:
    """Return the network in a file of another framework, named after the file, with all or some of its outputs."""
    network = importing.read_network(path, outputs or None, shape)
    try:
        options: dict[str, Any] = {"name": path.stem, "dtype": network.dtype}
        options |= {"engine": engine, "threads": threads, "precise": precise}
        options |= {"weights": network.weights, **network.options}
        model = Graph(network.x, network.y, **options)
        if network.task is not None:
            task = tasks.find(network.task)
            if len(tasks.parts(task)) == len(model.outputs):
                model.task = task
        model.set_thresholds(*network.thresholds)
        return model
    except (OptionError, ShapeError, FormatError) as error:
        raise FormatError(f"{path}: {error}") from None


@dataclass(frozen=True)
class LoadedRun:
    """The model of a run, its job, and remarks on the loaded weights and changed files."""

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
) -> LoadedRun:
    """Load the model of a run folder with the best available weights.

    Errors   RunError if there are no weights yet; FormatError if a file was changed, unless ``accept_changes``
    """
    remarks = checksums.check(require_run(folder), (CONFIG, START), accept=accept_changes)
    job = jobs.read_job(folder)
    for name, kind in ((MODEL, "model"), (BEST, "model"), (CHECKPOINT, "checkpoint")):
        path = folder / name
        if not path.exists():
            continue
        tensors, about = files.read_tensors(path, kind)
        if name == MODEL and about.get("epochs", job.recipe.epochs) != job.recipe.epochs and (folder / BEST).exists():
            continue  # these are the final weights before the run was extended
        remarks += checksums.check(folder, (name,), accept=accept_changes)
        described = about if kind == "model" else about.get("model")
        model = model_of(path, tensors, described, engine=engine, threads=threads, precise=precise)
        return LoadedRun(model, job, (*dict.fromkeys(remarks), *_unfinished_remark(folder, name, about, job)))
    raise RunError(f"{folder} contains no weights yet; train it with chainrule train --resume {folder}")


def load_run(folder: Path, *, engine: str | None = None, threads: int | None = None, precise: bool = False) -> Model:
    """Load the model of a run folder, or model.safetensors from a folder without config.json.

    Remarks about the run are printed to stderr.

    Errors   RunError for a folder without a model
    """
    if (folder / CONFIG).is_file():
        opened = open_run(folder, engine=engine, threads=threads, precise=precise)
        for remark in opened.remarks:
            fallback.say_once(f"chainrule: {remark}")
        return opened.model
    path = folder / MODEL
    if not path.exists():
        raise RunError(f"{folder} contains no run (there is no {CONFIG})")
    tensors, about = files.read_tensors(path, "model")
    return Model.from_about(about, engine=engine, threads=threads, precise=precise, weights=tensors)


def _unfinished_remark(folder: Path, name: str, about: dict[str, Any], job: Job) -> list[str]:
    """Return a list with a remark if the weights in the file ``name`` are not the final weights of the run, else []."""
    if name == MODEL:
        return []
    when = f"epoch {about.get('epoch', '?')} of {job.recipe.epochs}" if name == BEST else f"step {about.get('step')}"
    return [f"{folder} is not finished: these are the weights of {name} ({when})"]


@dataclass(frozen=True)
class RunRecord:
    """The contents of a run folder.

    evaluation   results on the test data, by name; None for an unfinished run, or without test data
    """

    folder: Path
    job: Job
    history: History
    evaluation: dict[str, Any] | None

    @property
    def seconds(self) -> float | None:
        """Training time up to the end of the last complete epoch, in seconds; None without a complete epoch."""
        if not self.history.epochs:
            return None
        return self.history.epochs[-1].seconds

    @property
    def speed(self) -> float | None:
        """Training speed in images per second; None without a complete epoch."""
        return training_speed(self.job, self.history)


def read_run(folder: Path, *, accept_changes: bool = False) -> tuple[RunRecord, list[str]]:
    """Read the run in a folder. Return the record of the run, and remarks on changed files.

    Unless ``accept_changes``, rows of the history that the checksums do not cover are ignored.

    Errors   RunError if there is no run; ChangedError for changed files, unless ``accept_changes``
    """
    require_run(folder)
    remarks = checksums.check(folder, (CONFIG, HISTORY, VALIDATION, EVALUATION), accept=accept_changes)
    job = jobs.read_job(folder)
    path = folder / HISTORY
    end = None
    if not accept_changes:
        end = checksums.history_bytes(folder)
    rows = (
        read_bytes(path, history_files.MAX_BYTES, RunError)[:end].count(b"\n") - 1
    )  # an incomplete last row has no line end
    run_history = history_files.read(path, max(rows, 0), job.epoch_images, job.recipe.batch_size)
    history_files.add_validation(run_history, folder / VALIDATION)
    return RunRecord(folder, job, run_history, _evaluation(folder / EVALUATION)), remarks


def _evaluation(path: Path) -> dict[str, Any] | None:
    """Read the evaluation of a run; return None if there is none."""
    if not path.exists():
        return None
    content = files.read_json(path)
    figures = cast(dict[str, Any], content) if isinstance(content, dict) else {}
    name = next((metric for metric in METRICS if metric in figures), "accuracy")
    value = figures.get(name)
    maximum = math.inf if name == ERROR else 1
    if not isinstance(value, float) or not 0 <= value <= maximum:
        raise FormatError(f"{path}: expected the {name} from 0 to {maximum:g}, found {value!r}")
    return figures


def training_speed(job: Job, run_history: History) -> float | None:
    """Return the training speed over all complete epochs, in images per second; None without a complete epoch."""
    if not run_history.epochs or run_history.epochs[-1].seconds <= 0:
        return None
    return len(run_history.epochs) * job.epoch_images / run_history.epochs[-1].seconds
