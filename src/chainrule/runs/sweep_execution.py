"""Execution of the trials of a sweep by joblib, on this machine or wherever a backend carries them; its progress."""

import importlib
import secrets
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from chainrule._io import files
from chainrule.engines import options
from chainrule.engines.options import processors
from chainrule.errors import ChainruleError, ChangedError, OptionError, RunError, one_line, printable
from chainrule.models.model import Model
from chainrule.runs import sweep_grid as grids
from chainrule.runs.fitting import Run
from chainrule.runs.folder import CONFIG, MODEL
from chainrule.runs.jobs import same_data
from chainrule.runs.sweep_grid import SweepTrial
from chainrule.runs.sweep_results import FAILED, FINISHED, INTERRUPTED, Sweep, TrialResult
from chainrule.training.history import ERROR, formatted

Report = Callable[[TrialResult], None]

ENDED = "the process that trained it ended unexpectedly"
BEGUN = 2  # trials for each worker that joblib hands out in advance


class Train(Protocol):
    """A function that trains a trial in a run folder, from the start or from its checkpoint, and can be pickled."""

    def __call__(self, trial: SweepTrial, folder: Path) -> None: ...


def run_trials(
    train: Train,
    trials: Sequence[SweepTrial],
    folder: Path,
    *,
    jobs: int | None = None,
    backend: str | None = None,
    threads: int = 1,
    report: Callable[[TrialResult], None] = lambda result: None,
) -> Sweep:
    """Train all trials, each in a run folder below ``folder``, and return their results.

    A trial that fails is a result like the others. If a process ends (killed, or out of memory), the trials that were
    begun are continued one at a time, and one that ends its process again has failed.

    jobs     trials at a time; None: one for each processor
    backend  of joblib; None: "loky", processes on this machine
    threads  of each trial
    report   called with each result as it comes
    Errors   OptionError without joblib or for an unknown backend
    """
    joblib, workers = _joblib(), processors() if jobs is None else jobs
    if workers < 1:
        raise OptionError(f"jobs {workers}: expected a whole number of at least 1")
    found: dict[str, TrialResult] = {}

    def collect(several: Sequence[SweepTrial]) -> None:
        for result in _in_parallel(joblib, train, several, folder, workers, backend, threads):
            found[result.trial.name] = result
            report(result)

    while waiting := [trial for trial in trials if trial.name not in found]:
        try:
            collect(waiting)
        except BrokenExecutor:  # by one of those that were begun: each of them is tried alone
            for trial in [trial for trial in waiting if trial.name not in found][: BEGUN * workers]:
                try:
                    collect([trial])
                except BrokenExecutor:
                    found[trial.name] = TrialResult(trial, str(folder / trial.name), FAILED, ENDED)
                    report(found[trial.name])
    return Sweep(folder, tuple(found[trial.name] for trial in trials))


def train_trial(train: Train, trial: SweepTrial, folder: Path) -> TrialResult:
    """Train a trial in its run folder and return its result; an error is a result too."""
    place = folder / trial.name
    failed = TrialResult(trial, str(place), FAILED)
    try:
        train(trial, place)
        if not (place / MODEL).is_file():
            return replace(failed, state=INTERRUPTED)
        return TrialResult.of_folder(trial, place)
    except ChangedError as error:  # a sweep has no --accept-changes: results of other files are not those of its trials
        return replace(failed, error=f"{error.what}; remove the folder to train it again")
    except MemoryError:
        return replace(failed, error="out of memory")
    except Exception as error:  # also of a user's own code
        known = isinstance(error, ChainruleError | OSError)
        return replace(failed, error=one_line(str(error) if known else f"{type(error).__name__}: {error}"))


def _in_parallel(
    joblib: Any,
    train: Train,
    trials: Sequence[SweepTrial],
    folder: Path,
    workers: int,
    backend: str | None,
    threads: int,
) -> Iterator[TrialResult]:
    """Yield the results as they come; all at the end from a backend that cannot give them earlier.

    Where trials are threads of this process, the number of threads of NumPy's matrix products is set here for all of
    them, since OpenBLAS heeds it in the main thread only.
    """
    if backend == "ray":
        _import("ray.util.joblib", backend).register_ray()
    try:
        configured = joblib.parallel_config(backend=backend or "loky")
    except (ValueError, ImportError) as error:
        raise OptionError(f"backend {backend}: {one_line(str(error))}") from None
    with configured, options.limit_blas_threads(threads if backend == "threading" else None):
        active = joblib.parallel.get_active_backend()[0]
        order = "generator_unordered" if active.supports_return_generator else "list"
        parallel = joblib.Parallel(workers, batch_size=1, pre_dispatch=BEGUN * workers, return_as=order)
        one = partial(train_trial, train)
        yield from parallel(joblib.delayed(one)(trial, folder) for trial in trials)


