"""Sphinx extension: write a page for each command, from the command itself."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from docstrings import to_rst
from generated import write_files
from sphinx.application import Sphinx

from chainrule.cli import main

FOLDER = Path("site/commands")
DEFAULT = re.compile(r"\s*\[default: ([^\]]*)\]\s*$")


def _commands() -> dict[str, click.Command]:
    """Return all commands by name, such as "data fetch" for the commands of a group."""
    context = click.Context(main)
    commands: dict[str, click.Command] = {}
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command
        commands[name] = command
    return commands


def _page(name: str, command: click.Command) -> str:
    """Return the reStructuredText of the page of a command."""
    title = f"chainrule {name}"
    lines = [title, "=" * len(title), "", *_description(title, command)]
    if isinstance(command, click.Group):
        for sub_name, sub_command in command.commands.items():
            sub_title = f"{title} {sub_name}"
            lines += [sub_title, "-" * len(sub_title), "", *_description(sub_title, sub_command)]
    return "\n".join(lines)


def _description(title: str, command: click.Command) -> Iterator[str]:
    """Yield the usage, the text and the options of a command."""
    context = click.Context(command, info_name=title)
    yield from (".. code-block:: text", "", f"   {title} {' '.join(command.collect_usage_pieces(context))}", "")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        literal = paragraph.removeprefix("\b\n")  # click prints this paragraph as it is
        if literal != paragraph:
            yield from ("::", "", *(f"   {line}" for line in literal.splitlines()), "")
        else:
            yield from to_rst([" ".join(paragraph.split())])
    options = [option for option in command.get_params(context) if isinstance(option, click.Option)]
    yield from (".. rst-class:: options", "")
    for option in options:
        record = option.get_help_record(context)
        if record:
            names, meaning = record
            yield from (f"``{names}``", f"   {' '.join(to_rst([' '.join(meaning.split())])).strip()}", "")


def _sentence(command: click.Command) -> str:
    """Return the sentence for the list of commands, which is that of `chainrule --help`."""
    return f"{command.get_short_help_str(limit=200).rstrip('.')}."


def _write_pages(app: Sphinx) -> None:
    """Write the pages of all commands and a list of them."""
    commands = _commands()
    rows = "\n".join(f"   {name}: {_sentence(command)}" for name, command in commands.items())
    intro = "\n".join(to_rst(["Every command, with all its options. `chainrule COMMAND --help` prints the same."]))
    index = f"Commands\n========\n\n{intro}\n.. entries::\n\n{rows}\n"
    pages = {f"{name}.rst": _page(name, command) for name, command in commands.items()}
    write_files(app.srcdir / FOLDER, {"index.rst": index, **pages})


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before the sources are read."""
    app.connect("builder-inited", _write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
