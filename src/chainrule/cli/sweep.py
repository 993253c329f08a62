"""`chainrule sweep`."""

import sys
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options, train_options
from chainrule.cli.program import INTERRUPTED, say
from chainrule.cli.requests import Request
from chainrule.data.dataset import Dataset
from chainrule.errors import OptionError, unknown_name
from chainrule.runs import jobs, running
from chainrule.runs.folder import CONFIG, MODEL
from chainrule.runs.jobs import require_same, same_data
from chainrule.runs.sweeps.grid import SweepTrial

if TYPE_CHECKING:
    from chainrule.runs.sweeps.results import Combination, Sweep


@click.command(short_help="Train with every combination of some options.")
@click.option(
    "--grid",
    required=True,
    metavar="TEXT",
    help='Options of `chainrule train` and their values: "lr=0.001,0.01 batch-size=32,64". Values with commas '
    'are separated by bars: "augment=none|shift=2,flip".',
)
@click.option(
    "--seeds",
    type=options.WHOLE,
    default=1,
    show_default=True,
    metavar="N",
    help="Train each combination with N seeds, from --seed on.",
)
@click.option("--jobs", type=options.WHOLE, metavar="N", help="Trials at a time; by default one for each processor.")
@click.option("--backend", metavar="NAME", help="Backend of joblib that carries the trials.  [default: loky]")
@click.option(
    "--out",
    type=options.PATH,
    metavar="FOLDER",
    help="Folder of the run folders, and of those it holds already; by default sweeps/MODEL.",
)
@train_options.network
@train_options.material
@train_options.steps
@options.machine
@options.quiet
@options.as_json
@click.pass_context
def sweep(context: click.Context, **given: Any) -> None:
    """Train a network with every combination of some options, each with several seeds, on all processors.

    All other options are those of `chainrule train`, for every trial; a trial trains on one thread unless --threads is
    given. Each is a run folder; the same command goes on after an interruption. A table is printed, the best first, and
    left in the folder with a picture: trials.csv, sweep.png.

    Exits with 1 when a trial failed.
    """  # fmt: skip
    from chainrule.cli.output import json_out, line
    from chainrule.cli.run_paths import require_folder
    from chainrule.runs.sweeps import grid as grids
    from chainrule.runs.sweeps.execution import reporting, run_trials
    from chainrule.runs.sweeps.results import INTERRUPTED as STOPPED

    names = ("grid", "seeds", "jobs", "backend", "out", "as_json")
    trained = {name: value for name, value in given.items() if name not in names}
    trained["threads"] = given["threads"] or 1
    grid = grids.parse(given["grid"])
    trials = grids.trials(grid, grids.numbered(given["seeds"], given["seed"] or 0))
    train = CommandTrial(trained, tuple(context.obj or ()))
    name = train.check(trials)
    folder = require_folder(given["out"] or Path("sweeps") / name)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with reporting(len(trials), show=not given["quiet"]) as report:
            found = run_trials(
                train,
                trials,
                folder,
                jobs=given["jobs"],
                backend=given["backend"],
                threads=trained["threads"],
                report=report,
            )
    except KeyboardInterrupt:
        say("interrupted; go on with the same command")
        sys.exit(INTERRUPTED)
    if given["as_json"]:
        json_out({"folder": str(folder), "best": found.best, "trials": [result.row() for result in found.results]})
    else:
        click.echo(_text(found, list(grid)))
    found.write()  # at the end: where the disk is full, the table has been printed
    if not given["as_json"]:
        line(folder)
    if any(result.state == STOPPED for result in found.results):
        say("interrupted; go on with the same command")
        sys.exit(INTERRUPTED)
    sys.exit(1 if found.failed else 0)


def _text(found: "Sweep", names: Sequence[str]) -> str:
    """Format the table of the combinations, and a line for each failed trial."""
    from chainrule.cli.output import table

    several = len(found.results) > len(found.combinations)
    measure = found.measure.replace("_", " ")
    validated = any(result.validation is not None for result in found.results)
    heads = [*names, "trials", *([f"validation {measure}"] if validated else []), f"test {measure}", "loss", "time"]
    rows = [heads, *(_row(each, found.measure, validated, several) for each in found.combinations)]
    lines = [table(rows, right=range(len(names), len(heads)))]
    if not validated and found.best:
        lines.append("sorted by the test data, which then no longer judge the best one: hold some back (--validation)")
    lines += [f"failed: {result.trial.name}: {result.error}" for result in found.failed]
    return "\n".join(lines)


def _row(combination: "Combination", measure: str, validated: bool, several: bool) -> list[str]:
    from chainrule.cli.output import format_duration, format_loss

    finished = sum(result.state == "finished" for result in combination.results)
    cells = [str(value) for _, value in combination.settings]
    cells.append(str(finished) if finished == len(combination.results) else f"{finished} of {len(combination.results)}")
    cells += [_with_deviation(combination, "validation", measure, several)] if validated else []
    cells.append(_with_deviation(combination, "test", measure, several))
    return [*cells, format_loss(combination.mean("loss")), format_duration(combination.mean("seconds"))]


def _with_deviation(combination: "Combination", name: str, measure: str, several: bool) -> str:
    """Format a mean over the seeds with its standard deviation."""
    from chainrule.cli.output import SHARES, format_measure

    mean, deviation = combination.mean(name), combination.deviation(name)
    text = format_measure(measure, mean)
    if not several or deviation is None:
        return text
    return f"{text} ± {100 * deviation:.2f}" if measure in SHARES else f"{text} ± {deviation:.4g}"


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

    def request(self, trial: SweepTrial) -> Request:
        """Return what a trial is to train."""
        swept = dict(converted(name, str(value)) for name, value in trial.settings)
        return Request.of({**self.options, **swept, "seed": trial.seed})

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
    from chainrule.cli.sweep import sweep

    wanted = SHORT.get(name, name).replace("_", "-")
    own = ("grid", "seeds", "jobs", "backend", "out", "as_json", *FIXED)
    known = {text.removeprefix("--"): each for each in sweep.params if each.name not in own for text in each.opts}
    if wanted not in known:
        raise OptionError(f"grid: {unknown_name('option', name, [*known])}")
    parameter, context = known[wanted], click.Context(sweep, info_name="chainrule sweep")
    return str(parameter.name), parameter.process_value(context, text)


def _load(request: Request) -> tuple[Dataset, Dataset]:
    """Load the data of a request; those of the trial before are kept for the next in this process."""
    key = _data_key(request)
    found = _LOADED.get(key) or request.load()
    _LOADED.clear()
    _LOADED[key] = found
    return found


def _data_key(request: Request) -> Hashable:
    """Return what the data of a request depend on."""
    choice, options = request.choice, request.options
    drawn = choice.per_class is not None or choice.limit is not None  # by the seed
    return (choice, request.recipe.seed if drawn else None, options["data_folder"], options["offline"])
