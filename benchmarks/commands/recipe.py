"""`python -m benchmarks recipe`."""

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

MARKS = ("<!-- recipes -->", "<!-- end of recipes -->")  # where the table stands on the page
PEERS = {"none": (), "torch": ("torch",), "torch-channels-last": ("torch-channels-last",)}
HEADS = ["network", "epochs", "who", "steps", "minutes", "accuracy", "over views", "difference of loss"]


@click.command(short_help="Train by a recipe of the zoo, beside PyTorch.")
@click.option("--model", default="cifar-94", show_default=True, metavar="NAME", help="A network of the zoo.")
@click.option(
    "--epochs",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Epochs in place of the recipe's; may be repeated, for a curve of accuracy against time.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Take the first N steps only; minutes are those of all steps, at the same speed.",
)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=general.PATH,
    metavar="RUN",
    help="A finished run folder of the network, shown beside; may be repeated.",
)
@click.option(
    "--peers",
    type=click.Choice([*PEERS]),
    default="torch-channels-last",
    show_default=True,
    help="The variant of PyTorch to compare with.",
)
@options.threads
@markdown_option
@general.data_location
@general.quiet
def recipe(**given: Any) -> None:
    """Train a network by its recipe with this library and with PyTorch: minutes and test accuracy.

    Both start from the same weights and take the same batches, which are made in the measured time. The difference of
    loss is the largest relative one of any step: rounding is amplified from step to step, so it is small in the first
    ten steps only.
    """  # fmt: skip
    from benchmarks import peers, recipes
    from chainrule import zoo
    from chainrule.cli import run_paths
    from chainrule.cli.output import format_table
    from chainrule.engines.options import thread_count
    from chainrule.plotting import markdown as page

    run_paths.require_writable(given["markdown"])
    entry, threads = zoo.find(given["model"]), thread_count(given["threads"])
    place: dict[str, Any] = {"folder": given["data_folder"], "offline": given["offline"]}
    cells = [HEADS, *_of_runs(entry.name, given["runs"])]
    with options.watched(given["quiet"]) as watch:
        data = entry.choice.load(0, **place, progress=not given["quiet"])
        for epochs in given["epochs"] or (entry.recipe_for(entry.choice.name).epochs,):
            chosen = replace(entry.recipe_for(entry.choice.name), epochs=epochs)
            names, first = ("ours", *PEERS[given["peers"]]), None
            for found in recipes.outcomes(entry, chosen, data, names, threads, steps=given["steps"], watch=watch):
                first = first or found
                cells.append(_row(entry.name, epochs, found, first))
    click.echo(format_table(cells, right=range(3, len(HEADS))))
    if given["markdown"] is not None:
        where = f"{threads} threads each; {page.machine()}{peers.versions()}"
        page.insert(given["markdown"], f"{page.table(cells)}\n\n{where}", MARKS)


def _row(name: str, epochs: int, found: "Outcome", first: "Outcome") -> list[str]:
    """Return the row of a contender; `first` is the one that losses are compared with."""
    from benchmarks import recipes
    from chainrule.cli.output import MISSING, format_percent

    shares = [evaluation and evaluation.accuracy for evaluation in (found.plain, found.averaged)]
    difference = MISSING if found is first else f"{recipes.largest_difference(first, found):.1e}"
    figures = [f"{len(found.losses)} of {found.planned}", f"{found.minutes:.1f}", *map(format_percent, shares)]
    return [name, str(epochs), found.who, *figures, difference]


def _of_runs(name: str, folders: Sequence[Path]) -> Iterator[list[str]]:
    """Yield a row for each finished run folder, fewest epochs first, and the means of runs of the same epochs."""
    from chainrule.cli.output import MISSING, format_percent

    rows: list[tuple[str, tuple[float, ...]]] = []
    for _, group in groupby(sorted((_figures(name, folder) for folder in folders), key=_epochs), _epochs):
        several = list(group)
        rows += several
        if len(several) > 1:
            columns = zip(*(figures for _, figures in several), strict=True)
            rows.append((f"mean of {len(several)} runs", tuple(sum(column) / len(several) for column in columns)))
    for who, (epochs, steps, minutes, *shares) in rows:
        text = [format_percent(share) for share in shares]
        yield [name, f"{epochs:g}", who, f"{steps:g} of {steps:g}", f"{minutes:.1f}", *text, MISSING]


def _epochs(row: tuple[str, tuple[float, ...]]) -> float:
    return row[1][0]


def _figures(name: str, folder: Path) -> tuple[str, tuple[float, ...]]:
    """Return the description of a finished run, its epochs, steps, minutes, and accuracies of its evaluation."""
    from chainrule._io import files
    from chainrule.errors import RunError
    from chainrule.runs import jobs
    from chainrule.runs.folder import EVALUATION, HISTORY
    from chainrule.training import history

    job = jobs.read_job(folder)
    if job.model["name"] != name or not (folder / EVALUATION).is_file():
        raise RunError(f"{folder} is no finished run of {name}")
    steps = -(-job.epoch_images // job.recipe.batch_size) * job.recipe.epochs
    done = history.read(folder / HISTORY, steps, job.epoch_images, job.recipe.batch_size)
    found = files.read_json(folder / EVALUATION)
    shares = (found["accuracy"], found.get("averaged", found)["accuracy"])
    who = f"chainrule train, seed {job.recipe.seed}"
    return who, (job.recipe.epochs, steps, done.epochs[-1].seconds / 60, *shares)
