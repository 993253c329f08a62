"""`make mutate`: change the code of modules in small ways, one at a time; their tests must detect each change.

python -m mutation [MODULE …] [--tests PATH …] [--kills] [--markdown PAGE]

For instance: operations/reference/pooling training/optimizers; or core/shapes --tests tests/core --kills
"""

import dataclasses
import multiprocessing
import sys
import time
from pathlib import Path

import click
from mutation import page as pages
from mutation import running
from mutation.changes import changes
from mutation.subjects import ROOT, Subject, subjects

MIN_KILLED = 95.0  # per cent of the mutants


@click.command(help=__doc__)
@click.argument("modules", nargs=-1)
@click.option("--tests", multiple=True, help="Files or folders of tests, in place of those that --list names.")
@click.option("--count", default=10_000, help="Mutants of each module at most; a sample.")
@click.option("--kills", is_flag=True, help="List how many each test kills, and tests that can go without a kill lost.")
@click.option("--markdown", type=click.Path(path_type=Path), help="The page whose table to write.")
@click.option("--list", "listed", is_flag=True, help="Name the modules and their tests, and do nothing.")
def main(
    modules: tuple[str, ...], tests: tuple[str, ...], count: int, kills: bool, markdown: Path | None, listed: bool
) -> None:
    known = subjects()
    others = {module: Subject(module, tests, "") for module in modules} if tests else {}
    if unknown := [module for module in modules if module not in {**known, **others}]:
        raise click.UsageError(f"unknown module {unknown[0]!r}; known: {', '.join(known)}, or any with --tests")
    page, total = markdown or ROOT / "docs/mutation.md", list[tuple[str, ...]]()
    rows, bare = pages.kept(page, known), 0
    for subject in [(known | others)[module] for module in modules or known]:
        if listed:
            click.echo(f"{subject.module}: {' '.join(subject.tests)} -k '{subject.only}'")
            continue
        with multiprocessing.get_context("fork").Pool(1) as pool:  # pytest collects the tests of each in a new process
            outcome = pool.apply(outcome_of, (subject, count, kills))
        rows[subject.module] = pages.row(subject, outcome)
        total.append(rows[subject.module])
        click.echo("  ".join(rows[subject.module]))
        for change in pages.without_reason(page, subject, outcome.survivors):
            bare += 1
            click.echo(f"    lived: line {change.line}\n        - {change.before}\n        + {change.after}")
        if markdown:
            pages.write(page, rows, known)
    share = float(pages.total(total)[5].replace("–", "100"))
    click.echo(f"{share} % killed (at least {MIN_KILLED}); {bare} survivors without a reason in {page.name}")
    sys.exit(share < MIN_KILLED or bare > 0)


def outcome_of(subject: Subject, count: int, kills: bool) -> pages.Outcome:
    """Run the tests of a subject on its changes."""
    start, chosen = time.monotonic(), changes(ROOT / subject.source, count)
    matrix = running.run(chosen, subject.tests, subject.only, thorough=kills)
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
