"""A sweep of `Model.fit`, for data in memory."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainrule._io import files
from chainrule.errors import OptionError
from chainrule.models.model import Model
from chainrule.runs.fitting import Run
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import same_data
from chainrule.runs.sweeps import grid as grids
from chainrule.runs.sweeps.execution import reporting, run_trials
from chainrule.runs.sweeps.grid import SweepTrial
from chainrule.runs.sweeps.results import Sweep

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
