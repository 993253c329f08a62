"""Options that the benchmarks share."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import click

from chainrule.cli import options

F = TypeVar("F", bound=Callable[..., Any])

models = click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    shell_complete=options.names(options.model_names),
    help="A network of the zoo, a model file or a run folder; may be given several times.",
)
batches = click.option(
    "--batch",
    "batches",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Samples at a time; may be given several times.",
)
peers = click.option(
    "--peers",
    metavar="NAMES",
    default="torch,onnxruntime",
    show_default=True,
    help="With whom we are compared: torch (eager, channels last, compiled), onnxruntime, numpy (our NumPy engine).",
)
threads = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads for each of us; as many as there are processors.",
)
samples = click.option(
    "--samples", type=click.IntRange(min=1), metavar="N", help="Training images of an epoch; all where nothing is said."
)


def usual(rounds: int = 20) -> Callable[[F], F]:
    """Options of every benchmark."""
    turns = click.option(
        "--rounds",
        type=click.IntRange(min=1),
        default=rounds,
        show_default=True,
        metavar="N",
        help="Turns that each of us has.",
    )
    return options.together(models, batches, peers, threads, turns, options.quiet, options.as_json)


Watch = Callable[[str, float], None]


@contextmanager
def watched(quiet: bool) -> Generator[Watch]:
    """A progress bar on stderr, drawn only when it is told something: nothing runs beside what is timed."""
    if quiet:
        yield lambda text, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _spoken
        return
    columns = (BarColumn(20), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda text, share: bar.update(task, description=text, completed=share, refresh=True)


@cache
def _said(text: str) -> None:
    click.echo(text, err=True)


def _spoken(text: str, share: float) -> None:
    """A line for what is new, where there is no terminal."""
    _said(text)
