"""The working tree beside another commit, timed in turn: whole trainings, predictions, the import and the first step.

Each has a process that imports its own sources, whose kernels are compiled first. Both run the code of this package.
Other load on the machine slows single turns, and the memory layout of a process all of them. So a case is slow only if
it is slow in the fastest and in the usual turns, and again in new processes.
"""

import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from benchmarks.processes import ROOT, Process, WorkerError, started
from benchmarks.rounds import timed
from benchmarks.speed_worker import NETWORKS, SAMPLES
from chainrule.errors import OptionError
from chainrule.models.profiling import Timing

TREE, BASE = "working-tree", "base"
TURN_SECONDS, SETTLE_SECONDS = 0.03, 0.01  # length of a turn, and the pause before it
ROUNDS = 10  # of a case
BUILD = "src/chainrule/engines/native/build.py"
SLOW = 0.95  # ratio below which a case is timed again
ATTEMPTS = 5  # measurements that must agree that a case is slow, each in new processes


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
        if self.kind in ("fit", "predict"):
            return f"{self.group}, network {self.network}"
        return self.group


@dataclass(frozen=True)
class Comparison:
    """The times of a case; ratios are times of the base divided by those of the working tree, below 1 if it is slower.

    tree, base  seconds per call in each round, of the working tree and of the other commit
    """

    tree: Timing
    base: Timing

    @property
    def ratio(self) -> float:
        """Median of the ratios of the rounds."""
        return statistics.median(self._ratios)

    @property
    def least(self) -> float:
        """Ratio of the least times."""
        return self.base.least / self.tree.least

    @property
    def spread(self) -> float:
        """Median distance of a round's ratio from the median of all."""
        return statistics.median(abs(ratio - self.ratio) for ratio in self._ratios)

    @property
    def is_slow(self) -> bool:
        """Return whether both the least times and the median ratio show that the working tree is slower."""
        return max(self.ratio, self.least) < SLOW

    @property
    def _ratios(self) -> list[float]:
        return [base / tree for tree, base in zip(self.tree.seconds, self.base.seconds, strict=True)]

    def __str__(self) -> str:
        return f"{self.ratio:.2f} ±{self.spread:.2f}, least times {self.least:.2f}"


Results = Mapping[Case, Sequence[Comparison] | str]  # case → its measurements, or the reason why there are none


def cases(networks: int = NETWORKS) -> list[Case]:
    """Return the cases for a number of networks, grouped by network, so that programs are compiled once."""
    selected = [Case("import"), Case("first step")]
    for network in range(networks):
        for batch in SAMPLES:
            selected += [Case("fit", network, batch, learnable) for learnable in (True, False)]
        selected.append(Case("predict", network, 1, True))
    return selected


def default_base() -> str:
    """Return the last tag or, if there is none, the commit at which the branch left `main`; for itself, its parent."""
    for command in (("describe", "--tags", "--abbrev=0"), ("merge-base", "HEAD", "main")):
        base = _git(*command, required=False)
        if base and commit_of(base) != commit_of("HEAD"):
            return base
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
    if done.returncode:
        return ""
    return done.stdout.strip()


@contextmanager
def checkout(commit: str) -> Generator[Path]:
    """Extract the files of a commit into a temporary folder, and compile its kernels."""
    with tempfile.TemporaryDirectory(prefix="chainrule-speed-") as folder:
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True).stdout
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        if Path(folder, BUILD).exists():
            subprocess.run([sys.executable, str(Path(folder, BUILD))], check=True)
        yield Path(folder)


def processes(base: Path, threads: int) -> AbstractContextManager[dict[str, Process]]:
    """Start a process for the working tree and one for the sources in a folder."""
    variables = dict[str, dict[str, str]]()
    for name, root in ((TREE, ROOT), (BASE, base)):
        path = os.pathsep.join((str(root / "src"), str(ROOT)))
        variables[name] = {"PYTHONPATH": path}
    return started((TREE, BASE), threads, "benchmarks.speed_worker", variables)


def comparisons(
    selected: Sequence[Case],
    start: Callable[[], AbstractContextManager[Mapping[str, Process]]],
    threads: int,
    watch: Callable[[str], None],
) -> Results:
    """Return the measurements of each case, or the reason why one of the two commits could not be timed.

    A slow case is timed again, in new processes, until a measurement is not slow or `ATTEMPTS` agree.
    """
    measured: dict[Case, list[Comparison]] = {}
    for case in selected:
        measured[case] = []
    failed: dict[Case, str] = {}
    for attempt in range(ATTEMPTS):
        # At first, all cases: none has a measurement that is not slow.
        remaining = [case for case in selected if case not in failed and _is_slow(measured[case])]
        if not remaining:
            break
        with start() as both:
            for case in remaining:
                watch(f"{case}{f', again ({attempt})' * bool(attempt)}")
                result = compared(case, both, threads)
                if isinstance(result, str):
                    failed[case] = result
                else:
                    measured[case].append(result)
    return {**measured, **failed}


def _is_slow(measurements: Sequence[Comparison] | str) -> bool:
    return not isinstance(measurements, str) and all(measurement.is_slow for measurement in measurements)


def compared(case: Case, both: Mapping[str, Process], threads: int) -> Comparison | str:
    """Time a case in turn; return its times, or the reason why one of the two cannot do it."""
    for name, process in both.items():
        try:
            process.ask("load", **vars(case), threads=threads)
        except WorkerError as error:
            return f"{name}: {error}"
    timings, failures = timed(both, ROUNDS, turn=TURN_SECONDS, settle=SETTLE_SECONDS)
    if failures:
        return "; ".join(f"{name}: {reason}" for name, reason in failures.items())
    return Comparison(timings[TREE], timings[BASE])


def table(results: Results) -> list[list[str]]:
    """Return the heading and a row per group of cases, with the geometric mean, range and spread of the ratios."""
    groups: dict[str, list[Comparison]] = {}
    slow = Counter[str]()
    for case, measurements in results.items():
        if not isinstance(measurements, str):
            fastest = max(measurements, key=lambda measurement: measurement.ratio)
            groups.setdefault(case.group, []).append(fastest)
            slow[case.group] += _is_slow(measurements)
    rows = [["work", "cases", "ratio", "range", "spread", "slower"]]
    for name, group in groups.items():
        ratios = [fastest.ratio for fastest in group]
        mean = f"{statistics.geometric_mean(ratios):.2f}"
        extent = f"{min(ratios):.2f} to {max(ratios):.2f}"
        spread = statistics.median(fastest.spread for fastest in group)
        rows.append([name, str(len(group)), mean, extent, f"±{spread:.2f}", str(slow[name])])
    return rows


def notes(results: Results) -> list[str]:
    """Return a line per case that is slower, and one per reason why cases were not timed."""
    lines = list[str]()
    missing: dict[str, list[Case]] = {}
    for case, measurements in results.items():
        if isinstance(measurements, str):
            missing.setdefault(measurements, []).append(case)
        elif _is_slow(measurements):
            lines.append(f"slower: {case}: {'; '.join(map(str, measurements))}")
    for reason, cases in missing.items():
        lines.append(f"not timed: {', '.join(map(str, cases))}: {reason}")
    return lines


def is_slow(results: Results) -> bool:
    """Return whether any case was slower by more than 5 % in all its measurements."""
    return any(map(_is_slow, results.values()))
