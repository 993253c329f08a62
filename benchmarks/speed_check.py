"""The working tree beside another commit, timed in turn: whole trainings, predictions, the import and the first step.

Each has a process that imports its own sources, and a cache folder of its own. Both run the code of this package.
"""

import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import ROOT, Process, WorkerError, started
from benchmarks.rounds import Timing, timed
from benchmarks.speed_worker import NETWORKS, SAMPLES
from chainrule.errors import OptionError

TREE, BASE = "working-tree", "base"
CACHES = ROOT / "build" / "speed-check"  # kept: later checks compile only what has changed
TURN_SECONDS = 0.03
ROUNDS, COLD_ROUNDS = 8, 1  # rounds of a case; the first step from an empty cache takes seconds
SLOW = 0.95  # ratio below which a case is timed again


@dataclass(frozen=True)
class Case:
    """What is timed: the arguments of `SpeedWorker.load`."""

    kind: str
    network: int = 0
    batch: int = 1
    learnable: bool = True

    @property
    def group(self) -> str:
        """The row of the table that the case belongs to."""
        if self.kind != "fit":
            return {"predict": "predict, one image"}.get(self.kind, self.kind)
        return f"fit, batch {self.batch}, {'learned' if self.learnable else 'random'} data"

    def __str__(self) -> str:
        return f"{self.group}, network {self.network}" if self.kind in ("fit", "predict") else self.group


@dataclass(frozen=True)
class Comparison:
    """The times of a case.

    tree, base  seconds per call in each round, of the working tree and of the other commit
    """

    tree: Timing
    base: Timing

    @property
    def ratio(self) -> float:
        """Time of the base divided by that of the working tree: below 1, the working tree is slower."""
        return self.base.least / self.tree.least


def cases(networks: int = NETWORKS) -> list[Case]:
    """Return the cases for a number of networks, grouped by network, so that programs are compiled once."""
    fits = [("fit", batch, learnable) for batch in SAMPLES for learnable in (True, False)]
    kinds = [*fits, ("predict", 1, True)]
    of_networks = [Case(kind, k, batch, learnable) for k in range(networks) for kind, batch, learnable in kinds]
    return [Case("import"), Case("first step"), *of_networks]


def default_base() -> str:
    """Return the last tag or, if there is none, the commit at which the branch left `main`, or its parent on `main`."""
    for command in (("describe", "--tags", "--abbrev=0"), ("merge-base", "HEAD", "main")):
        if commit := _git(*command, required=False):
            return commit if commit != _git("rev-parse", "HEAD") else "HEAD~1"
    return "HEAD~1"


def commit_of(base: str) -> str:
    """Return the short hash of a commit.

    Errors   OptionError if there is no such commit
    """
    return _git("rev-parse", "--short", "--verify", "--end-of-options", f"{base}^{{commit}}")


def tree_name() -> str:
    """Return the commit of the working tree, with a note on uncommitted changes to the library."""
    return commit_of("HEAD") + " with changes" * bool(_git("status", "--porcelain", "--", "src"))


def _git(*arguments: str, required: bool = True) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    if done.returncode and required:
        raise OptionError(f"git {' '.join(arguments)}: {done.stderr.strip()}; name a commit, as in BASE=HEAD~1")
    return "" if done.returncode else done.stdout.strip()


@contextmanager
def processes(commit: str, threads: int) -> Generator[dict[str, Process]]:
    """Check the commit out into a temporary folder, and start a process for it and one for the working tree."""
    with tempfile.TemporaryDirectory(prefix="chainrule-speed-") as folder:
        checkout = Path(folder) / "base"
        _git("worktree", "add", "--detach", str(checkout), commit)
        try:
            variables = {
                name: {
                    "PYTHONPATH": os.pathsep.join((str(root / "src"), str(ROOT))),
                    "CHAINRULE_CACHE": str(CACHES / name),
                }
                for name, root in ((TREE, ROOT), (BASE, checkout))
            }
            with started((TREE, BASE), threads, "benchmarks.speed_worker", variables) as both:
                yield both
        finally:
            _git("worktree", "remove", "--force", str(checkout))


def comparisons(
    selected: Sequence[Case], both: Mapping[str, Process], threads: int, watch: Callable[[str, float], None]
) -> Iterator[tuple[Case, Comparison | str]]:
    """Yield each case with its times, or with the reason why one of the two could not be timed.

    A slow ratio is timed again, and the larger one of both counts.
    """
    for number, case in enumerate(selected):
        watch(str(case), number / len(selected))
        result = compared(case, both, threads)
        if isinstance(result, Comparison) and result.ratio < SLOW:
            again = compared(case, both, threads)
            result = again if isinstance(again, str) or again.ratio > result.ratio else result
        yield case, result


def compared(case: Case, both: Mapping[str, Process], threads: int) -> Comparison | str:
    """Time a case in turn; return its times, or the reason why one of the two cannot do it."""
    for name, process in both.items():
        try:
            process.ask("load", **vars(case), threads=threads)
        except WorkerError as error:
            return f"{name}: {error}"
    rounds = COLD_ROUNDS if case.kind == "first step" else ROUNDS
    timings, failures = timed(both, rounds, turn=TURN_SECONDS)
    if failures:
        return "; ".join(f"{name}: {reason}" for name, reason in failures.items())
    return Comparison(timings[TREE], timings[BASE])


def table(results: Mapping[Case, Comparison | str]) -> list[list[str]]:
    """Return the heading and a row per group of cases: geometric mean, lowest and highest ratio, and slow cases."""
    groups: dict[str, list[float]] = {}
    for case, result in results.items():
        if isinstance(result, Comparison):
            groups.setdefault(case.group, []).append(result.ratio)
    rows = [
        [
            *(name, str(len(ratios)), f"{statistics.geometric_mean(ratios):.2f}"),
            *(f"{min(ratios):.2f} to {max(ratios):.2f}", str(sum(ratio < SLOW for ratio in ratios))),
        ]
        for name, ratios in groups.items()
    ]
    return [["work", "cases", "ratio", "range", "slower by over 5 %, twice"], *rows]


def notes(results: Mapping[Case, Comparison | str]) -> list[str]:
    """Return a line per case that is slower, and one per reason why cases were not timed."""
    slow = [
        f"slower: {case}: {result.ratio:.2f} (median times +{max(result.tree.excess, result.base.excess):.0%})"
        for case, result in results.items()
        if isinstance(result, Comparison) and result.ratio < SLOW
    ]
    missing: dict[str, list[Case]] = {}
    for case, result in results.items():
        if isinstance(result, str):
            missing.setdefault(result, []).append(case)
    return slow + [f"not timed: {', '.join(map(str, cases))}: {reason}" for reason, cases in missing.items()]


def is_slow(results: Mapping[Case, Any]) -> bool:
    """Return whether any case was slower by more than 5 % in both measurements."""
    return any(isinstance(result, Comparison) and result.ratio < SLOW for result in results.values())
