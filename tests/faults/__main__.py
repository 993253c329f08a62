"""`make faults`: the sweep and its table."""

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chainrule.plotting.markdown import insert, machine, table
from faults import tracing
from faults.injection import EFFECTS
from faults.trials import Outcome, Trials

HEADS = ("fault", "trials", "interrupted", "same bits after resuming", "lost, incomplete or unreadable")
MARKS = ("<!-- faults -->", "<!-- end of faults -->")


def main() -> int:
    """Print the table; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="kills at random moments (500)")
    parser.add_argument("--calls", type=int, default=0, help="calls for each fault, drawn; 0: all of them")
    parser.add_argument("--pairs", type=int, default=50, help="pairs of processes on one run (50)")
    parser.add_argument("--traced", type=int, default=20, help="faults by strace at each system call (20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table to a file, too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="chainrule-faults-") as place:
        outcomes = list(_outcomes(Trials(Path(place)), options))
    text = _table(outcomes)
    print(text)
    if options.markdown is not None:
        insert(options.markdown, text, MARKS)
    for outcome in outcomes:
        for line in outcome.wrong:
            print(f"{outcome.name}: {line}", file=sys.stderr)
    return 1 if any(outcome.wrong for outcome in outcomes) else 0


def _outcomes(trials: Trials, options: argparse.Namespace) -> Iterator[Outcome]:
    draw = random.Random(options.seed)
    yield _told(trials.at_moments(options.kills, draw))
    numbers = range(len(trials.calls))
    for effect in EFFECTS:
        calls = sorted(draw.sample(numbers, options.calls)) if options.calls else list(numbers)
        yield _told(trials.at_calls(calls, effect))
    yield _told(trials.at_once(options.pairs, draw))
    if tracing.available():
        yield _told(tracing.sweep(trials, options.traced, draw))
    else:
        print("strace is not installed or may not trace: real system calls were not failed", file=sys.stderr)


def _told(outcome: Outcome) -> Outcome:
    print(f"{outcome.name}: {outcome.tried} tried, {len(outcome.wrong)} wrong", file=sys.stderr, flush=True)
    return outcome


def _table(outcomes: list[Outcome]) -> str:
    rows = [HEADS]
    for outcome in outcomes:
        wrong = len(outcome.wrong)
        rows.append((outcome.name, *map(str, (outcome.tried, outcome.cut, outcome.tried - wrong, wrong))))
    return f"{table(rows)}\n\n{machine()}"


if __name__ == "__main__":
    sys.exit(main())
