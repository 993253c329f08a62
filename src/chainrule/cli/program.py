"""Command groups that import commands on use and report errors in one line."""

import errno
import importlib
import keyword
import os
import sys
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from typing import Any, NoReturn

import click

from chainrule.core.words import advice_for, vocabulary
from chainrule.errors import (
    AmbiguousNameWarning,
    ChainruleError,
    ChannelOrderWarning,
    PrecisionWarning,
    one_line,
)

COMMANDS = (
    *("train", "evaluate", "predict", "explain", "check", "grade"),
    *("import", "export", "profile", "data", "models", "docs"),
)
FAILED, INTERRUPTED = 2, 130
OUT_OF_MEMORY = "out of memory"


class Interrupted(Exception):
    """A KeyboardInterrupt, converted to an exception so that click prints nothing."""


class ErrorHandlingGroup(click.Group):
    """A group that reports a command's error as one line on stderr and an exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, converting KeyboardInterrupt to Interrupted."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command's name, the command and its arguments; UsageError with a suggestion for other names."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0].casefold(), self.list_commands(ctx), 1)
            advice = advice_for(args[0]) or "".join(f"did you mean {name}?" for name in close)
            raise click.UsageError(f"{error.message} {advice[:1].upper()}{advice[1:]}".rstrip(), ctx) from None

    def main(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run a command and exit: with 0 on success, with 2 and one line on stderr after a user error.

        The command line is passed in the context object, and stored in a run's config.json.
        """
        arguments = sys.argv[1:] if args is None else list(args)
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError):
                stream.reconfigure(errors="replace")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        try:
            extra |= {"standalone_mode": False, "obj": ("chainrule", *arguments)}
            with _warnings_in_one_line():
                code: int | None = super().main(arguments, prog_name, **extra)
            if sys.stdout is not None:  # None if it was closed before Python started
                sys.stdout.flush()
        except BrokenPipeError:
            _discard_output(sys.stdout)
            sys.exit(1)
        except click.exceptions.Exit as exit_request:
            code = exit_request.exit_code
        except (click.ClickException, click.Abort, ChainruleError, OSError, MemoryError, Interrupted) as error:
            code = _report_error(error)
        sys.exit(code or 0)


class Group(ErrorHandlingGroup):
    """A group that prints its help when called without arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; without any, print the help and exit with 0."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


class MainGroup(Group):
    """All commands of chainrule, which are imported on use, each from the module of the same name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        name = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name  # `import` is a keyword
        return getattr(importlib.import_module(f"chainrule.cli.{name}"), name)


def _report_error(error: BaseException) -> int:
    """Print an error as one line on stderr, and return the exit status."""
    interrupted = isinstance(error, (Interrupted, click.Abort))
    with suppress(OSError):
        if interrupted and sys.stderr.isatty():
            print(file=sys.stderr)  # end the line after the terminal's ^C
        print_message(_error_text(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EIO):
        _discard_output(sys.stdout)
    return INTERRUPTED if interrupted else FAILED


@contextmanager
def _warnings_in_one_line() -> Generator[None]:
    """Print each warning of this library as one line, without the source location that Python adds."""
    own_categories = (AmbiguousNameWarning, ChannelOrderWarning, PrecisionWarning)
    with warnings.catch_warnings():
        for category in own_categories:
            warnings.simplefilter("always", category)
        show_default = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *location: Any, **options: Any) -> None:
            if issubclass(category, own_categories):
                print_message(f"warning: {message}")
            else:
                show_default(message, category, *location, **options)

        warnings.showwarning = show
        yield


def print_message(text: str) -> None:
    """Print one line to stderr, prefixed by the program's name."""
    print(f"chainrule: {one_line(text)}", file=sys.stderr, flush=True)


def _error_text(error: BaseException) -> str:
    match error:
        case click.NoSuchOption() if own := vocabulary()["options"].get(error.option_name[2:].replace("-", "_")):
            return f"{error.message} Use --{own.replace('_', '-')}"
        case click.UsageError():
            advice = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            return error.format_message().rstrip(".") + advice
        case click.ClickException():
            return error.format_message()
        case Interrupted() | click.Abort():
            return "interrupted"
        case ChainruleError():
            return str(error)
        case MemoryError():
            return OUT_OF_MEMORY
        case OSError():
            place = f"{error.filename}: " if error.filename else ""
            return f"{place}{error.strerror or error}"
        case _:
            return str(error)


def _discard_output(stream: Any) -> None:
    """Redirect a broken stream to the null device, so that Python's flush at exit stays silent."""
    with suppress(OSError, ValueError, AttributeError):
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, stream.fileno())
        os.close(null_device)
