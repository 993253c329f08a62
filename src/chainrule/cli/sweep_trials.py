"""The trials of `chainrule sweep`: each is a training of `chainrule train` in a run folder of its own."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from chainrule.cli import program
from chainrule.cli.training_request import TrainingRequest
from chainrule.data.dataset import Dataset
from chainrule.errors import OptionError, unknown_name
from chainrule.runs import jobs, running
from chainrule.runs.folder import CONFIG, MODEL
from chainrule.runs.jobs import require_same, same_data
from chainrule.runs.sweep_grid import SweepTrial

FIXED = ("seed", "threads", "data_folder", "offline", "quiet", "freeze", "skip_damaged", "views")  # not to be swept
SHORT = {"batch": "batch-size"}
_LOADED: dict[Hashable, tuple[Dataset, Dataset]] = {}


@dataclass(frozen=True)
class CommandTrial:
    """Training of a trial as by `chainrule train`.

    options  options of all trials, by the names of their parameters
    command  the command line
    """

    options: Mapping[str, Any]
    command: tuple[str, ...]

    def __call__(self, trial: SweepTrial, folder: Path) -> None:
        """Train a trial in a run folder, from the start or from its checkpoint; a finished one is left as it is."""
        request = self.request(trial)
        training, test = _load(request)
        job, model = request.job(training, test, self.command)
        with same_data(_data_key(request)):
            if not (folder / CONFIG).is_file():
                weights = model.weights if self.options["source"] is not None else None
                running.start(folder, job, training, test, weights=weights, plots=False)
                return
            require_same(folder, jobs.read_job(folder), job, extending=self.options["source"] is not None)
            if not (folder / MODEL).is_file():
                running.resume(folder, training, test, plots=False)

    def request(self, trial: SweepTrial) -> TrainingRequest:
        """Return what a trial is to train."""
        swept = dict(converted(name, str(value)) for name, value in trial.settings)
        return TrainingRequest.of({**self.options, **swept, "seed": trial.seed})

    def check(self, trials: Sequence[SweepTrial]) -> str:
        """Check every combination, and load its data once; return the name of the first network.

        Errors   those of the first combination that cannot be trained
        """
        meant = dict[str, str]()
        for name, value in trials[0].settings:
            option = converted(name, str(value))[0]
            if option in meant:
                raise OptionError(f"grid: {meant[option]} and {name} are the same option")
            meant[option] = name
        requests = [self.request(trial) for trial in trials if trial.seed == trials[0].seed]
        for choice in dict.fromkeys(request.choice for request in requests):
            _load(next(request for request in requests if request.choice == choice))
        return requests[0].entry.name


def converted(name: str, text: str) -> tuple[str, Any]:
    """Return the parameter of `chainrule train` that an option of a grid is, and its value.

    Errors   OptionError for an option that there is not, or that cannot be swept; click's for a value that it refuses
    """
    sweep = program.import_command(program.MainGroup.folder, "sweep")
    wanted = SHORT.get(name, name).replace("_", "-")
    own = ("grid", "seeds", "jobs", "backend", "out", "as_json", *FIXED)
    known = {text.removeprefix("--"): each for each in sweep.params if each.name not in own for text in each.opts}
    if wanted not in known:
        raise OptionError(f"grid: {unknown_name('option', name, [*known])}")
    parameter, context = known[wanted], click.Context(sweep, info_name="chainrule sweep")
    return str(parameter.name), parameter.process_value(context, text)


def _load(request: TrainingRequest) -> tuple[Dataset, Dataset]:
    """Load the data of a request; those of the trial before are kept for the next in this process."""
    key = _data_key(request)
    found = _LOADED.get(key) or request.load()
    _LOADED.clear()
    _LOADED[key] = found
    return found


def _data_key(request: TrainingRequest) -> Hashable:
    """Return what the data of a request depend on."""
    choice, options = request.choice, request.options
    drawn = choice.per_class is not None or choice.limit is not None  # by the seed
    return (choice, request.recipe.seed if drawn else None, options["data_folder"], options["offline"])
