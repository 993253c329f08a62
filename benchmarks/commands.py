"""The commands of `python -m benchmarks`."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks import imported_networks, peers, random_networks, steps, subjects, tables
from benchmarks.steps import Row, Setting
from benchmarks.tables import Table
from chainrule.cli import options
from chainrule.cli.output import MISSING, print_json
from chainrule.cli.program import ErrorHandlingGroup
from chainrule.engines import loader
from chainrule.engines.options import thread_count
from chainrule.errors import ChainruleError, unknown_name
from chainrule.plotting.markdown import machine


@click.group(cls=ErrorHandlingGroup)
def bench() -> None:
    """Time this library and its peers (PyTorch, ONNX Runtime) in turn on this machine."""


def _number(name: str, default: int, text: str, least: int = 1) -> Callable[[Any], Any]:
    kind = click.IntRange(least)
    return click.option(name, type=kind, default=default, show_default=True, metavar="N", help=text)


_models = click.option("--model", "models", multiple=True, type=options.MODEL, help="Network; can be repeated.")
_batches = click.option("--batch", "batches", multiple=True, type=click.IntRange(1), help="Can be repeated.")
_peers = click.option(
    "--peers",
    "peer_names",
    default="torch,onnxruntime",
    show_default=True,
    help="torch (both memory layouts), onnxruntime, numpy (our NumPy engine); for predict also c, c-int8 (exported).",
)
_threads = click.option("--threads", type=click.IntRange(1), help="Threads per contender.  [default: all processors]")


def _timing(rounds: int) -> Callable[[Any], Any]:
    """Return the options of all commands that time steps, with a default number of rounds."""
    turns = _number("--rounds", rounds, "Number of rounds; every contender has a turn per round.")
    return options.combine(_batches, _peers, _threads, turns, options.quiet, options.as_json, options.markdown)


def _watch(quiet: bool) -> Callable[[str], None]:
    """Return a function that prints what is measured to stderr."""
    if quiet:
        return lambda text: None
    return partial(click.echo, err=True)


@bench.command(short_help="Time a training step of fit.")
@_models
@_timing(rounds=20)
def train(models: Sequence[str], **arguments: Any) -> None:
    """Time a training step of fit and of PyTorch: forward, loss, backward, fused update.

    The batch sizes are 1, 32 and 128. Loss and gradient of the first step are compared before the timing.
    """
    _time("train", models or subjects.STANDARD, (1, 32, 128), **arguments)


@bench.command(short_help="Time a call of predict.")
@_models
@_timing(rounds=20)
def infer(models: Sequence[str], **arguments: Any) -> None:
    """Time a call of predict, ONNX Runtime and PyTorch on 1 and 16 images, by default of networks that users import.

    MobileNetV2, MobileNetV3-small, EfficientNet-B0, SqueezeNet, ResNet-18, DS-CNN, ShuffleNetV2 and U-Net.
    """
    _time("infer", models or tuple(imported_networks.NETWORKS), (1, 16), **arguments)


def _time(kind: str, models: Sequence[str], sizes: Sequence[int], batches: Sequence[int], **arguments: Any) -> None:
    """Time networks, and print and write their table."""
    networks = [subjects.find(model) for model in models]
    measure = partial(steps.rows, kind, networks, batches or sizes)
    _publish(measure, tables.of_steps, kind, **arguments)


@bench.command(short_help="Time random networks drawn from a seed.")
@_number("--count", 60, "Number of networks.")
@_number("--seed", 0, "Seed of the networks.", 0)
@_timing(rounds=5)
def drawn(count: int, seed: int, batches: Sequence[int], **arguments: Any) -> None:
    """Time training steps (batch sizes 1, 32 and 128) and calls of predict (1 and 128) of random networks.

    Print the ten networks with the worst ratios to the fastest peer, and the geometric mean of all ratios; --json
    prints every row. The networks depend only on the seed, not on the machine.
    """
    _publish(
        partial(random_networks.rows, count, seed, batches), tables.of_random_networks, "random networks", **arguments
    )


def _publish(
    measure: Callable[[list[str], Setting], Iterable[Row]],
    table: Callable[[Sequence[Row]], Table],
    name: str,
    *,
    peer_names: str,
    threads: int | None,
    rounds: int,
    quiet: bool,
    as_json: bool,
    markdown: Path | None,
) -> None:
    """Measure rows; print them as a table or as JSON, and write the table between the comments of a name."""
    setting = Setting(thread_count(threads), rounds, loader.find().name, _watch(quiet))
    rows = list(measure(peers.chosen(peer_names), setting))
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    vectors = ""
    if "CHAINRULE_VECTOR" in os.environ:
        vectors = f", vectors of {os.environ['CHAINRULE_VECTOR']} bits"
    conditions = f"{setting.threads} threads each{vectors}; {machine()}{peers.versions('torch', 'onnxruntime')}"
    table(rows).publish(markdown, conditions, name + vectors)


@bench.command(short_help="Compare default trainings with PyTorch and scikit-learn.")
@click.option("--data", "names", multiple=True, help="Data set; can be repeated.  [default: all]")
@_number("--seeds", 5, "Trainings per data set.")
@options.markdown
@options.quiet
def accuracy(names: Sequence[str], seeds: int, markdown: Path | None, quiet: bool) -> None:
    """Train with default settings on public data sets, and print the accuracy on test samples and the processor time.

    For images, the network and recipe are those that `chainrule train` chooses for custom images; for other data, those
    of ChainruleClassifier and ChainruleRegressor. PyTorch trains the same network in a plain loop with the same
    optimizer, schedule, batch size and number of epochs, on images divided by 255 or on unchanged numbers. MLP and
    random forest are the estimators of scikit-learn with default options. Requires scikit-learn.
    """
    from benchmarks import accuracy as compared

    for name in names:
        if name not in compared.DATA:
            raise unknown_name("data set", name, [*compared.DATA])
    notes = list[str]()
    cells = [["data set", *compared.CONTENDERS]]
    for name in names or compared.DATA:
        try:
            results = compared.results(name, seeds, _watch(quiet))
        except ChainruleError as error:
            notes.append(f"missing: {name}: {error}")
            continue
        texts = [str(results.get(who, MISSING)) for who in compared.CONTENDERS]
        cells.append([name, *texts])
        notes += [f"{name}: {who} is better by more than one standard deviation" for who in compared.better(results)]
    conditions = f"one thread; {machine()}{peers.versions('torch', 'scikit-learn')}"
    Table(cells, notes).publish(markdown, conditions, "accuracy")


@bench.command("speed-check", short_help="Time the working tree beside another commit.")
@click.argument("base", metavar="[COMMIT]", required=False)
@click.option("--networks", type=click.IntRange(1, 8), default=8, show_default=True, help="Number of networks.")
@_threads
@options.quiet
@options.markdown
def speed_check(base: str | None, networks: int, threads: int | None, quiet: bool, markdown: Path | None) -> None:
    """Time the working tree and COMMIT in turn: whole trainings, predictions, the import and the first step.

    Each ratio is the time of COMMIT divided by that of the working tree. A case that is slower by more than 5 % is
    timed again in new processes, up to four times; if it is slower each time, the exit code is 1. COMMIT is the last
    tag by default, or where the branch left main.
    """
    from benchmarks import speed_check as check
    from chainrule.cli.output import format_count
    from chainrule.engines.native.library import WIDTH

    count = thread_count(threads)
    commit = check.commit_of(base or check.default_base())
    commits = f"{check.tree_name()} beside {commit}"
    with check.checkout(commit) as folder:
        start = partial(check.processes, folder, count)
        results = check.comparisons(check.cases(networks), start, count, _watch(quiet))
    conditions = f"{commits}; {format_count(count, 'thread')}; vectors of {8 * WIDTH} bits; {machine()}"
    Table(check.table(results), check.notes(results)).publish(markdown, conditions, "speed check")
    click.echo(conditions)
    raise SystemExit(int(check.is_slow(results)))
