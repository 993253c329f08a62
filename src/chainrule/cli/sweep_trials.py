"""The trials of `chainrule sweep`. Each trial is trained like a run of `chainrule train`, in its own folder."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import click

from chainrule.cli import program
from chainrule.cli.custom_data import is_custom
from chainrule.cli.training_request import TrainingRequest
from chainrule.data.dataset import Dataset
from chainrule.errors import OptionError, unknown_name
from chainrule.runs import jobs, running
from chainrule.runs.folder import CONFIG, MODEL
from chainrule.runs.jobs import require_same, same_data
from chainrule.runs.sweep_grid import SweepTrial

SWEEP_OPTIONS = ("grid", "seeds", "jobs", "backend", "out", "as_json")  # of the sweep itself
NOT_SWEPT = (
    "seed",
    "threads",
    "data_folder",
    "offline",
    "quiet",
    "freeze",
    "new_classes",
    "skip_damaged",
    "group_pattern",
    "targets",
    "stream",
    "views",
)  # options that a grid cannot contain
ABBREVIATIONS = {"batch": "batch-size"}


@dataclass(frozen=True)
class CommandTrial:
    """A function that trains a trial in the same way as `chainrule train`.

    options  options shared by all trials, by parameter name
    command  command line
    """

    options: Mapping[str, Any]
    command: tuple[str, ...]

    def __call__(self, trial: SweepTrial, folder: Path) -> None:
        """Train a trial in a run folder, from the start or from its checkpoint; do nothing if it is finished."""
        request = self.request(trial)
        source = _Source.of(request)
        training, test = _load(source)
        job, model = request.job(training, test, self.command)
        with same_data(source.key):
            if not (folder / CONFIG).is_file():
                weights = model.weights if self.options["source"] is not None else None
                running.start(folder, job, training, test, weights=weights, plots=False)
                return
            require_same(folder, jobs.read_job(folder), job, extending=self.options["source"] is not None)
            if not (folder / MODEL).is_file():
                running.resume(folder, training, test, plots=False)

    def request(self, trial: SweepTrial) -> TrainingRequest:
        """Return the training request of a trial."""
        swept = dict[str, Any]()
        for setting, value in trial.settings:
            name, converted = convert_option(setting, str(value))
            swept[name] = converted
        return TrainingRequest.of({**self.options, **swept, "seed": trial.seed})

    def check(self, trials: Sequence[SweepTrial]) -> str:
        """Check every combination and load its data; return the name of the first network.

        Trials of a combination differ only in their seed, so one is checked. Combinations with the same data share one
        loading.

        Errors   the error of the first combination that cannot be trained
        """
        names = dict[str, str]()
        for name, value in trials[0].settings:
            option = convert_option(name, str(value))[0]
            if option in names:
                raise OptionError(f"grid: {names[option]} and {name} are the same option")
            names[option] = name
        requests = [self.request(trial) for trial in trials if trial.seed == trials[0].seed]
        loaded = list[Any]()
        for request in requests:
            if request.choice not in loaded:
                _load(_Source.of(request))
                loaded.append(request.choice)
        return requests[0].entry.name


def convert_option(name: str, text: str) -> tuple[str, Any]:
    """Return the parameter name of an option in a grid, and the option's value converted from text.

    Errors   OptionError if the option is unknown or cannot be swept; a click error if the value is invalid
    """
    sweep = program.import_command(program.MainGroup.folder, "sweep")
    parameters = dict[str, click.Parameter]()
    for parameter in sweep.params:
        if parameter.name not in (*SWEEP_OPTIONS, *NOT_SWEPT):
            for flag in parameter.opts:
                parameters[flag.removeprefix("--")] = parameter
    selected = parameters.get(ABBREVIATIONS.get(name, name).replace("_", "-"))
    if selected is None:
        raise OptionError(f"grid: {unknown_name('option', name, [*parameters])}")
    return str(selected.name), selected.process_value(click.Context(sweep, info_name="chainrule sweep"), text)


@dataclass(frozen=True)
class _Source:
    """The data of a trial. Two sources with the same key have the same data."""

    key: Hashable
    request: TrainingRequest = field(compare=False)

    @staticmethod
    def of(request: TrainingRequest) -> "_Source":
        """Return the source of a request."""
        choice = request.choice
        options = request.options
        seed = None
        if is_custom(choice.name) or choice.per_class is not None or choice.limit is not None:
            seed = request.recipe.seed  # which samples are used depends on it
        return _Source((choice, seed, options["data_folder"], options["offline"]), request)


@lru_cache(maxsize=1)  # the next trial in this process usually needs the same data
def _load(source: _Source) -> tuple[Dataset, Dataset]:
    return source.request.load()
