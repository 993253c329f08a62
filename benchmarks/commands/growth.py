"""`python -m benchmarks growth`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="How cost grows with batch, channels and size.")
@options.usual()
def growth(**given: Any) -> None:
    """A training step of two convolutions and a dense layer, as batch, channels and pictures grow."""
    run("growth", given)
