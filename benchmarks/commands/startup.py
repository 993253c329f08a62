"""The command `python -m benchmarks startup`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="Time imports and the first training step.")
@options.default_options(rounds=10)
def startup(**arguments: Any) -> None:
    """Time imports and the first training step of a process, with an empty and a filled cache of programs."""
    run("startup", arguments)
