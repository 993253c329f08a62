"""`python -m benchmarks startup`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="Imports, and the first step of a process.")
@options.usual(rounds=10)
def startup(**given: Any) -> None:
    """What imports cost, and the first training step: where nothing is compiled yet, and where programs are kept."""
    run("startup", given)
