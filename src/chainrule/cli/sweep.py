"""`chainrule sweep`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options, train_options
from chainrule.cli.program import INTERRUPTED, print_message

if TYPE_CHECKING:
    from chainrule.runs.sweep_results import Combination, Sweep


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
    type=options.INTEGER,
    default=1,
    show_default=True,
    metavar="N",
    help="Train each combination with N seeds, from --seed on.",
)
@click.option("--jobs", type=options.INTEGER, metavar="N", help="Trials at a time; by default one for each processor.")
@click.option("--backend", metavar="NAME", help="Backend of joblib that carries the trials.  [default: loky]")
@click.option(
    "--out",
    type=options.PATH,
    metavar="FOLDER",
    help="Folder of the run folders, and of those it holds already; by default sweeps/MODEL.",
)
@train_options.network
@train_options.data
@train_options.optimization
@options.execution
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
    from chainrule.cli import sweep_trials
    from chainrule.cli.output import print_json, print_line
    from chainrule.cli.run_paths import require_folder
    from chainrule.runs import sweep_grid as grids
    from chainrule.runs.sweep_execution import reporting, run_trials
    from chainrule.runs.sweep_results import INTERRUPTED as STOPPED

    names = ("grid", "seeds", "jobs", "backend", "out", "as_json")
    trained = {name: value for name, value in given.items() if name not in names}
    trained["threads"] = given["threads"] or 1
    grid = grids.parse(given["grid"])
    trials = grids.trials(grid, grids.numbered(given["seeds"], given["seed"] or 0))
    train = sweep_trials.CommandTrial(trained, tuple(context.obj or ()))
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
        print_message("interrupted; go on with the same command")
        sys.exit(INTERRUPTED)
    if given["as_json"]:
        print_json({"folder": str(folder), "best": found.best, "trials": [result.row() for result in found.results]})
    else:
        click.echo(_text(found, list(grid)))
    found.write()  # at the end: where the disk is full, the table has been printed
    if not given["as_json"]:
        print_line(folder)
    if any(result.state == STOPPED for result in found.results):
        print_message("interrupted; go on with the same command")
        sys.exit(INTERRUPTED)
    sys.exit(1 if found.failed else 0)


def _text(found: "Sweep", names: Sequence[str]) -> str:
    """Format the table of the combinations, and a line for each failed trial."""
    from chainrule.cli.output import format_table

    several = len(found.results) > len(found.combinations)
    measure = found.measure.replace("_", " ")
    validated = any(result.validation is not None for result in found.results)
    heads = [*names, "trials", *([f"validation {measure}"] if validated else []), f"test {measure}", "loss", "time"]
    rows = [heads, *(_row(each, found.measure, validated, several) for each in found.combinations)]
    lines = [format_table(rows, right=range(len(names), len(heads)))]
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
    from chainrule.cli.output import PERCENTAGES, format_metric

    mean, deviation = combination.mean(name), combination.deviation(name)
    text = format_metric(measure, mean)
    if not several or deviation is None:
        return text
    return f"{text} ± {100 * deviation:.2f}" if measure in PERCENTAGES else f"{text} ± {deviation:.4g}"
