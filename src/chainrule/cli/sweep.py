"""The command `chainrule sweep`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chainrule.cli import options, train_options
from chainrule.cli.output import (
    format_duration,
    format_loss,
    format_metric,
    format_table,
    print_json,
    print_line,
)
from chainrule.cli.program import exit_interrupted
from chainrule.training.metric_table import FRACTION, unit_of

if TYPE_CHECKING:
    from chainrule.runs.sweep_results import Combination, Sweep


@click.command(short_help="Train with every combination of options.")
@click.option(
    "--grid",
    required=True,
    metavar="TEXT",
    help='Options of `chainrule train` and their values: "lr=0.001,0.01 batch-size=32,64". Use bars between '
    'values that contain commas: "augment=none|shift=2,flip".',
)
@options.declared
@train_options.network
@train_options.data
@train_options.optimization
@options.execution
@options.quiet
@options.as_json
@click.pass_context
def sweep(
    context: click.Context,
    *,
    seeds: int = 1,
    jobs: options.Whole = None,
    backend: options.Text = None,
    out: options.OutputFolder = None,
    **arguments: Any,
) -> None:
    """Train a network with every combination of options and several seeds, on all processors.

    All other options are as for `chainrule train`, and apply to every trial. A trial uses one thread unless --threads
    is set, and has its own run folder. Run the same command again to continue after an interruption. The results are
    printed as a table, best first, and saved as trials.csv and sweep.png.

    Exits with 1 if a trial failed.

    seeds    Train each combination with N seeds, starting at --seed.
    jobs     Parallel trials.  [default: one per processor]
    backend  (--backend NAME) joblib backend that runs the trials.  [default: loky]
    out      Folder of the run folders; existing runs are continued.  [default: sweeps/MODEL]
    """  # fmt: skip
    from chainrule.cli import sweep_trials
    from chainrule.runs import sweep_grid as grids
    from chainrule.runs.sweep_execution import reporting, run_trials
    from chainrule.runs.sweep_results import INTERRUPTED as STOPPED

    training_options = {name: value for name, value in arguments.items() if name not in sweep_trials.SWEEP_OPTIONS}
    training_options["threads"] = arguments["threads"] or 1
    grid = grids.parse(arguments["grid"])
    trials = grids.trials(grid, grids.numbered(seeds, arguments["seed"] or 0))
    trial_function = sweep_trials.CommandTrial(training_options, tuple(context.obj or ()))
    name = trial_function.check(trials)
    folder = out or Path("sweeps") / name
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with reporting(len(trials), show=not arguments["quiet"]) as report:
            outcome = run_trials(
                trial_function,
                trials,
                folder,
                jobs=jobs,
                backend=backend,
                threads=training_options["threads"],
                report=report,
            )
    except KeyboardInterrupt:
        exit_interrupted()
    if arguments["as_json"]:
        trial_rows = [result.row() for result in outcome.results]
        print_json({"folder": str(folder), "best": outcome.best, "trials": trial_rows})
    else:
        click.echo(_text(outcome, list(grid)))
    outcome.write()  # last, so that the table is printed even if the disk is full
    if not arguments["as_json"]:
        print_line(folder)
    if any(result.state == STOPPED for result in outcome.results):
        exit_interrupted()
    sys.exit(1 if outcome.failed else 0)


def _text(outcome: "Sweep", names: Sequence[str]) -> str:
    """Format the table of combinations, followed by a line for each failed trial."""

    with_deviation = len(outcome.results) > len(outcome.combinations)
    metric = outcome.measure.replace("_", " ")
    with_validation = any(result.validation is not None for result in outcome.results)
    heads = [*names, "trials", f"test {metric}", "loss", "time"]
    if with_validation:
        heads.insert(len(names) + 1, f"validation {metric}")
    rows = [heads]
    for combination in outcome.combinations:
        rows.append(_row(combination, outcome.measure, with_validation, with_deviation))
    lines = [format_table(rows, right=range(len(names), len(heads)))]
    if not with_validation and outcome.best:
        lines.append("sorted by the test metric, which is biased for the best trial; use --validation to select fairly")
    for result in outcome.failed:
        lines.append(f"failed: {result.trial.name}: {result.error}")
    return "\n".join(lines)


def _row(combination: "Combination", metric: str, with_validation: bool, with_deviation: bool) -> list[str]:

    finished = sum(result.state == "finished" for result in combination.results)
    cells = [str(value) for _, value in combination.settings]
    trials = len(combination.results)
    cells.append(str(trials) if finished == trials else f"{finished} of {trials}")
    if with_validation:
        cells.append(_format_mean(combination, "validation", metric, with_deviation))
    cells.append(_format_mean(combination, "test", metric, with_deviation))
    return [*cells, format_loss(combination.mean("loss")), format_duration(combination.mean("seconds"))]


def _format_mean(combination: "Combination", name: str, metric: str, with_deviation: bool) -> str:
    """Format a mean over the seeds with its standard deviation."""

    deviation = combination.deviation(name)
    text = format_metric(metric, combination.mean(name))
    if not with_deviation or deviation is None:
        return text
    if unit_of(metric) == FRACTION:
        return f"{text} ± {100 * deviation:.2f}"
    return f"{text} ± {deviation:.4g}"
