"""The command `chainrule completion`."""

import os
from pathlib import PurePath

import click

from chainrule.errors import unknown_name

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_CHAINRULE_COMPLETE"


@click.command(short_help="Print a shell completion script.")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print the completion script for a shell (default: the current one).

    \b
    bash  eval "$(chainrule completion bash)"          in ~/.bashrc
    zsh   eval "$(chainrule completion zsh)"           in ~/.zshrc
    fish  chainrule completion fish | source           in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    name = shell or PurePath(os.environ.get("SHELL", "bash")).name
    completer = get_completion_class(name) if name in SHELLS else None
    if completer is None:
        raise unknown_name("shell", name, SHELLS)
    source = completer(context.find_root().command, {}, "chainrule", VARIABLE)
    click.echo(source.source_template % source.source_vars())
