"""`python -m benchmarks`: its commands, one per file."""

from typing import Any

import click

from benchmarks.commands import options
from chainrule.cli import options as general
from chainrule.cli.program import LazyGroup


class Bench(LazyGroup):
    """The benchmarks; to add one, add a file here and its name to the list."""

    folder = "benchmarks.commands"
    names = (
        *("train", "infer", "epoch", "startup", "memory", "growth", "drawn", "branching", "exported", "algorithms"),
        *("recipe", "scaling", "sweep", "kernels", "threads"),
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
def bench(context: click.Context, **given: Any) -> None:
    """Time this library and its peers (PyTorch, ONNX Runtime) in turn on this machine.

    Without a command, train, infer, epoch, startup and memory are run one after the other; --markdown also runs growth,
    drawn and a comparison of the engines, and writes all tables to a page.
    """
    if context.invoked_subcommand is not None:
        _refuse(context)
        return
    from benchmarks.commands.everything import run

    run(given, given.pop("markdown"))


def _refuse(context: click.Context) -> None:
    """Raise UsageError for an option before the command, which would be ignored."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is click.core.ParameterSource.COMMANDLINE:
            command = context.invoked_subcommand
            raise click.UsageError(f"{parameter.opts[0]} belongs after {command}: {command} {parameter.opts[0]}")
