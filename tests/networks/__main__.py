"""Compares drawn networks on the compiled engine with the NumPy engine: `make networks`.

PYTHONPATH=tests python -m networks [--count 2000] [--seed 0] [--first 0] [--engine jax] [--stop] [--markdown PAGE]

Half of the networks have layers treated as large ones (`sizes`).
"""

import argparse
import contextlib
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from unittest import mock

MARKS = ("<!-- networks -->", "<!-- end of networks -->")


def main() -> int:
    """Print the results and return 1 if a network differs."""
    options = _options()
    os.environ.setdefault("CHAINRULE_THREADS", "3")  # many are drawn, on any machine
    outcomes, began = Counter[str](), time.perf_counter()
    for number in range(options.first, options.first + options.count):
        outcomes[_outcome(number, options)] += 1
        if sum(outcomes.values()) % 250 == 0:
            print(f"{sum(outcomes.values()):,} done ({time.perf_counter() - began:.0f} s)", file=sys.stderr, flush=True)
    shown = ", ".join(f"{many:,} {what}" for what, many in outcomes.items())
    print(f"{options.count:,} networks: {shown} ({time.perf_counter() - began:.0f} s)")
    if options.markdown is not None:
        _write(options, outcomes)
    return 1 if outcomes["different"] else 0


def _write(options: argparse.Namespace, outcomes: Counter[str]) -> None:
    """Write the counts between the markers of a page."""
    from chainrule.plotting.markdown import insert, machine, table

    head = ["networks", "equal", "decided by rounding", "different"]
    counts = [options.count, outcomes["same"], outcomes["sensitive"], outcomes["different"]]
    insert(options.markdown, f"{table([head, [f'{count:,}' for count in counts]])}\n\n{machine()}", MARKS)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="networks")
    parser.add_argument("--count", type=int, default=2000, help="networks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first network")
    parser.add_argument("--engine", default="compiled", help="compare another engine")
    parser.add_argument("--stop", action="store_true", help="at the first that differs, with a traceback")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the counts between the marks of a page")
    return parser.parse_args()


def _refuse(why: str) -> Any:
    """Fail where a user's model would go on with the NumPy engine, with which it would be compared here."""
    raise AssertionError(why)


def _outcome(number: int, options: argparse.Namespace) -> str:
    """Return the outcome for a network, with a line that describes a difference."""
    from drawn_networks import draw_network
    from networks import sizes
    from networks.comparing import compare

    from chainrule.engines import fallback

    drawn = draw_network(options.seed, number)
    small = options.engine == "compiled" and number // 2 % 2 == 1
    try:
        with (
            sizes.treated_as_large() if small else contextlib.nullcontext(),
            mock.patch.object(fallback, "fall_back", _refuse),
        ):
            return compare(drawn, options.engine)
    except Exception as error:
        if options.stop:
            raise
        print(error if isinstance(error, AssertionError) else f"{drawn}: {error!r}", flush=True)
        return "different"


if __name__ == "__main__":
    sys.exit(main())
