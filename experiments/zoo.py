"""The command `python -m experiments zoo`."""

import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from chainrule import zoo as networks
from chainrule.cli import options
from chainrule.cli.output import MISSING, format_duration, format_metric, format_target
from chainrule.cli.program import INTERRUPTED, print_message
from chainrule.data.dataset import Dataset
from chainrule.engines import loader
from chainrule.engines.options import thread_count
from chainrule.errors import DataError
from chainrule.plotting import markdown as page
from chainrule.runs import jobs, running
from chainrule.runs.folder import CONFIG
from chainrule.runs.jobs import DataChoice, Job, require_same
from chainrule.runs.running import Result
from chainrule.training.callbacks import ProgressBar
from chainrule.training.recipe import Recipe
from chainrule.zoo.entry import Entry, Target

LARGE = "cifar10"  # data set whose networks are trained only if they are named, since they take from minutes to hours
SEEDS = {"fast-mnist": 5, "mnist-995": 5}  # number of averaged runs; 1 for other networks
HEADS = ["name", "source", "parameters", "data", "epochs", "reported by source", "target", "reached", "time", "note"]


@click.command(short_help="Train the named networks, and write the table of docs/zoo.md.")
@click.argument("names", metavar="[NAME]...", nargs=-1, type=options.MODEL)
@options.declared
@options.markdown
def zoo(names: tuple[str, ...], *, out: options.OutputFolder = None, markdown: Path | None) -> None:
    """Train networks with their recipes, and print a table of the accuracies; by default, those not for CIFAR-10.

    With --out, run the same command again to continue after an interruption: finished runs are reused, and unfinished
    ones resumed. Runs of chainrule train --out FOLDER/NAME-DATA are reused, too, if their recipe is the same.

    Exits with 1 if a network misses its target accuracy. Progress is shown on stderr.

    out      Keep the runs in this folder, and continue those it contains.  [default: delete the runs]
    """
    entries = list(map(networks.find, names))
    if not names:
        entries = [entry for entry in networks.ENTRIES if entry.choice.name != LARGE]
    rows = list[list[str]]()
    missed = False
    with _folder(out) as folder:
        for entry in entries:
            for target in entry.targets or (Target(entry.choice.name, None),):
                cells, reached = _row(entry, target, folder)
                click.echo(f"{entry.name} on {target.data}: {cells[7]}", err=True)
                rows.append(cells)
                missed |= not reached
    if markdown is not None:
        _write_page(markdown, rows, names)
    click.echo(page.table([HEADS, *rows]))
    sys.exit(int(missed))


@contextmanager
def _folder(out: Path | None) -> Generator[Path]:
    """Yield the folder for the runs: `out`, or a temporary folder."""
    if out is not None:
        try:
            yield out
        except KeyboardInterrupt:
            print_message("interrupted; run the same command again to continue")
            sys.exit(INTERRUPTED)
        return
    with tempfile.TemporaryDirectory(prefix="chainrule-zoo-") as folder:
        yield Path(folder)


def _row(entry: Entry, target: Target, folder: Path) -> tuple[list[str], bool]:
    """Train a network on a data set; return its row of the table, and whether it reached the target."""
    recipe = entry.recipe_for(target.data)
    choice, stated = DataChoice(target.data), MISSING
    if target.data == entry.choice.name:
        choice, stated = entry.choice, entry.stated
    required = MISSING
    if target.value is not None:
        required = f"≥ {format_target(target.metric, target.value)}"
    cells = [target.data, str(recipe.epochs), stated, required]
    try:
        loaded = choice.load(recipe.seed)
    except DataError as error:
        if entry.choice.name == LARGE or target.data != LARGE:
            raise
        return [entry.name, entry.source, MISSING, *cells, MISSING, MISSING, f"skipped: {error}"], True
    seeds = range(recipe.seed, recipe.seed + SEEDS.get(entry.name, 1))
    results = list[Result]()
    for seed in seeds:
        title = f"{entry.name}-{target.data}"
        if len(seeds) > 1:
            title += f"-{seed}"
        results.append(_run(entry, choice, replace(recipe, seed=seed), loaded, folder / title))
    reached = seconds = 0.0  # means over the runs
    for result in results:
        reached += float(getattr(result.evaluation, target.metric)) / len(results)
        seconds += result.seconds / len(results)
    missed = target.value is not None and reached < target.value
    notes = ["missed"] * missed
    if len(seeds) > 1:
        notes.append(f"mean of {len(seeds)} seeds")
    cells += [format_metric(target.metric, reached), format_duration(seconds)]
    parameters = f"{results[0].model.parameters.size:,}"
    return [entry.name, entry.source, parameters, *cells, "; ".join(notes)], not missed


def _run(entry: Entry, choice: DataChoice, recipe: Recipe, loaded: tuple[Dataset, Dataset], folder: Path) -> Result:
    """Train in a new run folder, or resume the run in an existing one; return the result.

    Errors   OptionError if the folder contains a run of another network, recipe or engine; DataError if it contains a
             run on other data; KeyboardInterrupt if the run was interrupted
    """
    training, test = loaded
    model = entry.build(training.sample_shape, training.classes, seed=recipe.seed, loss=recipe.loss)
    command = ("python", "-m", "experiments", "zoo", entry.name)
    job = Job(model.about(), choice, recipe, model.engine.name, model.threads, command=command)
    callbacks = [ProgressBar()]
    if (folder / CONFIG).is_file():
        require_same(folder, jobs.read_job(folder), job)
        result = running.resume(folder, training, test, callbacks)
    else:
        result = running.start(folder, job, training, test, callbacks)
    if result.evaluation is None:
        raise KeyboardInterrupt
    return result


def _write_page(path: Path, rows: Sequence[list[str]], names: Sequence[str]) -> None:
    """Write the table to a page, in the order of the zoo. Rows of networks that were not trained are kept."""
    remark = None
    table = list(rows)
    for earlier in page.rows(path):
        if names and earlier[0] not in names:
            table.append(earlier)
            remark = "rows of other networks are from earlier runs, possibly on another machine"
    order = {entry.name: number for number, entry in enumerate(networks.ENTRIES)}
    table.sort(key=lambda row: order.get(row[0], len(order)))
    page.write(path, [HEADS, *table], loader.find(None).name, thread_count(None), remark)
