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
@options.passed_as("execution", options.Execution, options.execution)
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
    execution: options.Execution,
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

    entries = list(map(networks.find, names))
    if not names:
        entries = [entry for entry in networks.ENTRIES if entry.choice.name != "cifar10"]
    engine_name = loader.find(execution.engine).name
    threads = thread_count(execution.threads)
    location = {"folder": data_folder, "offline": offline, "progress": not quiet}
    with _folder(out) as folder:
        setting = zoo_table.Setting(folder, engine_name, threads, quick, cifar10, location, execution.precise)
        rows = list["ZooRow"]()
        for row in zoo_table.rows(entries, setting, partial(options.run_callbacks, quiet=quiet)):
            rows.append(row)
            if not quiet:
                _print_row(row)
    if markdown is not None:
        _write_page(markdown, rows, names, engine_name, threads)
    if as_json:
        print_json([row.to_json() for row in rows])
    else:
        click.echo(_text(rows))
    sys.exit(int(any(row.missed for row in rows)))


def _write_page(page: Path, rows: "Sequence[ZooRow]", names: Sequence[str], engine: str, threads: int) -> None:
    """Write the table to a page, in the order of the zoo. Rows of networks that were not trained are kept.

    names   of the networks that were trained; none: all of them
    """
    from chainrule import zoo as networks
    from chainrule.plotting import markdown

    remark = None
    cells = list(map(_cells, rows))
    for earlier in markdown.rows(page):
        if names and earlier[0] not in names:
            cells.append(earlier)
            remark = "rows of other networks are from earlier runs, possibly on another machine"
    order = {entry.name: number for number, entry in enumerate(networks.ENTRIES)}
    cells.sort(key=lambda row: order.get(row[0], len(order)))
    markdown.write(page, [HEADS, *cells], engine, threads, remark)


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


def _print_row(row: "ZooRow") -> None:
    """Print a network's result to stderr."""

    metric = label_of(row.metric)
    reached = f"{row.data} {row.note}"
    if row.reached is not None:
        reached = f"test {metric} {format_metric(row.metric, row.reached)}"
    if row.missed:
        reached += ", missed"
    click.echo(f"{row.name}: {reached}\n", err=True)


def _cells(row: "ZooRow") -> list[str]:

    target = MISSING if row.must_reach is None else f"≥ {format_target(row.metric, row.must_reach)}"
    remarks = ["missed"] if row.missed else []
    if row.note:
        remarks.append(row.note)
    verdict = "; ".join(remarks)
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
    table = [HEADS]
    sources = dict[str, str]()
    notes = list[str]()
    for row in rows:
        sources[row.name] = row.source if row.stated == "–" else f"{row.source}: {row.stated}"
        if len(row.note) > MAX_NOTE:
            notes.append(f"{row.name} on {row.data}: {row.note}")
            table.append(_cells(replace(row, note="")))
        else:
            table.append(_cells(row))
    shown = [[*row[:1], *row[2:5], *row[6:]] for row in table]
    parts = [format_table(shown, right=(1, 3, 4, 5, 6)), "", format_table(list(sources.items())), *notes]
    return "\n".join(parts)
