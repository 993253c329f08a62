"""The command `python -m benchmarks train`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="Time a training step of fit.")
@options.default_options()
def train(**arguments: Any) -> None:
    """Time a training step of fit and of PyTorch: forward, loss, backward, fused update.

    The batch sizes are 1, 32 and 128. Loss and gradient of the first step are compared before the timing.
    """
    run("train", arguments)
