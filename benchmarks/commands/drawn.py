"""`python -m benchmarks drawn`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="Networks that nobody chose, drawn from a seed.")
@click.option(
    "--count", type=click.IntRange(min=1), default=60, show_default=True, metavar="N", help="Networks that are drawn."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Which ones.")
@options.usual(rounds=5)
def drawn(**given: Any) -> None:
    """Training steps (batches of 1, 32 and 128) and calls of predict (1 and 128) of networks drawn from a seed.

    Prints the ten that do worst beside the quickest peer, and the geometric mean of all; --json has every row. The
    networks are the same on every machine; --model is not used.
    """
    run("drawn", given)
