"""`chainrule completion`."""

import os
from pathlib import PurePath

import click

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_CHAINRULE_COMPLETE"


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def completion(context: click.Context, shell: str | None) -> None:
    """Print the script that completes chainrule's commands in a shell (by default, yours).

    \b
    bash  eval "$(chainrule completion bash)"          in ~/.bashrc
    zsh   eval "$(chainrule completion zsh)"           in ~/.zshrc
    fish  chainrule completion fish | source           in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    from chainrule.errors import unknown_name

    wanted = shell or PurePath(os.environ.get("SHELL", "bash")).name
    kind = get_completion_class(wanted) if wanted in SHELLS else None
    if kind is None:
        raise unknown_name("shell", wanted, SHELLS)
    source = kind(context.find_root().command, {}, "chainrule", VARIABLE)
    click.echo(source.source_template % source.source_vars())
