"""`chainrule grade`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chainrule.cli import options
from chainrule.cli.check import LONGEST, input_shape
from chainrule.errors import printable

if TYPE_CHECKING:
    from chainrule.check.homework import Grade

UNJUDGED = 3  # exit code


@click.command(short_help="Grade a folder of homework submissions.")
@click.argument("folder", type=options.PATH)
@click.option(
    "--against",
    required=True,
    metavar="LAYER",
    help='The layer that was to be written, such as "Conv2D(4, (3, 2))", or the name of a loss.',
)
@input_shape
@click.option("--csv", "table", type=options.PATH, metavar="FILE", help="Write the table as a CSV file.")
@click.option(
    "--seconds",
    type=options.BoundedInteger(1, LONGEST),
    metavar="N",
    help="Time limit for each submission; 30 by default.",
)
@click.option(
    "--memory",
    type=options.BoundedInteger(256, 1_000_000),
    metavar="MB",
    help="Memory limit for each submission; 2048 by default.",
)
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="NAME",
    help="A package that submissions may import besides NumPy and the standard library; may be repeated.",
)
@click.option(
    "--seed",
    type=options.BoundedInteger(0),
    metavar="N",
    help="Seed of the random inputs; by default a new one each time, which is printed.",
)
@options.quiet
@options.as_json
def grade(
    folder: Path,
    against: str,
    input_shape: str | None,
    table: Path | None,
    seconds: int | None,
    memory: int | None,
    packages: tuple[str, ...],
    seed: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Check every submission in FOLDER and diagnose its mistakes.

    A submission is a Python file, a notebook, or a folder with one of these; every other entry gets a row with the
    reason why it was not judged. Names that begin with _ or . are ignored.

    Each submission runs in a separate process, which can use NumPy, the standard library and its own files. It returns
    arrays, which are judged outside that process. SECURITY.md describes what this protects against, and what not.

    Exits with 0 when every entry was judged, right or wrong, and with 3 when an entry could not be judged.
    """
    from chainrule.check import entries, expressions, homework
    from chainrule.cli import run_paths
    from chainrule.cli.output import json_out

    run_paths.require_writable(table)
    shape = expressions.shape(input_shape) if input_shape is not None else None
    limits = {"seconds": seconds or homework.SECONDS, "memory": memory or homework.MEMORY}
    count, rows = len(entries.entries(folder)), list["Grade"]()
    for row in homework.grade(folder, against, shape=shape, seed=seed, packages=packages, **limits):
        rows.append(row)
        if not quiet:
            click.echo(f"{len(rows)}/{count} {printable(row.submission)}", err=True)
    if table is not None:
        homework.write_csv(rows, table)
    if as_json:
        json_out([{**asdict(row), "ok": row.ok} for row in rows])
    else:
        click.echo(_text(rows, entries.ignored_entries(folder)))
    if not all(row.judged for row in rows):
        raise SystemExit(UNJUDGED)


def _text(rows: "list[Grade]", left_out: "list[str]") -> str:
    """Return a line for each submission, followed by the remark on it, if any."""
    import textwrap

    from chainrule.cli.output import WIDTH, table

    cells = [[row.submission, f"{row.passed}/{row.parts}", row.diagnosis] for row in rows]
    head, *lines = table([["submission", "right", "diagnosis"], *cells]).splitlines()
    parts = [head]
    for row, line in zip(rows, lines, strict=True):
        parts.append(line)
        if row.remark:
            parts.append(textwrap.fill(printable(row.remark), WIDTH, initial_indent="    ", subsequent_indent="    "))
    if left_out:
        parts.append(f"\nno submissions, by their names: {printable(', '.join(left_out))}")
    return "\n".join([*parts, f"\nseed {rows[0].seed}"])
