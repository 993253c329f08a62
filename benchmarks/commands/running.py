"""Running of a benchmark with the options of its command."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from benchmarks.commands.options import Watch, watched

if TYPE_CHECKING:
    from benchmarks.rows import Row


def run(work: str, given: Mapping[str, Any]) -> None:
    """Run a benchmark and print its table or JSON."""
    with watched(given["quiet"]) as watch:
        rows = measured(work, given, watch)
    show(rows, as_json=given["as_json"])


def show(rows: "Sequence[Row]", *, as_json: bool) -> None:
    """Print the table of a benchmark's rows, or all of them as JSON."""
    from benchmarks.commands import tables
    from chainrule.cli.output import print_json

    if as_json:
        print_json([row.to_json() for row in rows])
    else:
        click.echo(tables.text(rows))


def measured(work: str, given: Mapping[str, Any], watch: Watch) -> "list[Row]":
    """Run a benchmark and return its rows."""
    from benchmarks import peers, suite
    from benchmarks.setting import Setting
    from chainrule.engines import loader
    from chainrule.engines.options import thread_count

    choice = suite.Choice(
        tuple(given.get("models", ())),
        tuple(given.get("batches", ())),
        tuple(peers.chosen(given["peers"])),
        given.get("samples") or 0,
        given.get("seeds", 5),
        given.get("count", 60),
        given.get("seed", 0),
    )
    env = _with_mnist(given) if work in suite.ON_MNIST else {}
    threads, engine = thread_count(given["threads"]), loader.find().name
    return list(suite.WORKS[work](choice, Setting(threads, given["rounds"], engine, watch, env)))


def _with_mnist(given: Mapping[str, Any]) -> dict[str, str]:
    """Fetch MNIST, and return the environment that tells the timed processes where it is."""
    from chainrule import data

    folder = given.get("data_folder")
    data.load("mnist", folder=folder, offline=given.get("offline"), progress=not given["quiet"])
    return {"CHAINRULE_OFFLINE": "1", **({"CHAINRULE_DATA": os.path.abspath(folder)} if folder else {})}
