"""The commands that time training steps and calls of predict, and the page with their tables."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks import imported_networks, peers, random_networks, steps, subjects
from benchmarks.commands import options, tables
from benchmarks.steps import Row, Setting
from chainrule.cli import run_paths
from chainrule.cli.options import markdown as markdown_option
from chainrule.cli.output import print_json
from chainrule.engines import loader
from chainrule.engines.options import thread_count
from chainrule.plotting import markdown as page

RANDOM = "random networks"  # name of the marks around the table on the page
RESNETS = ("resnet-8", "resnet-20")


class Benchmark(NamedTuple):
    """A benchmark of several networks.

    title    heading of the table on the page
    kind     train (training steps) or infer (calls of predict)
    models   default networks
    batches  default batch sizes
    """

    title: str
    kind: str
    models: Sequence[str]
    batches: Sequence[int]


BENCHMARKS = {
    "train": Benchmark("A training step", "train", subjects.STANDARD, (1, 32, 128)),
    "infer": Benchmark("A call of `predict`", "infer", (*subjects.TUTORIALS, "vgg-small"), (1, 128)),
    "train-branching": Benchmark("Networks that branch: a training step", "train", RESNETS, (32, 128)),
    "infer-branching": Benchmark("Networks that branch: a call of `predict`", "infer", RESNETS, (1, 32)),
    "imported": Benchmark(
        "Imported networks: a call of `predict`", "infer", tuple(imported_networks.NETWORKS), (1, 16)
    ),
}


@click.command(short_help="Time a training step of fit.")
@options.default_options()
def train(**arguments: Any) -> None:
    """Time a training step of fit and of PyTorch: forward, loss, backward, fused update.

    The batch sizes are 1, 32 and 128. Loss and gradient of the first step are compared before the timing.
    """
    _show(_benchmark("train", arguments), arguments)


@click.command(short_help="Time a call of predict.")
@options.default_options()
def infer(**arguments: Any) -> None:
    """Time a call of predict, ONNX Runtime and PyTorch on 1 and 128 images in memory."""
    _show(_benchmark("infer", arguments), arguments)


@click.command(short_help="Time a call of predict of well-known networks.")
@options.default_options()
def imported(**arguments: Any) -> None:
    """Time a call of predict, ONNX Runtime and PyTorch on 1 and 16 images, with the networks that users import.

    MobileNetV2, MobileNetV3-small, EfficientNet-B0, SqueezeNet, ResNet-18, DS-CNN, ShuffleNetV2 and U-Net.
    """
    _show(_benchmark("imported", arguments), arguments)


@click.command(short_help="Time random networks drawn from a seed.")
@options.count
@options.seed
@options.default_options(rounds=5)
@markdown_option
def drawn(count: int, seed: int, markdown: Path | None, **arguments: Any) -> None:
    """Time training steps (batch sizes 1, 32 and 128) and calls of predict (1 and 128) of random networks.

    Print the ten networks with the worst ratios to the fastest peer, and the geometric mean of all ratios; --json
    prints every row. The networks depend only on the seed, not on the machine; --model is ignored.
    """
    batches = arguments["batches"]
    names = peers.chosen(arguments["peers"])
    rows = _measured(arguments, lambda setting: random_networks.rows(count, seed, batches, names, setting))
    _show(rows, arguments)
    if rows:
        bits = os.environ.get("CHAINRULE_VECTOR")
        vectors = f", vectors of {bits} bits" if bits else ""
        tables.insert(markdown, [tables.of_rows(rows)], _conditions(rows, vectors), RANDOM + vectors)


def run_all(arguments: Mapping[str, Any]) -> None:
    """Run train and infer, also for networks that branch; print their tables, and write them to a page."""
    run_paths.require_writable(arguments["markdown"])
    rows: list[Row] = []
    sections: list[tables.Table] = []
    for name, benchmark in BENCHMARKS.items():
        if new_rows := _benchmark(name, {"rounds": 20, "models": (), "batches": (), **arguments}):
            rows += new_rows
            sections.append(tables.of_rows(new_rows, f"## {benchmark.title}"))
            if not arguments["as_json"]:
                sections[-1].print()
    if arguments["as_json"]:
        _show(rows, arguments)
    if rows:
        tables.insert(arguments["markdown"], sections, _conditions(rows), "table")


def _benchmark(name: str, arguments: Mapping[str, Any]) -> list[Row]:
    """Run a benchmark with the options of its command; without models or batch sizes, it has its own."""
    benchmark = BENCHMARKS[name]
    names = peers.chosen(arguments["peers"])
    networks = [subjects.find(model) for model in arguments["models"] or benchmark.models]
    batches = arguments["batches"] or benchmark.batches
    return _measured(arguments, lambda setting: steps.rows(benchmark.kind, networks, batches, names, setting))


def _measured(arguments: Mapping[str, Any], measure: Callable[[Setting], Iterable[Row]]) -> list[Row]:
    """Return the rows of a function that measures, which is called with the settings of the command line."""
    with options.watched(arguments["quiet"]) as watch:
        setting = Setting(thread_count(arguments["threads"]), arguments["rounds"], loader.find().name, watch)
        return list(measure(setting))


def _show(rows: Sequence[Row], arguments: Mapping[str, Any]) -> None:
    """Print rows as a table or as JSON."""
    if arguments["as_json"]:
        print_json([row.to_json() for row in rows])
    else:
        tables.of_rows(rows).print()


def _conditions(rows: Sequence[Row], vectors: str = "") -> str:
    """Describe the number of threads, the machine and the versions of the libraries."""
    return f"{rows[0].more['threads']} threads each{vectors}; {page.machine()}{peers.versions()}"
