"""Execution of all benchmarks, and generation of the page with their tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks.commands.options import watched
from benchmarks.commands.running import measured

if TYPE_CHECKING:
    from benchmarks.rows import Row

ROUNDS = {"train": 20, "infer": 20, "epoch": 3, "startup": 10, "memory": 1, "growth": 20, "engines": 5}
TITLES = {
    "train": "A training step",
    "infer": "A call of `predict`",
    "epoch": "An epoch of `fit`",
    "startup": "Startup",
    "memory": "Memory of a training run",
    "growth": "Growth of the cost of a step",
    "engines": "Engines: compiled and NumPy",
}


def run(arguments: Mapping[str, Any], markdown: Path | None) -> None:
    """Run the benchmarks, print their tables, and write them to the page `markdown` if it is not None."""
    from benchmarks.commands import tables
    from chainrule.cli import run_paths
    from chainrule.cli.output import print_json

    run_paths.require_writable(markdown)
    works = [work for work in TITLES if markdown is not None or work not in ("growth", "engines")]
    results: dict[str, list[Row]] = {}
    for work in works:
        with watched(arguments["quiet"]) as watch:
            results[work] = _rows(work, arguments, watch)
        if not arguments["as_json"] and results[work]:
            click.echo(f"{TITLES[work]}\n\n{tables.text(results[work])}\n")
    if arguments["as_json"]:
        print_json([row.to_json() for rows in results.values() for row in rows])
    if markdown is not None:
        _write(markdown, results)


def _rows(work: str, arguments: Mapping[str, Any], watch: Any) -> "list[Row]":
    """Return the rows of one benchmark; "engines" is a training step with our NumPy engine as the only peer."""
    options = {**arguments, "rounds": ROUNDS[work]}
    if work == "engines":
        return measured("train", {**options, "peers": "numpy"}, watch)
    return measured(work, options, watch)


def _write(page: Path, results: "Mapping[str, list[Row]]") -> None:
    from benchmarks import peers
    from benchmarks.commands import tables
    from chainrule.plotting import markdown

    parts: list[str] = []
    for work, rows in results.items():
        if rows:
            parts += [f"## {TITLES[work]}", markdown.table(tables.cells(rows)), *tables.notes(rows)]
    threads = next((rows[0].more["threads"] for rows in results.values() if rows), 1)
    parts.append(f"{threads} thread{'s' if threads > 1 else ''} each; {markdown.machine()}{peers.versions()}")
    markdown.insert(page, "\n\n".join(parts))
