"""Options that several commands have, and the completion of names."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from chainrule.training.loop import Callback

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
engine = click.option(
    "--engine",
    metavar="NAME",
    shell_complete=names(_engine_names),
    help="numba (default), numpy or reference [CHAINRULE_ENGINE].",
)
threads = click.option(
    "--threads", type=int, metavar="N", help="Threads to compute with; one a processor [CHAINRULE_THREADS]."
)
machine = together(engine, threads)
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
