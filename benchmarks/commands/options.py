"""Options shared by the benchmarks."""

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
    shell_complete=options.completer(options.model_names),
    help="A network of the zoo, a model file or a run folder; can be repeated.",
)
batches = click.option(
    "--batch",
    "batches",
    multiple=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Batch size; can be repeated.",
)
peers = click.option(
    "--peers",
    metavar="NAMES",
    default="torch,onnxruntime",
    show_default=True,
    help="Peers to compare with: torch (eager, channels last, compiled), torch-eager (the first two), onnxruntime, "
    "torch-cuda-graph (on a GPU, with CHAINRULE_ENGINE=jax), "
    "numpy (our NumPy engine); for predict also c, c-int8, c-plain and wasm (exported networks).",
)
threads = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads per contender.  [default: one per processor]",
)
count = click.option(
    "--count", type=click.IntRange(min=1), default=60, show_default=True, metavar="N", help="Number of networks."
)
seed = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N", help="Seed of the networks."
)


def default_options(rounds: int = 20) -> Callable[[F], F]:
    """Return the options common to all benchmarks as one decorator, with a default number of rounds."""
    turns = click.option(
        "--rounds",
        type=click.IntRange(min=1),
        default=rounds,
        show_default=True,
        metavar="N",
        help="Number of rounds; every contender has a turn per round.",
    )
    return options.combine(models, batches, peers, threads, turns, options.quiet, options.as_json)


Watch = Callable[[str, float], None]


@contextmanager
def watched(quiet: bool) -> Generator[Watch]:
    """Show a progress bar on stderr that is drawn only on updates, so that it does not run during measurements."""
    if quiet:
        yield lambda text, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _report_share
        return
    columns = (BarColumn(20), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda text, share: bar.update(task, description=text, completed=share, refresh=True)


@cache
def _report(text: str) -> None:
    click.echo(text, err=True)


def _report_share(text: str, share: float) -> None:
    """Print each new text once, for a stderr that is not a terminal."""
    _report(text)
