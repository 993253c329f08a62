"""`chainrule prove`."""

import sys
from typing import TYPE_CHECKING

import click

from chainrule.cli import options

if TYPE_CHECKING:
    from chainrule.check.sweep import Failure

SHOWN = 5  # failures that are printed in full


@click.command(short_help="Test thousands of random layers: outputs and gradients.")
@click.option(
    "--count",
    type=options.BoundedInteger(1, 10**9),
    default=10_000,
    metavar="N",
    help="Number of layers; 10000 by default.",
)
@click.option(
    "--seed", type=options.BoundedInteger(0), default=0, metavar="N", help="Seed of all layers; 0 by default."
)
@click.option("--first", type=options.BoundedInteger(0), default=0, metavar="N", help="Number of the first layer.")
@options.engine
@options.quiet
@options.as_json
def prove(count: int, seed: int, first: int, engine: str | None, quiet: bool, as_json: bool) -> None:
    """Test random layers with random options on random shapes.

    Outputs are compared with the reference, and gradients are checked numerically. Every layer has a number; --seed,
    --first and --count 1 repeat it alone. Exits with 1 when something is wrong.
    """
    from chainrule import engines
    from chainrule.check.configurations import ENGINES
    from chainrule.check.sweep import sweep
    from chainrule.cli.output import json_out

    chosen = ENGINES if engine is None else (engines.find(engine).name,)
    failures: list[Failure] = []
    numbers = range(first, first + count)
    results = sweep(numbers, seed, chosen)
    with click.progressbar(results, length=count, label="proving", file=sys.stderr, hidden=quiet) as shown:
        failures += [failure for failure in shown if failure is not None]
    if as_json:
        json_out(
            {
                "ok": not failures,
                "count": count,
                "seed": seed,
                "failures": [str(failure.configuration) for failure in failures],
            }
        )
    else:
        click.echo(_text(failures, count, seed, engine))
    if failures:
        raise SystemExit(1)


def _text(failures: "list[Failure]", count: int, seed: int, engine: str | None) -> str:
    if not failures:
        return f"{count:,} configurations: all right (seed {seed})"
    parts = [f"{len(failures):,} of {count:,} configurations are wrong (seed {seed})"]
    for failure in failures[:SHOWN]:
        chosen = f" --engine {engine}" if engine else ""
        again = f"chainrule prove --seed {seed} --first {failure.configuration.number} --count 1{chosen}"
        parts += ["", str(failure), f"again: {again}"]
    return "\n".join(parts)
