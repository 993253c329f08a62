"""`python -m benchmarks memory`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run
from chainrule.cli import options as general


@click.command(short_help="Peak memory of a whole training.")
@options.usual(rounds=1)
@options.samples
@general.where
def memory(**given: Any) -> None:
    """The most memory that a process needs which loads MNIST and trains for an epoch."""
    run("memory", given)
