"""The command `python -m benchmarks recipe`."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.commands import options
from chainrule.cli import options as general
from chainrule.cli.options import markdown as markdown_option

if TYPE_CHECKING:
    from benchmarks.recipes import Outcome

MARKS = ("<!-- recipes -->", "<!-- end of recipes -->")  # markers around the table on the page
PEERS = {"none": (), "torch": ("torch",), "torch-channels-last": ("torch-channels-last",)}
HEADS = ["network", "epochs", "contender", "steps", "minutes", "accuracy", "over views", "difference of loss"]


@click.command(short_help="Train with a recipe of the zoo, and with PyTorch.")
@click.option("--model", default="cifar-94", show_default=True, metavar="NAME", help="A network of the zoo.")
@click.option(
    "--epochs",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Epochs instead of the recipe's; can be repeated, for a curve of accuracy against time.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Run only the first N steps; minutes are extrapolated to all steps.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=general.PATH,
    metavar="RUN",
    help="A finished run folder of the network to include in the table; can be repeated.",
)
@click.option(
    "--peers",
    type=click.Choice([*PEERS]),
    default="torch-channels-last",
    show_default=True,
    help="Variant of PyTorch to compare with.",
)
@options.threads
@markdown_option
@general.data_location
@general.quiet
def recipe(**arguments: Any) -> None:
    """Train a network with its recipe in this library and in PyTorch; report time and test accuracy.

    Both start from the same weights and train on the same batches. The time includes the preparation of batches. The
    difference of loss is the largest relative difference in any step. Since every step amplifies rounding errors, it is
    small only in the first ten steps.
    """  # fmt: skip
    from benchmarks import peers, recipes
    from chainrule import zoo
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_table
    from chainrule.engines.options import thread_count
    from chainrule.plotting import markdown as page

    run_paths.require_writable(arguments["markdown"])
    entry, threads = zoo.find(arguments["model"]), thread_count(arguments["threads"])
    location: dict[str, Any] = {"folder": arguments["data_folder"], "offline": arguments["offline"]}
    cells = [HEADS, *_of_runs(entry.name, arguments["runs"])]
    with options.watched(arguments["quiet"]) as watch:
        data = entry.choice.load(0, **location, progress=not arguments["quiet"])
        for epochs in arguments["epochs"] or (entry.recipe_for(entry.choice.name).epochs,):
            recipe_for_epochs = replace(entry.recipe_for(entry.choice.name), epochs=epochs)
            names, first = ("ours", *PEERS[arguments["peers"]]), None
            for outcome in recipes.outcomes(
                entry, recipe_for_epochs, data, names, threads, steps=arguments["steps"], watch=watch
            ):
                first = first or outcome
                cells.append(_row(entry.name, epochs, outcome, first))
    click.echo(format_table(cells, right=range(3, len(HEADS))))
    if arguments["markdown"] is not None:
        conditions = f"{threads} threads each; {page.machine()}{peers.versions()}"
        page.insert(arguments["markdown"], f"{page.table(cells)}\n\n{conditions}", MARKS)


def _row(name: str, epochs: int, outcome: "Outcome", first: "Outcome") -> list[str]:
    """Return a contender's row; its losses are compared with the losses of `first`."""
    from benchmarks import recipes
    from chainrule.cli.output import MISSING, format_percent

    shares = [evaluation and evaluation.accuracy for evaluation in (outcome.plain, outcome.averaged)]
    difference = MISSING if outcome is first else f"{recipes.largest_difference(first, outcome):.1e}"
    figures = [f"{len(outcome.losses)} of {outcome.planned}", f"{outcome.minutes:.1f}", *map(format_percent, shares)]
    return [name, str(epochs), outcome.who, *figures, difference]


def _of_runs(name: str, folders: Sequence[Path]) -> Iterator[list[str]]:
    """Yield a row per finished run folder, fewest epochs first, and the mean of runs with equally many epochs."""
    from chainrule.cli.output import MISSING, format_percent

    rows: list[tuple[str, tuple[float, ...]]] = []
    for _, group in groupby(sorted((_figures(name, folder) for folder in folders), key=_epochs), _epochs):
        runs = list(group)
        rows += runs
        if len(runs) > 1:
            columns = zip(*(figures for _, figures in runs), strict=True)
            rows.append((f"mean of {len(runs)} runs", tuple(sum(column) / len(runs) for column in columns)))
    for who, (epochs, steps, minutes, *shares) in rows:
        text = [format_percent(share) for share in shares]
        yield [name, f"{epochs:g}", who, f"{steps:g} of {steps:g}", f"{minutes:.1f}", *text, MISSING]


def _epochs(row: tuple[str, tuple[float, ...]]) -> float:
    return row[1][0]


def _figures(name: str, folder: Path) -> tuple[str, tuple[float, ...]]:
    """Return the description of a finished run, and its epochs, steps, minutes and accuracies."""
    from chainrule._io import files
    from chainrule.errors import RunError
    from chainrule.runs import jobs
    from chainrule.runs.folder import EVALUATION, HISTORY
    from chainrule.training import history

    job = jobs.read_job(folder)
    if job.model["name"] != name or not (folder / EVALUATION).is_file():
        raise RunError(f"{folder} is not a finished run of {name}")
    steps = -(-job.epoch_images // job.recipe.batch_size) * job.recipe.epochs
    done = history.read(folder / HISTORY, steps, job.epoch_images, job.recipe.batch_size)
    evaluation = files.read_json(folder / EVALUATION)
    shares = (evaluation["accuracy"], evaluation.get("averaged", evaluation)["accuracy"])
    who = f"chainrule train, seed {job.recipe.seed}"
    return who, (job.recipe.epochs, steps, done.epochs[-1].seconds / 60, *shares)
