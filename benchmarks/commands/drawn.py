"""`python -m benchmarks drawn`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="Time random networks drawn from a seed.")
@click.option(
    "--count", type=click.IntRange(min=1), default=60, show_default=True, metavar="N", help="Number of networks."
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seed of the networks."
)
@options.default_options(rounds=5)
def drawn(**given: Any) -> None:
    """Time training steps (batches of 1, 32 and 128) and calls of predict (1 and 128) of random networks.

    Prints the ten with the worst ratio to the fastest peer, and the geometric mean of all; --json prints every row. The
    networks depend on the seed only, not on the machine; --model is not used.
    """
    run("drawn", given)
