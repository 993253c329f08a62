"""`make fuzz`: damaged, hostile and absurd inputs for every format and command, and files with costly structures.

python -m fuzz [FORMAT|STRUCTURE …] [--count N] [--seed N] [--markdown FILE] [--keep FOLDER]
"""

import sys
import tempfile
from pathlib import Path

import click
from fuzz import guided
from fuzz.campaign import Tally, campaign
from fuzz.formats import FORMATS
from fuzz.judge import BYTES, HANG, SECONDS, little_memory
from fuzz.structures import STRUCTURES

from chainrule.plotting.markdown import insert, machine, table

HEADS = ("inputs", "guided by coverage", "rejected", "read", "slowest", "largest memory", "faults")
TABLES = {  # first column → what it may contain, and the marks of the table in a page
    "format": (FORMATS, ("<!-- fuzz -->", "<!-- end of fuzz -->")),
    "structure": (STRUCTURES, ("<!-- structures -->", "<!-- end of structures -->")),
}
PER_STRUCTURE = 100  # inputs of a format for each file with a costly structure, which takes up to seconds
UNGUIDED = ("options",)  # command lines are drawn, not mutated


def tried(name: str, count: int, seed: int, work: Path) -> tuple[Tally, int]:
    """Return the tally of a format, and how many of its inputs atheris made: half, where it is installed."""
    if name in STRUCTURES:
        return STRUCTURES[name].campaign(max(count // PER_STRUCTURE, 1), work, seed), 0
    kind = FORMATS[name]
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


def report(tally: Tally, folder: Path | None) -> None:
    """Print the faults, and write the failing inputs to a folder."""
    for fault in sorted({fault for fault, _ in tally.faults}):
        click.echo(f"    {fault[:300]!r}")
    if folder is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for number, (_, content) in enumerate(tally.faults[:100]):
        (folder / f"{tally.name.replace(' ', '-')}-{number}").write_bytes(content)


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--count", default=20_000, show_default=True, help="Inputs of each format; 1 % as many structures.")
@click.option("--seed", default=0, show_default=True, help="Of all inputs; those of coverage also depend on timing.")
@click.option(
    "--markdown", "page", type=click.Path(path_type=Path), help="Write the tables to a page, between their marks."
)
@click.option("--keep", "kept", type=click.Path(path_type=Path), help="Write inputs that ended badly to a folder.")
def main(names: tuple[str, ...], count: int, seed: int, page: Path | None, kept: Path | None) -> None:
    known = [*FORMATS, *STRUCTURES]
    for name in names:
        if name not in known:
            raise click.UsageError(f"unknown format {name!r}; known: {', '.join(known)}")
    if not guided.available():
        click.echo("atheris is not installed: no input is guided by coverage")
    limits = f"{SECONDS:.0f} s of the processor ({HANG:.0f} s of the clock), {BYTES / 1e6:.0f} MB"
    click.echo(f"at most {limits}; only errors of chainrule, of one line")
    faults = 0
    for title, (kinds, marks) in TABLES.items():
        chosen = [name for name in names or known if name in kinds]
        rows = [[title, *HEADS]]
        for name in chosen:
            with tempfile.TemporaryDirectory(prefix="chainrule-fuzz-") as work:
                (Path(work) / "ours").mkdir()
                tally, by_coverage = tried(name, count, seed, Path(work))
            rows.append(cells(tally, by_coverage))
            click.echo("  ".join(rows[-1]))
            report(tally, kept)
            faults += len(tally.faults)
        if chosen:
            click.echo("\n" + table(rows))
        if chosen and page is not None:
            insert(page, f"{table(rows)}\n\n{machine()}", marks)
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
