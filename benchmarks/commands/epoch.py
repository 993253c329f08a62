"""`python -m benchmarks epoch`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run
from chainrule.cli import options as general


@click.command(short_help="Time an epoch of fit on MNIST.")
@options.default_options(rounds=3)
@options.samples
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="N",
    help="Runs of fast-mnist, each with its own seed.",
)
@general.data_location
def epoch(**given: Any) -> None:
    """Time an epoch of fit on MNIST, including batching and progress bar, and the plainest PyTorch loop over tensors.

    The batch sizes are 1 and 32. fast-mnist is trained by its recipe, and the test accuracy of both is reported.
    """
    run("epoch", given)
