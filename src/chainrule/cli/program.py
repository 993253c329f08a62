"""The program around the commands: they are imported when they are used, and their errors become one line."""

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar, NoReturn

import click

from chainrule.errors import ChainruleError, one_line

COMMANDS = (
    *("train", "evaluate", "predict", "compare", "models", "zoo", "data"),
    *("explain", "check", "grade", "prove", "docs", "completion"),
)
FAILED, INTERRUPTED = 2, 130
FULL = "out of memory"


class Interrupted(Exception):
    """A KeyboardInterrupt, without what click prints of one."""


class Guarded(click.Group):
    """The group of a whole program: what goes wrong in a command is one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None

    def main(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run a command and exit: 0 when all is well, 2 with one line on stderr for what a user can mend.

        The words of the command line are kept with the context, for a run's config.json.
        """
        words = sys.argv[1:] if args is None else list(args)
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError):
                stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        try:
            extra |= {"standalone_mode": False, "obj": ("chainrule", *words)}
            code: int | None = super().main(words, prog_name, **extra)
            if sys.stdout is not None:  # None where it was closed before Python began
                sys.stdout.flush()
        except BrokenPipeError:
            _let_go(sys.stdout)
            sys.exit(1)
        except click.exceptions.Exit as stop:
            code = stop.exit_code
        except (click.ClickException, click.Abort, ChainruleError, OSError, MemoryError, Interrupted) as error:
            code = _failed(error)
        sys.exit(code or 0)


class Group(Guarded):
    """A group that prints its help when no command is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the words apart; without any, print the help and exit with 0."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


class Lazy(Guarded):
    """A group whose commands lie in the files of a folder, each under its own name, and are imported when used."""

    folder: ClassVar[str]
    names: ClassVar[tuple[str, ...]]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order in which they are met."""
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self.names:
            return None
        return getattr(importlib.import_module(f"{self.folder}.{cmd_name}"), cmd_name)


class Program(Lazy, Group):
    """All commands of chainrule."""

    folder = "chainrule.cli"
    names = COMMANDS


def _failed(error: BaseException) -> int:
    """Say in one line what went wrong, and give the exit code."""
    interrupted = isinstance(error, (Interrupted, click.Abort))
    with suppress(OSError):
        if interrupted and sys.stderr.isatty():
            print(file=sys.stderr)  # after the ^C of the terminal
        say(_line(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO):
        _let_go(sys.stdout)
    return INTERRUPTED if interrupted else FAILED


def say(text: str) -> None:
    """One line on stderr, under the name of the program."""
    print(f"chainrule: {one_line(text)}", file=sys.stderr, flush=True)


def _line(error: BaseException) -> str:
    match error:
        case click.UsageError():
            advice = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            return error.format_message().rstrip(".") + advice
        case click.ClickException():
            return error.format_message()
        case Interrupted() | click.Abort():
            return "interrupted"
        case MemoryError():
            return FULL
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror or error}"
        case _:
            return str(error)


def _let_go(stream: Any) -> None:
    """Send what is still to be written to a broken stream nowhere, so that Python's own flush at exit is silent."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
