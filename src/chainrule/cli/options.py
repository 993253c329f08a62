"""Options shared by several commands, and completion of names."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.types import FloatParamType, IntParamType

from chainrule.errors import quoted

if TYPE_CHECKING:
    from chainrule.training.loop import Callback

MAX_INTEGER = 2**63 - 1
DIGITS = re.compile(r"[+-]?[0-9]{1,400}")
DECIMAL = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?|[+-]?(nan|inf|infinity)")

F = TypeVar("F", bound=Callable[..., Any])
Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def completer(known: Callable[[], list[str]]) -> Completer:
    """Return a completer for names from a function, which is called only when the shell asks."""
    return lambda context, parameter, begun: [name for name in known() if name.startswith(begun)]


def model_names() -> list[str]:
    """Return the names of the networks in the zoo."""
    from chainrule import zoo

    return list(zoo.NAMED)


def data_names() -> list[str]:
    """Return the names of the known data sets."""
    from chainrule.data import catalogue

    return [info.name for info in catalogue()]


def _engine_names() -> list[str]:
    from chainrule.engines.loader import NAMES

    return list(NAMES)


class _Path(click.Path):
    """A path that is not empty: an empty one would mean the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a command-line argument to a path."""
        if not os.fspath(value):
            self.fail("expected a name or a path, found nothing", param, ctx)
        return super().convert(value, param, ctx)


class Integer(IntParamType):
    """A whole number in ASCII digits, without the other forms that Python accepts (1_000, other scripts).

    Bounds are checked where the number is used.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a command-line argument to an int."""
        if not DIGITS.fullmatch(str(value)):
            self.fail(f"expected a whole number, found {quoted(str(value))}", param, ctx)
        return super().convert(value, param, ctx)


class BoundedInteger(click.IntRange):
    """A whole number in ASCII digits between bounds, which the help shows.

    least, most   bounds, both included
    """

    def __init__(self, least: int, most: int = MAX_INTEGER) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a command-line argument to an int within the bounds."""
        return super().convert(INTEGER.convert(value, param, ctx), param, ctx)


class Number(FloatParamType):
    """A decimal number as written in English: 0.01, 1e-3."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a command-line argument to a float; bounds are checked where it is used."""
        if not DECIMAL.fullmatch(str(value)):
            self.fail(f"expected a number, found {quoted(str(value))}", param, ctx)
        return super().convert(value, param, ctx)


INTEGER, NUMBER = Integer(), Number()
PATH, PATH_OR_NAME = _Path(path_type=Path), _Path()  # a `Path`; the text as given, which may also be a name


def combine(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Combine several options into one decorator, in the order given."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet = click.option("--quiet", is_flag=True, help="Show no progress on stderr.")
data_folder = click.option(
    "--data-folder",
    type=PATH_OR_NAME,
    metavar="FOLDER",
    help="Folder that is searched first for a known data set [CHAINRULE_DATA].",
)
offline = click.option("--offline", is_flag=True, default=None, help="Fetch nothing [CHAINRULE_OFFLINE].")
data_location = combine(data_folder, offline)
skip_damaged = click.option(
    "--skip-damaged", is_flag=True, help="Leave out damaged images of a folder, instead of failing with an error."
)
engine = click.option(
    "--engine",
    metavar="NAME",
    shell_complete=completer(_engine_names),
    help="Engine: compiled (default), numpy, jax or reference [CHAINRULE_ENGINE].",
)
threads = click.option(
    "--threads", type=INTEGER, metavar="N", help="Number of threads; one per processor by default [CHAINRULE_THREADS]."
)
precise = click.option(
    "--precise",
    is_flag=True,
    help="Leave out Winograd's algorithm, which spreads the rounding error of a large input to outputs beside it.",
)
execution = combine(engine, threads, precise)
accept_changes = click.option(
    "--accept-changes",
    is_flag=True,
    help="Use the files of a run even if they have been changed since they were written.",
)
markdown = click.option(
    "--markdown",
    metavar="FILE",
    type=PATH,
    help="Write the table and the machine it was measured on to a Markdown file.",
)
picture = click.option("--picture", metavar="FILE.png", type=PATH, help="Plot the learning curves.")


def announce_run(title: str) -> "Sequence[Callback]":
    """Print the title of one of several runs, and return the callback for its progress bar."""
    from chainrule.training.callbacks import ProgressBar

    click.echo(title, err=True)
    return [ProgressBar()]


def silent_run(title: str) -> "Sequence[Callback]":
    """Return no callbacks, for a run without progress output."""
    return []
