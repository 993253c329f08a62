"""`python -m benchmarks train`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="A training step, as fit takes it.")
@options.usual()
def train(**given: Any) -> None:
    """A training step as fit takes it, beside PyTorch's: forward, loss, backward, fused update.

    Batches of 1, 32 and 128. Before anyone is timed, loss and gradient of the first step are compared.
    """
    run("train", given)
