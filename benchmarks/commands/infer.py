"""The command `python -m benchmarks infer`."""

from typing import Any

import click

from benchmarks.commands import options
from benchmarks.commands.running import run


@click.command(short_help="Time a call of predict.")
@options.default_options()
def infer(**arguments: Any) -> None:
    """Time a call of predict, ONNX Runtime and PyTorch on 1 and 128 images in memory."""
    run("infer", arguments)
