"""Execution of the trials of a sweep with joblib, on this machine or on other machines (see joblib's backends)."""

import secrets
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from chainrule._io import files
from chainrule._io.console import progress_bars
from chainrule._io.extras import import_optional, install_command
from chainrule.core.words import checked_options
from chainrule.engines import options
from chainrule.engines.options import processors
from chainrule.errors import ChainruleError, ChangedError, OptionError, RunError, one_line, printable, quoted
from chainrule.models.model import Model
from chainrule.runs import sweep_grid as grids
from chainrule.runs.fitting import Run
from chainrule.runs.folder import CONFIG, MODEL
from chainrule.runs.jobs import same_data
from chainrule.runs.sweep_grid import SweepTrial
from chainrule.runs.sweep_results import FAILED, FINISHED, INTERRUPTED, Sweep, TrialResult
from chainrule.training.history import ERROR, formatted

Report = Callable[[TrialResult], None]

PROCESS_ENDED = "the training process ended unexpectedly"
DISPATCHED_PER_WORKER = 2  # trials that joblib dispatches in advance for each worker


class Train(Protocol):
    """A function that trains a trial in a run folder, from the start or from its checkpoint. It must be picklable."""

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

    There is also a result for a failed trial. If a process ends unexpectedly (killed, or out of memory), the trials
    that may have been running are continued one at a time. If the process of a trial ends again, the trial has failed.

    jobs     number of trials at a time; None for one per processor
    backend  joblib backend; None for "loky", processes on this machine, or for no backend without joblib
    threads  number of threads of each trial; used to limit NumPy's matrix products with the backend "threading"
    report   function that is called with each result when it is available
    Without joblib, the trials run one after the other in this process.

    Errors   OptionError for an unknown backend, a backend without joblib, or invalid ``jobs``
    """
    workers = jobs
    if workers is None:
        workers = processors()
    if workers < 1:
        raise OptionError(f"jobs {workers}: expected a whole number of at least 1")
    results: dict[str, TrialResult] = {}

    def collect(batch: Sequence[SweepTrial]) -> None:
        for result in _results(train, batch, folder, workers, backend, threads):
            results[result.trial.name] = result
            report(result)

    def waiting() -> list[SweepTrial]:
        return [trial for trial in trials if trial.name not in results]

    while waiting():
        try:
            collect(waiting())
        except BrokenExecutor:  # caused by one of the dispatched trials: run each of these on its own
            dispatched = waiting()[: DISPATCHED_PER_WORKER * workers]
            for trial in dispatched:
                try:
                    collect([trial])
                except BrokenExecutor:
                    results[trial.name] = TrialResult(trial, str(folder / trial.name), FAILED, PROCESS_ENDED)
                    report(results[trial.name])
    return Sweep(folder, tuple(results[trial.name] for trial in trials))


def train_trial(train: Train, trial: SweepTrial, folder: Path) -> TrialResult:
    """Train a trial in its run folder, and return the result. After an error, the state of the result is "failed"."""
    run_folder = folder / trial.name
    failed = TrialResult(trial, str(run_folder), FAILED)
    try:
        train(trial, run_folder)
        if not (run_folder / MODEL).is_file():
            return replace(failed, state=INTERRUPTED)
        return TrialResult.of_folder(trial, run_folder)
    except ChangedError as error:  # sweeps have no --accept-changes, because changed files are not results of the trial
        return replace(failed, error=f"{error.what}; remove the folder to train it again")
    except MemoryError:
        return replace(failed, error="out of memory")
    except Exception as error:  # errors of custom code can be of any type
        message = str(error)
        if not isinstance(error, ChainruleError | OSError):
            message = f"{type(error).__name__}: {error}"
        return replace(failed, error=one_line(message))


def _results(
    train: Train,
    trials: Sequence[SweepTrial],
    folder: Path,
    workers: int,
    backend: str | None,
    threads: int,
) -> Iterator[TrialResult]:
    """Yield each result when it is available, or all at the end if the backend does not support generators.

    If trials run in this process, the number of threads for NumPy's matrix products is set here for all trials, because
    OpenBLAS allows this only in the main thread.
    """
    train_one = partial(train_trial, train)
    if backend is None and find_spec("joblib") is None:
        with options.limit_blas_threads(threads):
            for trial in trials:
                yield train_one(trial, folder)
        return
    joblib = import_optional("joblib", "sweep", f"backend {backend}")
    try:
        if backend == "ray":
            import_module("ray.util.joblib").register_ray()
        configured = joblib.parallel_config(backend=backend or "loky")
    except (ValueError, ImportError) as error:
        raise OptionError(f"backend {backend}: {one_line(str(error))}") from None
    blas_threads = None
    if backend == "threading":
        blas_threads = threads
    with configured, options.limit_blas_threads(blas_threads):
        active, _ = joblib.parallel.get_active_backend()
        return_as = "list"
        if active.supports_return_generator:
            return_as = "generator_unordered"
        parallel = joblib.Parallel(
            workers, batch_size=1, pre_dispatch=DISPATCHED_PER_WORKER * workers, return_as=return_as
        )
        yield from parallel(joblib.delayed(train_one)(trial, folder) for trial in trials)


@contextmanager
def reporting(total: int, *, show: bool = True) -> Generator[Report]:
    """Yield a function that shows the progress of the sweep on stderr. It must be called with each result.

    total   number of trials
    show    whether to show anything
    """
    if not show:
        yield lambda result: None
        return
    if find_spec("joblib") is None:
        print(f"no joblib: one trial at a time; to use all processors: {install_command('sweep')}", file=sys.stderr)
    bar = progress_bars()
    if bar is None:
        yield _print_result
        return
    with bar:
        row = bar.add_task(f"0/{total}", total=total, figures="")
        seen = list[TrialResult]()

        def advance(result: TrialResult) -> None:
            seen.append(result)
            bar.update(row, advance=1, description=f"{len(seen)}/{total}", figures=_summary(seen))

        yield advance


def _print_result(result: TrialResult) -> None:
    print(printable(f"{result.trial.name}  {_format_score(result)}"), file=sys.stderr, flush=True)


def _format_score(result: TrialResult) -> str:
    if result.state != FINISHED and result.error is not None:
        return f"{result.state}: {result.error}"
    if result.state != FINISHED or result.score is None:
        return result.state
    dataset = "validation"
    if result.validation is None:
        dataset = "test"
    return f"{dataset} {formatted(result.measure, result.score)}"


def _summary(seen: list[TrialResult]) -> str:
    """Describe the best result so far and the number of failures."""
    best: float | None = None
    measure = ""
    failed = 0
    for result in seen:
        if result.state == FAILED:
            failed += 1
        if result.score is None:
            continue
        measure = result.measure
        if best is None or (result.score < best if measure == ERROR else result.score > best):
            best = result.score
    parts = list[str]()
    if best is not None:
        parts.append(f"best {formatted(measure, best)}")
    if failed:
        parts.append(f"{failed} failed")
    return "  ".join(parts)


RESERVED = ("run", "seed", "progress", "callbacks")  # arguments of `fit` that the sweep sets
DATA = ("validation_data", "test_data", "sample_weight", "class_weight")  # arguments of `fit` that change its data


@dataclass(frozen=True)
class FitTrial:
    """Trains a trial with `Model.fit` on one thread.

    about    description of the model from `Model.about`
    engine   name of the engine
    x, y     training data
    options  arguments of `fit`
    precise  as in `Sequential`
    sweep    unique name of the sweep, so that its data are hashed only once per process (`same_data`)
    """

    about: Mapping[str, Any]
    engine: str
    x: Any
    y: Any
    options: Mapping[str, Any]
    precise: bool = False
    sweep: str = field(default_factory=lambda: secrets.token_hex(8))

    def __call__(self, trial: SweepTrial, folder: Path) -> None:
        """Train a new model with the settings of a trial, from the start or from the checkpoint of its run folder."""
        model = Model.from_about(
            {**self.about, "seed": trial.seed}, engine=self.engine, threads=1, precise=self.precise
        )
        fit_options = {**self.options, **dict(trial.settings)}
        resume = (folder / CONFIG).is_file()
        data = tuple((name, str(value)) for name, value in trial.settings if name in DATA)
        with same_data((self.sweep, data)):
            model.fit(self.x, self.y, **fit_options, run=Run(folder, resume=resume, plots=False), progress=False)


@checked_options
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

    Each trial runs on one thread in its own run folder. After an interruption, the same call continues the sweep: it
    reads the results of finished trials and resumes unfinished ones.

    model    model with the layers and the loss of all trials; each trial draws its initial weights with its own seed
    x, y     training data, as in `Model.fit`
    grid     name of an argument of `Model.fit` → values to try
    folder   folder that will contain the run folders
    seeds    list of seeds, or a number of seeds, which are then 0, 1, …
    jobs     number of trials at a time; None for one per processor
    backend  joblib backend; None for "loky", processes on this machine
    options  arguments of `Model.fit` for all trials: epochs, validation_split, test_data, …

    Errors   OptionError for an invalid grid

    >>> result = sweep(model, x, y, grid={"batch_size": [32, 64]}, folder="sweeps/batch", validation_split=0.2)
    >>> result.best
    """
    if not isinstance(model, Model):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"model {quoted(model)}: expected a model, such as cr.Sequential")
    for name in (*grid, *options):
        if name in RESERVED:
            raise OptionError(f"sweep: {name} is set by the sweep")
        if name in grid and name in options:
            raise OptionError(f"sweep: {name} is given twice")
    trials = grids.trials(grid, grids.numbered(seeds))
    path = files.as_path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {path}: {error.strerror or error}") from None
    train = FitTrial(model.about(), model.engine.name, x, y, options, model.precise)
    with reporting(len(trials), show=progress) as report:
        result = run_trials(train, trials, path, jobs=jobs, backend=backend, report=report)
    result.write()
    return result
