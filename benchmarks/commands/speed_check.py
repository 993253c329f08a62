"""The command `python -m benchmarks speed-check`."""

from functools import partial
from pathlib import Path

import click

from benchmarks.commands import options
from benchmarks.commands.tables import Table, publish
from chainrule.cli import options as general


@click.command("speed-check", short_help="Time the working tree beside another commit.")
@click.argument("base", metavar="[COMMIT]", required=False)
@options.number("--networks", default=8, most=8, text="Number of networks.")
@options.threads
@general.quiet
@general.markdown
def speed_check(base: str | None, networks: int, threads: int | None, quiet: bool, markdown: Path | None) -> None:
    """Time the working tree and COMMIT in turn: whole trainings, predictions, the import and the first step.

    Each ratio is the time of COMMIT divided by that of the working tree. A case that is slower by more than 5 % is
    timed again in new processes, up to four times; if it is slower each time, the exit code is 1. COMMIT is the last
    tag by default, or where the branch left main.
    """
    from benchmarks import speed_check as check
    from chainrule.cli.output import format_count
    from chainrule.engines.compiled.compiler import WIDTH
    from chainrule.engines.options import thread_count
    from chainrule.plotting.markdown import machine

    count = thread_count(threads)
    commit = check.commit_of(base or check.default_base())
    commits = f"{check.tree_name()} beside {commit}"
    with options.watched(quiet) as watch, check.checkout(commit) as folder:
        start = partial(check.processes, folder, count)
        results = check.comparisons(check.cases(networks), start, count, watch)
    conditions = f"{commits}; {format_count(count, 'thread')}; vectors of {8 * WIDTH} bits; {machine()}"
    publish(markdown, [Table(check.table(results), notes=check.notes(results))], conditions, "speed check")
    click.echo(conditions)
    raise SystemExit(int(check.is_slow(results)))
