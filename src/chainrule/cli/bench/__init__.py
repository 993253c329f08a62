"""`chainrule bench`: its commands, one file each."""

import click

from chainrule.cli.bench.algorithms import algorithms
from chainrule.cli.program import Group


@click.group(cls=Group)
def bench() -> None:
    """Time this library, on this machine."""


bench.add_command(algorithms)
