"""`python -m benchmarks infer`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="A call of predict.")
@options.usual()
def infer(**given: Any) -> None:
    """A call of predict on ready images, beside ONNX Runtime's and PyTorch's: one image, and 128."""
    run("infer", given)
