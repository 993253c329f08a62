"""`chainrule grade`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options
from chainrule.cli.check import input_shape, seed

if TYPE_CHECKING:
    from chainrule.check.homework import Grade


@click.command(short_help="Grade a folder of homework.")
@click.argument("folder", type=options.PATH)
@click.option(
    "--against",
    required=True,
    metavar="LAYER",
    help='What was to be written: "Conv2D(4, (3, 2))", or the name of a loss.',
)
@input_shape
@click.option("--csv", "table", type=options.PATH, metavar="FILE", help="Write the rows for a spreadsheet.")
@click.option("--seconds", type=click.IntRange(min=1), metavar="N", help="For each submission; 30 by default.")
@click.option("--memory", type=click.IntRange(min=256), metavar="MB", help="For each submission; 2048 by default.")
@seed
@options.quiet
@options.as_json
def grade(
    folder: Path,
    against: str,
    input_shape: str | None,
    table: Path | None,
    seconds: int | None,
    memory: int | None,
    seed: int,
    quiet: bool,
    as_json: bool,
) -> None:
    """Check every submission in FOLDER (files *.py, or folders with one each) and name its mistakes.

    Each runs in a process of its own, with limits of time and memory. That protects from accidents, not from
    attacks: see SECURITY.md.
    """
    from chainrule.check import expressions, homework
    from chainrule.cli import places
    from chainrule.cli.output import json_out

    places.writable(table)
    shape = expressions.shape(input_shape) if input_shape is not None else None
    limits = {"seconds": seconds or homework.SECONDS, "memory": memory or homework.MEMORY}
    count, rows = len(homework.submissions(folder)), list["Grade"]()
    for row in homework.grade(folder, against, shape=shape, seed=seed, **limits):
        rows.append(row)
        if not quiet:
            click.echo(f"{len(rows)}/{count} {_plain(row.submission)}", err=True)
    if table is not None:
        homework.write_csv(rows, table)
    if as_json:
        json_out([{**asdict(row), "ok": row.ok} for row in rows])
    else:
        click.echo(_text(rows))


def _text(rows: "list[Grade]") -> str:
    """A line a submission, and under it what is said about it."""
    import textwrap

    from chainrule.cli.output import WIDTH, table

    cells = [[_plain(row.submission), f"{row.passed}/{row.parts}", _plain(row.diagnosis)] for row in rows]
    head, *lines = table([["submission", "right", "diagnosis"], *cells]).splitlines()
    parts = [head]
    for row, line in zip(rows, lines, strict=True):
        parts.append(line)
        if row.remark:
            parts.append(textwrap.fill(_plain(row.remark), WIDTH, initial_indent="    ", subsequent_indent="    "))
    return "\n".join(parts)


def _plain(text: str) -> str:
    """What a submission said, without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
