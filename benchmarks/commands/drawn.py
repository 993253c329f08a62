"""The command `python -m benchmarks drawn`."""

import os
from pathlib import Path
from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import measured, show
from chainrule.cli.options import markdown as markdown_option

PLACE = "random networks"  # name of the marks around the table on the page


@click.command(short_help="Time random networks drawn from a seed.")
@click.option(
    "--count", type=click.IntRange(min=1), default=60, show_default=True, metavar="N", help="Number of networks."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seed of the networks."
)
@options.default_options(rounds=5)
@markdown_option
def drawn(markdown: Path | None, **arguments: Any) -> None:
    """Time training steps (batch sizes 1, 32 and 128) and calls of predict (1 and 128) of random networks.

    Print the ten networks with the worst ratios to the fastest peer, and the geometric mean of all ratios; --json
    prints every row. The networks depend only on the seed, not on the machine; --model is ignored.
    """
    from benchmarks import peers
    from benchmarks.commands import tables
    from chainrule.cli import run_paths
    from chainrule.plotting import markdown as page

    run_paths.require_writable(markdown)
    with options.watched(arguments["quiet"]) as watch:
        rows = measured("drawn", arguments, watch)
    show(rows, as_json=arguments["as_json"])
    if markdown is not None and rows:
        notes = "\n".join(f"- {note}" for note in tables.notes(rows))
        bits = os.environ.get("CHAINRULE_VECTOR")
        vectors = f", vectors of {bits} bits" if bits else ""
        conditions = f"{rows[0].more['threads']} threads each{vectors}; {page.machine()}{peers.versions()}"
        marks = (f"<!-- {PLACE}{vectors} -->", f"<!-- end of {PLACE}{vectors} -->")
        page.insert(markdown, "\n\n".join([page.table(tables.cells(rows)), notes, conditions]), marks)
