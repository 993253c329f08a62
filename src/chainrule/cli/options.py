"""Options that several commands have, and the completion of names."""

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

LARGEST = 2**63 - 1
DIGITS = re.compile(r"[+-]?[0-9]{1,400}")
DECIMAL = re.compile(r"[+-]?([0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?|[+-]?(nan|inf|infinity)")

F = TypeVar("F", bound=Callable[..., Any])
Completer = Callable[[click.Context, click.Parameter, str], list[str]]


def names(known: Callable[[], list[str]]) -> Completer:
    """Completes a name from a list that is only imported when the shell asks."""
    return lambda context, parameter, begun: [name for name in known() if name.startswith(begun)]


def model_names() -> list[str]:
    """The networks of the zoo."""
    from chainrule import zoo

    return list(zoo.NAMED)


def data_names() -> list[str]:
    """The data sets known by name."""
    from chainrule.data import catalogue

    return [info.name for info in catalogue()]


def _engine_names() -> list[str]:
    from chainrule import engines

    return list(engines.NAMES)


class _Path(click.Path):
    """A path, which is not empty: that would be the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path of a word."""
        if not os.fspath(value):
            self.fail("expected a name or a path, found nothing", param, ctx)
        return super().convert(value, param, ctx)


class Whole(IntParamType):
    """A whole number in digits: what Python also takes for one (1_000, other scripts) is a mistake.

    Its bounds are for its reader to say.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number of a word."""
        if not DIGITS.fullmatch(str(value)):
            self.fail(f"expected a whole number, found {quoted(str(value))}", param, ctx)
        return super().convert(value, param, ctx)


class Within(click.IntRange):
    """A whole number in digits, between bounds, which the help says.

    least, most   its bounds
    """

    def __init__(self, least: int, most: int = LARGEST) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number of a word."""
        return super().convert(WHOLE.convert(value, param, ctx), param, ctx)


class Number(FloatParamType):
    """A number in digits, as it is written in English: 0.01, 1e-3."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number of a word; what it must be is for its reader to say."""
        if not DECIMAL.fullmatch(str(value)):
            self.fail(f"expected a number, found {quoted(str(value))}", param, ctx)
        return super().convert(value, param, ctx)


WHOLE, NUMBER = Whole(), Number()
PATH, WORD = _Path(path_type=Path), _Path()  # a `Path`; the text as it was written, which may also be a name


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order given."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
quiet = click.option("--quiet", is_flag=True, help="No progress on stderr.")
data_folder = click.option(
    "--data-folder",
    type=WORD,
    metavar="FOLDER",
    help="Where to look first for a data set known by name [CHAINRULE_DATA].",
)
offline = click.option("--offline", is_flag=True, default=None, help="Fetch nothing [CHAINRULE_OFFLINE].")
where = together(data_folder, offline)
skip_damaged = click.option(
    "--skip-damaged", is_flag=True, help="Leave damaged images of a folder out, in place of an error that names them."
)
engine = click.option(
    "--engine",
    metavar="NAME",
    shell_complete=names(_engine_names),
    help="numba (default), numpy or reference [CHAINRULE_ENGINE].",
)
threads = click.option(
    "--threads", type=WHOLE, metavar="N", help="Threads to compute with; one a processor [CHAINRULE_THREADS]."
)
machine = together(engine, threads)
accept_changes = click.option(
    "--accept-changes",
    is_flag=True,
    help="Use the files of a run even where they were changed since they were written.",
)
markdown = click.option("--markdown", metavar="FILE", type=PATH, help="Write the table, with the machine, to a file.")
picture = click.option("--picture", metavar="FILE.png", type=PATH, help="Draw the learning curves.")


def announced(title: str) -> "Sequence[Callback]":
    """The callbacks of one run of several: its title, then a progress bar."""
    from chainrule.training.progress import ProgressBar

    click.echo(title, err=True)
    return [ProgressBar()]


def silent(title: str) -> "Sequence[Callback]":
    """The callbacks of a run that is not watched."""
    return []
