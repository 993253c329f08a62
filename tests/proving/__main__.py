"""Tests random layers and graphs against the reference loops and numerical derivatives: `make prove`.

PYTHONPATH=tests python -m proving [--count 10000] [--seed 0] [--first 0] [--engine compiled]

Layers have random options and shapes. Graphs have branches, sums, gates, maxima, minima, concatenations and layers that
are applied several times. Every layer and graph is numbered; --seed, --first and --count 1 repeat a single test.
"""

import argparse
import sys

from proving.configurations import ENGINES
from proving.sweep import Failure, is_graph, sweep

MAX_SHOWN = 5  # number of failures to print


def main(words: list[str] | None = None) -> int:
    """Print the results and return 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="proving")
    parser.add_argument("--count", type=int, default=10_000, help="layers and graphs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first layer or graph")
    parser.add_argument("--engine", help="test only this engine")
    options = parser.parse_args(words)
    numbers = range(options.first, options.first + options.count)
    failures = list[Failure]()
    for number, failure in enumerate(sweep(numbers, options.seed, (options.engine,) if options.engine else ENGINES), 1):
        if failure:
            failures.append(failure)
        if number % 1000 == 0:
            print(f"{number:,} done", file=sys.stderr, flush=True)
    graphs = sum(map(is_graph, numbers))
    outcome = f"{len(failures):,} are wrong" if failures else "all right"
    print(f"{options.count - graphs:,} layers and {graphs:,} graphs: {outcome} (seed {options.seed})")
    for failure in failures[:MAX_SHOWN]:
        again = f"--seed {options.seed} --first {failure.configuration.number} --count 1"
        print(f"\n{failure}\nagain: PYTHONPATH=tests python -m proving {again}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
