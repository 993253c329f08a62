"""The command `python -m benchmarks threads`."""

from pathlib import Path
from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import measured, show
from chainrule.cli.options import markdown as markdown_option

MARKS = ("<!-- numbers of threads -->", "<!-- end of numbers of threads -->")  # markers around the table on the page


@click.command(short_help="Time a training step with 1, 2, 4, … threads.")
@options.default_options(rounds=5)
@markdown_option
def threads(markdown: Path | None, **arguments: Any) -> None:
    """Time a training step of fit with 1, 2, 4, … threads, up to --threads, and report the parallel efficiency.

    The batch size is 128. Peers are not timed.
    """
    from benchmarks.commands import tables
    from chainrule.cli import run_paths
    from chainrule.plotting import markdown as page

    run_paths.require_writable(markdown)
    with options.watched(arguments["quiet"]) as watch:
        rows = measured("threads", arguments, watch)
    show(rows, as_json=arguments["as_json"])
    if markdown is not None:
        page.insert(markdown, "\n\n".join([page.table(tables.cells(rows)), page.machine()]), MARKS)
