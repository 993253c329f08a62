"""`chainrule zoo`."""

import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options
from chainrule.cli.program import INTERRUPTED, print_message

if TYPE_CHECKING:
    from chainrule.zoo.table import ZooRow

LONG = 20  # characters; longer notes go below the table
NETWORK, FIGURES = ["name", "source", "parameters", "data", "epochs"], ["figure of the source", "must reach", "reached"]
HEADS = [*NETWORK, *FIGURES, "time", "note"]


@click.command(short_help="Train every network and print the table.")
@click.argument("names", metavar="[NAME...]", nargs=-1, shell_complete=options.completer(options.model_names))
@click.option(
    "--cifar10/--no-cifar10",
    default=None,
    help="Train on CIFAR-10 too, where a network has a recipe for it; by default if its 160 MB are available.",
)
@click.option(
    "--out",
    type=options.PATH,
    metavar="FOLDER",
    help="Keep the runs in this folder, and go on with those it holds; by default they are deleted.",
)
@options.markdown
@click.option("--quick", is_flag=True, help="Only try the command: a few images, one epoch, and no accuracy is judged.")
@options.data_location
@options.execution
@options.quiet
@options.as_json
def zoo(
    names: tuple[str, ...],
    cifar10: bool | None,
    out: Path | None,
    markdown: Path | None,
    quick: bool,
    data_folder: str | None,
    offline: bool | None,
    engine: str | None,
    threads: int | None,
    precise: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train every network with its recipe, and print a table of the accuracies reached.

    Networks made for CIFAR-10 take from minutes to hours, and are trained only when they are named. With --out, the
    same command goes on after an interruption: finished runs are read, and unfinished ones resumed. Runs of chainrule
    train --out FOLDER/NAME-DATA serve too, if their recipe is the same.

    Exits with 1 when a network misses its target accuracy. Progress is shown on stderr.
    """
    from chainrule import zoo as networks
    from chainrule.cli import run_paths
    from chainrule.cli.output import print_json
    from chainrule.engines import loader
    from chainrule.engines.options import thread_count
    from chainrule.zoo import table as zoo_table

    run_paths.require_writable(markdown)
    quickly = [entry.name for entry in networks.ENTRIES if entry.choice.name != "cifar10"]
    entries = [networks.find(name) for name in names or quickly]
    used, many = loader.find(engine).name, thread_count(threads)
    where = {"folder": data_folder, "offline": offline, "progress": not quiet}
    with _folder(out) as folder:
        setting = zoo_table.Setting(folder, used, many, quick, cifar10, where, precise)
        found = zoo_table.rows(entries, setting, options.silent_run if quiet else options.announce_run)
        rows = [row if quiet else _told(row) for row in found]
    cells = [HEADS, *(_cells(row) for row in rows)]
    if markdown is not None:
        from chainrule.plotting import markdown as page

        kept = [row for row in page.rows(markdown) if names and row[0] not in names]
        order = [entry.name for entry in networks.ENTRIES]
        sorted_rows = sorted(
            [*cells[1:], *kept], key=lambda row: order.index(row[0]) if row[0] in order else len(order)
        )
        page.write(
            markdown,
            [HEADS, *sorted_rows],
            used,
            many,
            "rows of other networks are from earlier runs, maybe on another machine" * bool(kept),
        )
    if as_json:
        print_json([row.to_json() for row in rows])
    else:
        click.echo(_text(rows))
    sys.exit(1 if any(row.missed for row in rows) else 0)


@contextmanager
def _folder(out: Path | None) -> Generator[Path]:
    """Yield the folder for the runs: `out`, or a temporary folder."""
    from chainrule.cli import run_paths

    if out is not None:
        try:
            yield run_paths.require_folder(out)
        except KeyboardInterrupt:
            print_message("interrupted; go on with the same command")
            sys.exit(INTERRUPTED)
        return
    with tempfile.TemporaryDirectory(prefix="chainrule-zoo-") as folder:
        yield Path(folder)


def _told(row: "ZooRow") -> "ZooRow":
    """Print the result of a network to stderr at once, since the others may take long, and return it."""
    from chainrule.cli.output import format_percent

    reached = f"test accuracy {format_percent(row.reached)}" if row.reached is not None else f"{row.data} {row.note}"
    click.echo(f"{row.name}: {reached}{', missed' if row.missed else ''}\n", err=True)
    return row


def _cells(row: "ZooRow") -> list[str]:
    from chainrule.cli.output import MISSING, format_duration, format_percent

    must = MISSING if row.must_reach is None else f"≥ {format_percent(row.must_reach, 1)}"
    verdict = "; ".join(part for part in ("missed" if row.missed else "", row.note) if part)
    figures = [str(row.epochs), row.stated, must, format_percent(row.reached), format_duration(row.seconds)]
    return [row.name, row.source, f"{row.parameters:,}", row.data, *figures, verdict]


def _text(rows: "Sequence[ZooRow]") -> str:
    """Format the table for a terminal, with the sources and long notes below it."""
    from chainrule.cli.output import format_table

    short = [replace(row, note="") if len(row.note) > LONG else row for row in rows]
    cells = [HEADS, *(_cells(row) for row in short)]
    shown = [[*row[:1], *row[2:5], *row[6:]] for row in cells]
    says = {row.name: row.source + (f": {row.stated}" if row.stated != "–" else "") for row in rows}
    notes = [f"{row.name} on {row.data}: {row.note}" for row in rows if len(row.note) > LONG]
    sources = format_table([[name, said] for name, said in says.items()])
    return "\n".join([format_table(shown, right=(1, 3, 4, 5, 6)), "", sources, *notes])
