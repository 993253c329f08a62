"""The command `python -m benchmarks memory`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run
from chainrule.cli import options as general


@click.command(short_help="Measure the peak memory of a training run.")
@options.default_options(rounds=1)
@options.samples
@general.data_location
def memory(**arguments: Any) -> None:
    """Measure the peak memory of a process that loads MNIST and trains for an epoch."""
    run("memory", arguments)
