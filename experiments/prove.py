"""The command `python -m experiments prove`."""

import sys
from typing import TYPE_CHECKING

import click

from chainrule.cli import options

if TYPE_CHECKING:
    from experiments.sweep import Failure

MAX_SHOWN = 5  # number of failures to print


@click.command(short_help="Test thousands of random layers and graphs: outputs and gradients.")
@click.option(
    "--count",
    type=options.BoundedInteger(1, 10**9),
    default=10_000,
    metavar="N",
    help="Number of layers and graphs; 10000 by default.",
)
@click.option(
    "--seed",
    type=options.BoundedInteger(0),
    default=0,
    metavar="N",
    help="Seed of the layers and graphs; 0 by default.",
)
@click.option(
    "--first",
    type=options.BoundedInteger(0),
    default=0,
    metavar="N",
    help="Number of the first layer or graph; 0 by default.",
)
@options.engine
@options.quiet
@options.as_json
def prove(count: int, seed: int, first: int, engine: str | None, quiet: bool, as_json: bool) -> None:
    """Test random layers with random options on random shapes, and random graphs of such layers.

    Graphs have branches, sums, gates, maxima, minima, concatenations and layers that are applied several times. Outputs
    are compared with the reference engine, and gradients are checked numerically. Every layer and graph is numbered;
    --seed, --first and --count 1 repeat a single test. Exits with 1 if something is wrong.
    """
    from chainrule.cli.output import print_json
    from chainrule.engines import loader
    from experiments.configurations import ENGINES
    from experiments.sweep import is_graph, sweep

    engines = ENGINES if engine is None else (loader.find(engine).name,)
    failures: list[Failure] = []
    numbers = range(first, first + count)
    graphs = sum(map(is_graph, numbers))
    results = sweep(numbers, seed, engines)
    with click.progressbar(results, length=count, label="proving", file=sys.stderr, hidden=quiet) as shown:
        failures += filter(None, shown)
    if as_json:
        print_json(
            {
                "ok": not failures,
                "count": count,
                "graphs": graphs,
                "seed": seed,
                "failures": [str(failure.configuration) for failure in failures],
            }
        )
    else:
        click.echo(_text(failures, count - graphs, graphs, seed, engine))
    if failures:
        raise SystemExit(1)


def _text(failures: "list[Failure]", layers: int, graphs: int, seed: int, engine: str | None) -> str:
    counted = f"{layers:,} layers and {graphs:,} graphs"
    if not failures:
        return f"{counted}: all right (seed {seed})"
    parts = [f"{counted}: {len(failures):,} are wrong (seed {seed})"]
    for failure in failures[:MAX_SHOWN]:
        again = f"python -m experiments prove --seed {seed} --first {failure.configuration.number} --count 1"
        if engine:
            again += f" --engine {engine}"
        parts += ["", str(failure), f"again: {again}"]
    return "\n".join(parts)
