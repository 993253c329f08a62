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
from chainrule.core.options import checked_options
from chainrule.engines import fallback
from chainrule.errors import FormatError, OptionError, RunError, ShapeError, explain_memory_errors
from chainrule.interop import importing
from chainrule.models.model import Graph, Model
from chainrule.network import tasks
from chainrule.network.tasks import METRICS
from chainrule.runs import jobs
from chainrule.runs.checkpointer import Checkpoint, finite_weights
from chainrule.runs.folder import CHECKPOINT, CONFIG, EVALUATION, MODEL
from chainrule.runs.jobs import Job
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
    shape: list[int] | tuple[int, ...] | dict[str, int] | None = None,
) -> Model:
    """Load a model from a file written by `Model.save`, an ONNX, Keras or TensorFlow Lite file, or a run folder.

    The format of a file is recognized by its content.

    engine, threads, precise   as in `Sequential`; they are not saved in files
    outputs   name of the output, or names of the outputs, to import from an ONNX, Keras or TensorFlow Lite file; None:
              all outputs
    shape     shape of a sample, (C, H, W), (C, W) or (F,), for inputs whose sizes an ONNX or Keras file leaves open, or
              these sizes by their names in the file

    Errors   FormatError for an invalid file; RunError for a folder without a model

    >>> model = chainrule.load("runs/mnist")
    """
    file = files.as_path(path)
    names = outputs or ()
    if isinstance(names, str):
        names = [names]
    is_foreign = not file.is_dir() and importing.holds_network(file)
    if (names or shape) and not is_foreign:
        raise OptionError(f"{file}: outputs and shape apply to networks of other frameworks, such as ONNX files")
    if file.is_dir():
        return load_run(file, engine=engine, threads=threads, precise=precise)
    if is_foreign:
        return _import(file, names, shape, engine=engine, threads=threads, precise=precise)
    if not files.may_be_described(file):
        importing.refuse_weights(file)
    tensors, about = files.read_tensors(file, "model")
    return Model.from_about(about, engine=engine, threads=threads, precise=precise, weights=tensors)


def _import(
    path: Path,
    outputs: Sequence[str],
    shape: importing.Sizes | None,
    *,
    engine: str | None,
    threads: int | None,
    precise: bool,
) -> Model:
    """Return the network in a file of another framework, named after the file, with all or some of its outputs."""
    network = importing.read_network(path, outputs or None, shape)
    try:
        options: dict[str, Any] = {
            "name": path.stem,
            "dtype": network.dtype,
            "engine": engine,
            "threads": threads,
            "precise": precise,
            "weights": network.weights,
            **network.options,
        }
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
    """The model of a run, its job, and a remark if the weights are not the final ones."""

    model: Model
    job: Job
    remark: str | None = None


def open_run(
    folder: Path, *, engine: str | None = None, threads: int | None = None, precise: bool = False
) -> LoadedRun:
    """Load the model of a run folder with the best available weights.

    Errors   RunError without weights; FormatError for a file that is damaged or was edited
    """
    job = jobs.read_job(folder)
    machine: dict[str, Any] = {"engine": engine, "threads": threads, "precise": precise}
    path = folder / MODEL
    if path.exists():
        tensors, about = files.read_tensors(path, "model")
        if about.get("epochs", job.recipe.epochs) == job.recipe.epochs:  # otherwise, the run was extended
            return LoadedRun(Model.from_about(about, weights=finite_weights(tensors, path), **machine), job)
    checkpoint = Checkpoint.read(folder)
    best = checkpoint.best
    when = f"step {checkpoint.step}"
    if best:
        when = f"epoch {checkpoint.about.get('best_epoch')} of {job.recipe.epochs}"
    model = checkpoint.model(best or checkpoint.weights, **machine)
    return LoadedRun(model, job, f"{folder} is not finished: these are the weights of {CHECKPOINT} ({when})")


def load_run(folder: Path, *, engine: str | None = None, threads: int | None = None, precise: bool = False) -> Model:
    """Load the model of a run folder, or model.safetensors from a folder without config.json.

    If the run is not finished, a line on stderr says so.

    Errors   RunError for a folder without a model
    """
    if (folder / CONFIG).is_file():
        opened = open_run(folder, engine=engine, threads=threads, precise=precise)
        if opened.remark is not None:
            fallback.say_once(f"chainrule: {opened.remark}")
        return opened.model
    path = folder / MODEL
    if not path.exists():
        raise RunError(f"{folder} contains no run (there is no {CONFIG})")
    tensors, about = files.read_tensors(path, "model")
    return Model.from_about(about, engine=engine, threads=threads, precise=precise, weights=tensors)


@dataclass(frozen=True)
class RunRecord:
    """The contents of a run folder.

    evaluation   results on the test data, by name; None for an unfinished run, or without test data
    """

    folder: Path
    job: Job
    history: History
    evaluation: dict[str, Any] | None


def read_run(folder: Path) -> RunRecord:
    """Read the run in a folder, up to its checkpoint.

    Errors   RunError if there is no run; FormatError for a file that is damaged or was edited
    """
    job = jobs.read_job(folder)
    history = Checkpoint.read(folder).history(job.epoch_images, job.recipe.batch_size)
    return RunRecord(folder, job, history, _evaluation(folder / EVALUATION))


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
