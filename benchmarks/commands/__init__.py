"""The commands of `python -m benchmarks`, one per module."""

from typing import Any

import click

from benchmarks.commands import options
from chainrule.cli import options as general
from chainrule.cli.program import LazyGroup


class Bench(LazyGroup):
    """The group of benchmarks. To add a benchmark, add a module to this package and its name to `names`."""

    folder = "benchmarks.commands"
    names = (
        *("train", "infer", "epoch", "startup", "memory", "growth", "drawn", "branching", "exported", "algorithms"),
        *("recipe", "scaling", "sweep", "kernels", "threads", "ablation"),
    )


@click.group(cls=Bench, invoke_without_command=True)
@options.peers
@options.threads
@options.samples
@general.data_location
@general.markdown
@general.quiet
@general.as_json
@click.pass_context
def bench(context: click.Context, **arguments: Any) -> None:
    """Time this library and its peers (PyTorch, ONNX Runtime) in turn on this machine.

    Without a command, run train, infer, epoch, startup and memory. With --markdown, also run growth and a comparison of
    the engines, and write all tables to a page.
    """
    if context.invoked_subcommand is not None:
        _refuse(context)
        return
    from benchmarks.commands.everything import run

    run(arguments, arguments.pop("markdown"))


def _refuse(context: click.Context) -> None:
    """Raise UsageError if an option precedes the command, where it would be ignored."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is click.core.ParameterSource.COMMANDLINE:
            command = context.invoked_subcommand
            raise click.UsageError(f"{parameter.opts[0]} must follow the command: {command} {parameter.opts[0]}")
