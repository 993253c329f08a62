"""Results of the run in a folder, finished or not, as its files hold them."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from chainrule._io import files
from chainrule._io.reading import read_bytes
from chainrule.errors import FormatError, RunError
from chainrule.runs import checksums, jobs
from chainrule.runs.folder import CONFIG, EVALUATION, HISTORY, require_run
from chainrule.runs.jobs import Job
from chainrule.training import history
from chainrule.training.history import ERROR, History
from chainrule.training.tasks import MEASURES


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


def read_run(folder: Path, *, accept_changes: bool = False) -> tuple[Run, list[str]]:
    """Read the run in a folder, its history only as far as the checksums cover it; and remarks on changed files."""
    require_run(folder)
    remarks = checksums.check(folder, (CONFIG, HISTORY, EVALUATION), accept=accept_changes)
    job = jobs.read_job(folder)
    path, end = folder / HISTORY, None if accept_changes else checksums.history_bytes(folder)
    rows = read_bytes(path, history.MOST_BYTES, RunError)[:end].count(b"\n") - 1  # a torn last row has no end
    found = history.read(path, max(rows, 0), job.epoch_images, job.recipe.batch_size)
    return Run(folder, job, found, _evaluation(folder / EVALUATION)), remarks


def _evaluation(path: Path) -> dict[str, Any] | None:
    """Read the evaluation of a run; None if there is none."""
    if not path.exists():
        return None
    found = files.read_json(path)
    figures = cast(dict[str, Any], found) if isinstance(found, dict) else {}
    name = next((each for each in MEASURES if each in figures), "accuracy")
    value = figures.get(name)
    most = math.inf if name == ERROR else 1
    if not isinstance(value, float) or not 0 <= value <= most:
        raise FormatError(f"{path}: expected the {name} from 0 to {most:g}, found {value!r}")
    return figures


def speed(job: Job, found: History) -> float | None:
    """Return the training speed over the complete epochs in images per second."""
    if not found.epochs or found.epochs[-1].seconds <= 0:
        return None
    return len(found.epochs) * job.epoch_images / found.epochs[-1].seconds
