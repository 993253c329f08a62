"""Loading a run's model, finished or not: the final weights, else the best so far, else the last checkpoint."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from chainrule._io import files
from chainrule.engines import fallback
from chainrule.errors import FormatError, RunError
from chainrule.models.model import Model
from chainrule.runs import checksums, jobs
from chainrule.runs.checkpointer import finite_weights
from chainrule.runs.folder import BEST, CHECKPOINT, CONFIG, MODEL, START, require_run
from chainrule.runs.jobs import Job


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
