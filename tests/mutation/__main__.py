"""`make mutate`: mutate the code one small change at a time and check that each module's own tests fail.

python -m mutation [MODULE …] [--markdown PAGE]      for instance: reference/pooling optimizers
"""

import sys
from pathlib import Path

import click
from mutation import page as pages
from mutation import running
from mutation.subjects import subjects

LEAST = 95.0  # per cent of the mutants that must be killed


@click.command(help=__doc__)
@click.argument("modules", nargs=-1)
@click.option("--children", default=2, show_default=True, help="Mutants tested at a time.")
@click.option("--again", is_flag=True, help="Go on with a run that was stopped, and test its survivors once more.")
@click.option("--markdown", type=click.Path(path_type=Path), help="The page whose table to write.")
@click.option("--list", "listed", is_flag=True, help="Name the modules and their tests, and do nothing.")
def main(modules: tuple[str, ...], children: int, again: bool, markdown: Path | None, listed: bool) -> None:
    known = subjects()
    if unknown := [module for module in modules if module not in known]:
        raise click.UsageError(f"unknown module {unknown[0]!r}; known: {', '.join(known)}")
    chosen = [known[module] for module in modules or known]
    if listed:
        for subject in chosen:
            click.echo(f"{subject.module}: {' '.join(subject.tests)} -k '{subject.only}'")
        return
    page = markdown or running.ROOT / "docs/mutation.md"
    rows, bare = pages.kept(page, known), 0
    for subject in chosen:
        try:
            outcome = running.run(subject, children, again=again)
        except running.RunError as error:
            raise click.ClickException(str(error)) from None
        rows[subject.module] = pages.row(subject, outcome)
        click.echo("  ".join(rows[subject.module]))
        for survivor in pages.without_reason(page, subject, outcome.survivors):
            bare += 1
            click.echo(f"    lived: {survivor.name}\n        - {survivor.before}\n        + {survivor.after}")
        if markdown:
            pages.write(page, rows, known)
    share = float(pages.total([rows[subject.module] for subject in chosen])[5].replace("–", "100"))
    click.echo(f"{share} % killed (at least {LEAST}); {bare} survivors without a reason in {page.name}")
    sys.exit(share < LEAST or bare > 0)


if __name__ == "__main__":
    main()