def _joblib() -> Any:
    return _import("joblib", "")


def _import(name: str, backend: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        if backend:
            raise OptionError(f"backend {backend}: there is no module {name}") from None
        raise RunError('sweeps need joblib; install it with: pip install "chainrule[sweep]"') from None


@contextmanager
def reporting(total: int, *, show: bool = True) -> Generator[Report]:
    """Yield a function that is called with each result, and shows how far the sweep is."""
    if not show:
        yield lambda result: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter):
        yield _line
        return
    columns = (MofNCompleteColumn(), BarColumn(None), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, expand=True, transient=True) as bar:
        row, seen = bar.add_task("", total=total), list[TrialResult]()

        def advance(result: TrialResult) -> None:
            seen.append(result)
            bar.update(row, advance=1, description=_summary(seen))

        yield advance


def _line(result: TrialResult) -> None:
    print(printable(f"{result.trial.name}  {_figure(result)}"), file=sys.stderr, flush=True)


def _figure(result: TrialResult) -> str:
    if result.state != FINISHED:
        return f"{result.state}: {result.error}" if result.error else result.state
    where = "test" if result.validation is None else "validation"
    return f"{where} {formatted(result.measure, result.score)}" if result.score is not None else FINISHED


def _summary(seen: list[TrialResult]) -> str:
    """Describe the best result so far, and the number of failures."""
    scored = [result for result in seen if result.score is not None]
    pick = min if scored and scored[0].measure == ERROR else max
    best = pick(scored, key=lambda result: result.score or 0.0, default=None)
    failed = sum(result.state == FAILED for result in seen)
    parts = [f"best {formatted(best.measure, best.score)}"] if best is not None and best.score is not None else []
    return "  ".join([*parts, *([f"{failed} failed"] if failed else [])])


RESERVED = ("run", "seed", "progress", "callbacks")  # arguments of `fit` that a sweep sets

DATA = ("validation_data", "test_data", "sample_weight", "class_weight")  # arguments of `fit` that its data depend on


@dataclass(frozen=True)
class FitTrial:
    """Training of a trial by `Model.fit` on one thread.

    about    description of the model
    engine   name of its engine
    x, y     training data
    options  arguments of `fit`
    precise  as in `Sequential`
    sweep    name of the sweep, different from all others
    """

    about: Mapping[str, Any]
    engine: str
    x: Any
    y: Any
    options: Mapping[str, Any]
    precise: bool = False
    sweep: str = field(default_factory=lambda: secrets.token_hex(8))

    def __call__(self, trial: SweepTrial, folder: Path) -> None:
        """Fit the model with the settings of a trial in a run folder, from the start or from its checkpoint."""
        model = Model.from_about(
            {**self.about, "seed": trial.seed}, engine=self.engine, threads=1, precise=self.precise
        )
        given = {**self.options, **dict(trial.settings)}
        kept = (folder / CONFIG).is_file()
        data = tuple((name, str(value)) for name, value in trial.settings if name in DATA)
        with same_data((self.sweep, data)):
            model.fit(self.x, self.y, **given, run=Run(folder, resume=kept, plots=False), progress=False)


def sweep(
    model: Model,
    x: Any,
    y: Any = None,
    *,
    grid: Mapping[str, Iterable[Any]],
    folder: str | Path,
    seeds: int | Sequence[int] = 1,
    jobs: int | None = None,
    backend: str | None = None,
    progress: bool = True,
    **options: Any,
) -> Sweep:
    """Train a model with every combination of some options and every seed, and return the results.

    Each trial trains on one thread in a run folder of its own. The same call goes on after an interruption: finished
    trials are read, and unfinished ones resumed.

    model    a model whose layers and loss are those of every trial; the weights are drawn anew, from the trial's seed
    x, y     training data, as for `Model.fit`
    grid     arguments of `Model.fit`, and the values of each
    folder   folder of the run folders
    seeds    a number of seeds, from 0 on, or the seeds
    jobs     trials at a time; None: one for each processor
    backend  of joblib; None: "loky", processes on this machine
    options  arguments of `Model.fit` for all trials: epochs, validation_split, test_data, …

    Errors   OptionError for a grid that cannot be tried; RunError without joblib
    """
    for name in (*grid, *options):
        if name in RESERVED or (name in grid and name in options):
            raise OptionError(f"sweep: {name} is {'set by the sweep' if name in RESERVED else 'given twice'}")
    trials = grids.trials(grid, grids.numbered(seeds))
    place = files.as_path(folder)
    place.mkdir(parents=True, exist_ok=True)
    train = FitTrial(model.about(), model.engine.name, x, y, options, model.precise)
    with reporting(len(trials), show=progress) as report:
        found = run_trials(train, trials, place, jobs=jobs, backend=backend, report=report)
    found.write()
    return found
