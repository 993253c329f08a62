"""The command `python -m benchmarks epoch`."""

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
    help="Runs of fast-mnist with different seeds.",
)
@general.data_location
def epoch(**arguments: Any) -> None:
    """Time an epoch of fit on MNIST, including batching and progress bar, and a minimal PyTorch loop over tensors.

    The batch sizes are 1 and 32. fast-mnist is trained with its recipe; the test accuracies are reported.
    """
    run("epoch", arguments)
