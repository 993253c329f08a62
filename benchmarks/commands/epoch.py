"""`python -m benchmarks epoch`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run
from chainrule.cli import options as general


@click.command(short_help="An epoch of fit on MNIST.")
@options.usual(rounds=3)
@options.samples
@click.option(
    "--seeds", type=click.IntRange(min=1), default=5, show_default=True, metavar="N", help="Runs of fast-mnist."
)
@general.where
def epoch(**given: Any) -> None:
    """An epoch of fit on MNIST, batches and progress bar included, beside the plainest PyTorch loop over tensors.

    Batches of 1 and 32; and fast-mnist by its recipe, with the test accuracy of both.
    """
    run("epoch", given)
