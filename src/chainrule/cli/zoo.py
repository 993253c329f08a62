"""The command `chainrule zoo`."""

import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options
from chainrule.cli.output import (
    MISSING,
    format_duration,
    format_metric,
    format_table,
    format_target,
    print_json,
)
from chainrule.cli.program import exit_interrupted
from chainrule.training.metric_table import label_of

if TYPE_CHECKING:
    from chainrule.zoo.table import ZooRow

MAX_NOTE = 20  # characters; longer notes are printed below the table
NETWORK_COLUMNS, RESULT_COLUMNS = (
    ["name", "source", "parameters", "data", "epochs"],
    ["reported by source", "target", "reached"],
)
HEADS = [*NETWORK_COLUMNS, *RESULT_COLUMNS, "time", "note"]


@click.command(short_help="Train every network and print the table.")
@click.argument("names", metavar="[NAME...]", nargs=-1, type=options.MODEL)
@options.declared
@options.markdown
@options.data_location
@options.execution
@options.quiet
@options.as_json
def zoo(
    names: tuple[str, ...],
    *,
    cifar10: options.Switch = None,
    out: options.OutputFolder = None,
    markdown: Path | None,
    quick: bool = False,
    data_folder: str | None,
    offline: bool | None,
    engine: str | None,
    threads: int | None,
    precise: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train every network with its recipe, and print a table of the accuracies.

    Networks for CIFAR-10 take from minutes to hours, and are trained only if they are named. With --out, run the same
    command again to continue after an interruption: finished runs are reused, and unfinished ones resumed. Runs of
    chainrule train --out FOLDER/NAME-DATA are reused too if their recipe is the same.

    Exits with 1 if a network misses its target accuracy. Progress is shown on stderr.

    cifar10  (--cifar10/--no-cifar10) Also run the recipes for CIFAR-10 (160 MB).  [default: if the data are available]
    out      Keep the runs in this folder, and continue those it contains.  [default: delete the runs]
    quick    Test the command: one epoch on a few images, without checking the accuracy.
    """
    from chainrule import zoo as networks
    from chainrule.engines import loader
    from chainrule.engines.options import thread_count
    from chainrule.zoo import table as zoo_table

    mnist_names = [entry.name for entry in networks.ENTRIES if entry.choice.name != "cifar10"]
    entries = [networks.find(name) for name in names or mnist_names]
    engine_name, thread_limit = loader.find(engine).name, thread_count(threads)
    location = {"folder": data_folder, "offline": offline, "progress": not quiet}
    with _folder(out) as folder:
        setting = zoo_table.Setting(folder, engine_name, thread_limit, quick, cifar10, location, precise)
        rows_in_order = zoo_table.rows(entries, setting, partial(options.run_callbacks, quiet=quiet))
        rows = [row if quiet else _print_row(row) for row in rows_in_order]
    cells = [HEADS, *(_cells(row) for row in rows)]
    if markdown is not None:
        from chainrule.plotting import markdown as markdown_tables

        other_rows = [row for row in markdown_tables.rows(markdown) if names and row[0] not in names]
        order = {entry.name: number for number, entry in enumerate(networks.ENTRIES)}
        sorted_rows = sorted([*cells[1:], *other_rows], key=lambda row: order.get(row[0], len(order)))
        markdown_tables.write(
            markdown,
            [HEADS, *sorted_rows],
            engine_name,
            thread_limit,
            "rows of other networks are from earlier runs, possibly on another machine" * bool(other_rows),
        )
    if as_json:
        print_json([row.to_json() for row in rows])
    else:
        click.echo(_text(rows))
    sys.exit(1 if any(row.missed for row in rows) else 0)


@contextmanager
def _folder(out: Path | None) -> Generator[Path]:
    """Yield the folder for the runs: `out`, or a temporary folder."""

    if out is not None:
        try:
            yield out
        except KeyboardInterrupt:
            exit_interrupted()
        return
    with tempfile.TemporaryDirectory(prefix="chainrule-zoo-") as folder:
        yield Path(folder)


def _print_row(row: "ZooRow") -> "ZooRow":
    """Print a network's result to stderr as soon as it is available, and return it."""

    metric = label_of(row.metric)
    reached = f"{row.data} {row.note}"
    if row.reached is not None:
        reached = f"test {metric} {format_metric(row.metric, row.reached)}"
    click.echo(f"{row.name}: {reached}{', missed' if row.missed else ''}\n", err=True)
    return row


def _cells(row: "ZooRow") -> list[str]:

    target = MISSING if row.must_reach is None else f"≥ {format_target(row.metric, row.must_reach)}"
    verdict = "; ".join(part for part in ("missed" if row.missed else "", row.note) if part)
    figures = [
        str(row.epochs),
        row.stated,
        target,
        format_metric(row.metric, row.reached),
        format_duration(row.seconds),
    ]
    return [row.name, row.source, f"{row.parameters:,}", row.data, *figures, verdict]


def _text(rows: "Sequence[ZooRow]") -> str:
    """Format the table for a terminal, followed by the sources and the long notes."""

    # notes that are too long for a cell follow the table
    short = [replace(row, note="") if len(row.note) > MAX_NOTE else row for row in rows]
    cells = [HEADS, *(_cells(row) for row in short)]
    shown = [[*row[:1], *row[2:5], *row[6:]] for row in cells]
    sources_of = {row.name: row.source + (f": {row.stated}" if row.stated != "–" else "") for row in rows}
    notes = [f"{row.name} on {row.data}: {row.note}" for row in rows if len(row.note) > MAX_NOTE]
    sources = format_table([[name, source] for name, source in sources_of.items()])
    return "\n".join([format_table(shown, right=(1, 3, 4, 5, 6)), "", sources, *notes])
