"""`make fuzz`: damaged, hostile and absurd inputs for every file format and every command.

python -m fuzz [FORMAT …] [--count N] [--seed N] [--markdown FILE] [--keep FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import click
from fuzz import guided
from fuzz.campaign import Format, Tally, campaign
from fuzz.formats import FORMATS
from fuzz.judge import BYTES, HANG, SECONDS, little_memory

from chainrule.plotting.markdown import insert, machine, table

HEADS = ("format", "inputs", "guided by coverage", "rejected", "read", "slowest", "largest memory", "faults")
MARKS = ("<!-- fuzz -->", "<!-- end of fuzz -->")
UNGUIDED = ("options",)  # command lines are drawn, not mutated


def tried(kind: Format, count: int, seed: int, work: Path) -> tuple[Tally, int]:
    """Return the tally of a format, and how many of its inputs atheris made: half, where it is installed."""
    by_coverage = count // 2 if guided.available() and kind.name not in UNGUIDED else 0
    with little_memory():
        tally = campaign(kind, count - by_coverage, work / "ours", seed, heavy=True)
    if by_coverage:
        tally.join(Tally(**guided.run(kind.name, by_coverage, work / "guided", seed)))
    return tally, by_coverage


def cells(tally: Tally, by_coverage: int) -> list[str]:
    """Return the table row of a format."""
    counts = [f"{number:,}" for number in (tally.inputs, by_coverage, tally.refused, tally.inputs - tally.refused)]
    return [tally.name, *counts, f"{tally.seconds:.2f} s", f"{tally.bytes / 1e6:.0f} MB", str(len(tally.faults))]


def keep(folder: Path, tally: Tally) -> None:
    """Write the failing inputs for inspection."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (_, content) in enumerate(tally.faults[:100]):
        (folder / f"{tally.name.replace(' ', '-')}-{number}").write_bytes(content)


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--count", default=20_000, show_default=True, help="Inputs of each format.")
@click.option("--seed", default=0, show_default=True, help="Of all inputs; those of coverage also depend on timing.")
@click.option(
    "--markdown", "page", type=click.Path(path_type=Path), help="Write the table to a page, between its marks."
)
@click.option("--keep", "kept", type=click.Path(path_type=Path), help="Write inputs that ended badly to a folder.")
def main(names: tuple[str, ...], count: int, seed: int, page: Path | None, kept: Path | None) -> None:
    if unknown := [name for name in names if name not in FORMATS]:
        raise click.UsageError(f"unknown format {unknown[0]!r}; known: {', '.join(FORMATS)}")
    if not guided.available():
        click.echo("atheris is not installed: no input is guided by coverage")
    limits = f"{SECONDS:.0f} s of the processor ({HANG:.0f} s of the clock), {BYTES / 1e6:.0f} MB"
    click.echo(f"at most {limits}; only errors of chainrule, of one line")
    rows, faults = list[list[str]](), 0
    for name in names or FORMATS:
        with tempfile.TemporaryDirectory(prefix="chainrule-fuzz-") as work:
            (Path(work) / "ours").mkdir()
            tally, by_coverage = tried(FORMATS[name], count, seed, Path(work))
        rows.append(cells(tally, by_coverage))
        click.echo("  ".join(rows[-1]))
        for fault in sorted({fault for fault, _ in tally.faults}):
            click.echo(f"    {fault[:300]!r}")
        faults += len(tally.faults)
        if kept is not None:
            keep(kept, tally)
    click.echo("\n" + table([HEADS, *rows]))
    if page is not None:
        insert(page, f"{table([HEADS, *rows])}\n\n{machine()}", MARKS)
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
