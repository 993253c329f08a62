"""Options shared by the benchmarks."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from chainrule.cli import options

F = TypeVar("F", bound=Callable[..., Any])
Option = Callable[[F], F]


def number(*names: str, default: float, text: str, least: int = 1, most: int | None = None) -> Option[Any]:
    """Return an option with a number, which the help shows; the default is an integer if the option is."""
    kind = click.IntRange if isinstance(default, int) else click.FloatRange
    return click.option(*names, type=kind(least, most), default=default, show_default=True, metavar="N", help=text)


models = click.option(
    "--model",
    "models",
    multiple=True,
    type=options.MODEL,
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
count = number("--count", default=60, text="Number of networks.")
seed = number("--seed", default=0, least=0, text="Seed of the networks.")


def default_options(rounds: int = 20) -> Option[Any]:
    """Return the options common to all benchmarks as one decorator, with a default number of rounds."""
    turns = number("--rounds", default=rounds, text="Number of rounds; every contender has a turn per round.")
    return options.combine(models, batches, peers, threads, turns, options.quiet, options.as_json)


Watch = Callable[[str, float], None]


@contextmanager
def watched(quiet: bool) -> Generator[Watch]:
    """Show a progress bar on stderr that is drawn only on updates, so that it does not run during measurements."""
    with click.progressbar(length=1000, label="preparing", file=sys.stderr, hidden=quiet, show_eta=False) as bar:

        def watch(text: str, share: float) -> None:
            bar.label = text
            bar.pos = int(1000 * share)
            bar.render_progress()

        yield watch
