"""The command `python -m benchmarks growth`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="Time steps as batch, channels and image size grow.")
@options.default_options()
def growth(**arguments: Any) -> None:
    """Time a training step of two convolutions and a dense layer as batch size, channels and image size grow."""
    run("growth", arguments)
