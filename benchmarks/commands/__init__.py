"""The commands of `python -m benchmarks`."""

from typing import Any

import click

from benchmarks.commands import options, timing
from benchmarks.commands.accuracy import accuracy
from benchmarks.commands.speed_check import speed_check
from chainrule.cli import options as general
from chainrule.cli.program import ErrorHandlingGroup


@click.group(cls=ErrorHandlingGroup, invoke_without_command=True)
@options.peers
@options.threads
@general.markdown
@general.quiet
@general.as_json
@click.pass_context
def bench(context: click.Context, **arguments: Any) -> None:
    """Time this library and its peers (PyTorch, ONNX Runtime) in turn on this machine.

    Without a command, time training steps and calls of predict; with --markdown, write the tables to a page.
    """
    if context.invoked_subcommand is not None:
        _refuse(context)
        return
    timing.run_all(arguments)


def _refuse(context: click.Context) -> None:
    """Raise UsageError if an option precedes the command, where it would be ignored."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is click.core.ParameterSource.COMMANDLINE:
            command = context.invoked_subcommand
            raise click.UsageError(f"{parameter.opts[0]} must follow the command: {command} {parameter.opts[0]}")


for command in (timing.train, timing.infer, timing.imported, timing.drawn, accuracy, speed_check):
    bench.add_command(command)
