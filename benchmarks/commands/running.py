"""Execution of a benchmark with the options of its command."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from benchmarks.commands.options import Watch, watched

if TYPE_CHECKING:
    from benchmarks.rows import Row


def run(work: str, arguments: Mapping[str, Any]) -> None:
    """Run a benchmark and print its table or JSON."""
    with watched(arguments["quiet"]) as watch:
        rows = measured(work, arguments, watch)
    show(rows, as_json=arguments["as_json"])


def show(rows: "Sequence[Row]", *, as_json: bool) -> None:
    """Print the rows of a benchmark as a table or as JSON."""
    from benchmarks.commands import tables
    from chainrule.cli.output import print_json

    if as_json:
        print_json([row.to_json() for row in rows])
    else:
        click.echo(tables.text(rows))


def measured(work: str, arguments: Mapping[str, Any], watch: Watch) -> "list[Row]":
    """Run a benchmark and return its rows."""
    from benchmarks import peers, suite
    from benchmarks.setting import Setting
    from chainrule.engines import loader
    from chainrule.engines.options import thread_count

    choice = suite.Choice(
        tuple(arguments.get("models", ())),
        tuple(arguments.get("batches", ())),
        tuple(peers.chosen(arguments["peers"])),
        arguments.get("samples") or 0,
        arguments.get("seeds", 5),
        arguments.get("count", 60),
        arguments.get("seed", 0),
    )
    env = _prepare_mnist(arguments) if work in suite.ON_MNIST else {}
    threads, engine = thread_count(arguments["threads"]), loader.find().name
    return list(suite.WORKS[work](choice, Setting(threads, arguments["rounds"], engine, watch, env)))


def _prepare_mnist(arguments: Mapping[str, Any]) -> dict[str, str]:
    """Download MNIST, and return the environment variables that point the timed processes to its folder."""
    from chainrule import data

    folder = arguments.get("data_folder")
    data.load("mnist", folder=folder, offline=arguments.get("offline"), progress=not arguments["quiet"])
    return {"CHAINRULE_OFFLINE": "1", **({"CHAINRULE_DATA": os.path.abspath(folder)} if folder else {})}
