"""`chainrule bench`: its commands, one file each."""

import click

from chainrule.cli.program import Lazy


class Bench(Lazy):
    """The benchmarks; a new one is a file here and a name in the list."""

    folder = "chainrule.cli.bench"
    names = ("train", "infer")


@click.group(cls=Bench, invoke_without_command=True)
@click.pass_context
def bench(context: click.Context) -> None:
    """Time this library and its peers (PyTorch, ONNX Runtime), in turn, on this machine.

    Without a command: all of them, one after the other.
    """
