"""`make mutate`: change the code in small ways, one at a time; the tests must detect each change.

python -m mutation [NAME …] [--tests PATH …] [--kills] [--markdown PAGE]

A name is a package, or a folder or module in it: data, operations/reference, layers/dense. Without one: all packages.
"""

import dataclasses
import math
import multiprocessing
import sys
import time
from pathlib import Path

import click
from mutation import page as pages
from mutation import running
from mutation.changes import changes
from mutation.subjects import Subject, packages, subject

DEVIATIONS = 2.0  # standard deviations of the share of a sample, by which it may be lower than on the page


@click.command(help=__doc__)
@click.argument("names", nargs=-1)
@click.option("--tests", multiple=True, help="Files or folders of tests, in place of the package's own.")
@click.option("--count", default=300, show_default=True, help="Mutants of each name at most; a sample.")
@click.option("--kills", is_flag=True, help="List how many each test kills, and tests that can go without a kill lost.")
@click.option("--markdown", type=click.Path(path_type=Path), help="The page to write the rows of packages to.")
def main(names: tuple[str, ...], tests: tuple[str, ...], count: int, kills: bool, markdown: Path | None) -> None:
    subjects = [subject(name, tests) for name in names] or packages()
    if unknown := [each.name for each in subjects if not all(file.is_file() for file in each.files)]:
        raise click.UsageError(f"no package, folder or module named {unknown[0]!r}")
    page = markdown or pages.PAGE
    before = pages.stored(page)
    rows = dict(before)
    for each in subjects:
        with multiprocessing.get_context("fork").Pool(1) as pool:  # pytest collects the tests of each in a new process
            outcome = pool.apply(outcome_of, (each, count, kills))
        rows[each.name] = pages.row(each, outcome)
        click.echo("  ".join(rows[each.name]))
        for change in pages.without_reason(page, outcome.survivors):
            click.echo(f"    lived: {change.module}, line {change.line}")
            click.echo(f"        - {change.before}\n        + {change.after}")
        if markdown:
            pages.write(page, {package.name: rows[package.name] for package in packages() if package.name in rows})
    worse = [each.name for each in subjects if each.name in before and fell(rows[each.name], before[each.name])]
    click.echo(f"fewer killed than on the page, and not by chance: {', '.join(worse) or 'nowhere'}")
    sys.exit(bool(worse))


def fell(row: tuple[str, ...], before: tuple[str, ...]) -> bool:
    """Return whether fewer mutants are killed than by chance in samples of these sizes."""
    variance = 0.0
    for cells in (row, before):
        share = float(cells[pages.PERCENT]) / 100
        variance += share * (1 - share) / float(cells[pages.MUTANTS])
    return float(before[pages.PERCENT]) - float(row[pages.PERCENT]) > 100 * DEVIATIONS * math.sqrt(variance)


def outcome_of(subject: Subject, count: int, kills: bool) -> pages.Outcome:
    """Run the tests of a subject on its changes."""
    start, chosen = time.monotonic(), changes(subject.files, count)
    matrix = running.run(chosen, subject.tests, thorough=kills)
    if kills:
        show(matrix)
    killed = matrix.killed
    survivors = [dataclasses.replace(change, code=None) for n, change in enumerate(chosen) if n not in killed]
    return pages.Outcome(len(chosen), len(killed), len(matrix.endless), survivors, time.monotonic() - start)


def show(matrix: running.Matrix) -> None:
    """Print how many changes each test kills, and how many of them no other test kills."""
    gone = running.superfluous(matrix.kills, matrix.sizes)
    print("kills  alone  seconds  lines  test")
    for name, theirs in matrix.kills.items():
        alone = theirs.difference(*(others for other, others in matrix.kills.items() if other != name))
        counts = f"{len(theirs):5d}  {len(alone):5d}  {matrix.seconds[name]:7.2f}  {matrix.sizes[name]:5d}"
        print(f"{counts}  {name}{'  superfluous' * (name in gone)}", flush=True)


if __name__ == "__main__":
    main()
