"""The command `python -m benchmarks branching`."""

from pathlib import Path
from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import measured, show
from chainrule.cli.options import markdown as markdown_option

MARKS = ("<!-- networks that branch -->", "<!-- end of networks that branch -->")  # markers around the tables
TITLES = {"train-branching": "### A training step", "infer-branching": "### A call of `predict`"}


@click.command(short_help="Time branching networks.")
@options.default_options(rounds=10)
@markdown_option
def branching(markdown: Path | None, **arguments: Any) -> None:
    """Time training of residual networks, and inference of these, SqueezeNet, ResNet-18 and MobileNetV2."""
    from benchmarks import peers
    from benchmarks.commands import tables
    from chainrule.cli import run_paths
    from chainrule.plotting import markdown as page

    run_paths.require_writable(markdown)
    parts: list[str] = []
    for work, title in TITLES.items():
        with options.watched(arguments["quiet"]) as watch:
            rows = measured(work, arguments, watch)
        show(rows, as_json=arguments["as_json"])
        if rows:
            parts += [title, page.table(tables.cells(rows)), *tables.notes(rows)]
            conditions = f"{rows[0].more['threads']} threads each; {page.machine()}{peers.versions()}"
            parts += [conditions] if work == [*TITLES][-1] else []
    if markdown is not None and parts:
        page.insert(markdown, "\n\n".join(parts), MARKS)
