"""Runs the tests on every change of a module: each in a fork of one collected session, with the tests that enter it.

A test is a function with all its cases. Code that tests run in other processes is not changed.
"""

import builtins
import contextlib
import importlib
import inspect
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest
from mutation.changes import Change, exchange, recording
from mutation.subjects import PACKAGE

# The same in every run: hypothesis treats CI as a machine without a database.
QUIET = {
    "CI": "1",
    "CHAINRULE_DRAWS": "1",
    "CHAINRULE_ENGINE": "numpy",
    "CHAINRULE_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
RECORD = "__entered__"  # the name of the built-in set of the functions that a test enters
LONGER = 10  # times the seconds of the unchanged code, and at least this many, of the processor; 5 times that in all


class Matrix:
    """A plugin of pytest: instead of running the tests once, run them on every change."""

    def __init__(self, chosen: list[Change], *, thorough: bool) -> None:
        """``thorough``: run all tests on each change, not only until one fails."""
        self.changes, self.thorough = chosen, thorough
        self.endless = set[int]()
        self.kills: dict[str, set[int]] = {}
        self.seconds: dict[str, float] = {}
        self.sizes: dict[str, int] = {}
        self.failed = False
        self.entered: set[tuple[str, str]] = set()

    def pytest_sessionstart(self) -> None:
        """Draw the same examples in every fork, and do not shrink those that fail."""
        from hypothesis import Phase, settings  # not before pytest, which rewrites its assertions

        phases = [Phase.explicit, Phase.generate]
        settings.register_profile("matrix", settings.default, phases=phases, derandomize=True, database=None)
        settings.load_profile("matrix")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed |= report.failed

    @property
    def killed(self) -> set[int]:
        """Numbers of the changes that a test detects."""
        return set[int]().union(*self.kills.values())

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Record what each test enters, then run each change in a fork of this process."""
        files = sorted({change.file for change in self.changes})
        load(files)
        lines = _forked(lambda write: self._traced(files, session.items, write))
        entered = {line["item"]: set(map(tuple, line["entered"])) for line in lines if not line.get("failed")}
        for line in lines:
            name = _function(line["item"])
            self.seconds[name] = self.seconds.get(name, 0.0) + line.get("seconds", 0.0)
        entering = [item for item in session.items if entered.get(item.nodeid)]
        if not self.thorough:
            entering.sort(key=lambda item: self.seconds[_function(item.nodeid)])  # the first that fails ends a run
        self.sizes = {_function(item.nodeid): len(inspect.getsourcelines(item.obj)[0]) for item in entering}
        self.kills = {name: set() for name in self.sizes}
        for number, change in enumerate(self.changes):
            place = str(change.file), change.function
            items = [item for item in entering if place in entered[item.nodeid]]
            for line in _forked(lambda write, change=change, items=items: self._mutated(change, items, write)):
                if line.get("failed", True):
                    self.kills[_function(line["item"])].add(number)
                if "failed" not in line:
                    self.endless.add(number)
            print(f"\r{number + 1} of {len(self.changes)}", end="", file=sys.stderr, flush=True)
        return True

    def _traced(self, files: list[Path], items: list[pytest.Item], write: Callable[[object], None]) -> None:
        vars(builtins)[RECORD] = self.entered
        exchange(recording(file, RECORD) for file in files)
        self._run(items, write, traced=True)

    def _mutated(self, change: Change, items: list[pytest.Item], write: Callable[[object], None]) -> None:
        change.apply()
        self._run(items, write, traced=False)

    def _run(self, items: list[pytest.Item], write: Callable[[object], None], *, traced: bool) -> None:
        """Run tests, each until its first case that fails, and report before and after each."""
        dead: set[str] = set()
        for item, following in zip(items, [*items[1:], None], strict=True):
            if _function(item.nodeid) in dead:
                continue
            item.session._setupstate.teardown_exact(item)  # as after a case that was left out
            limit = max(LONGER, LONGER * self.seconds.get(_function(item.nodeid), 60.0))
            write({"item": item.nodeid, "limit": limit})
            self.entered.clear()
            self.failed, start = False, time.monotonic()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            spent = time.monotonic() - start
            write({"item": item.nodeid, "failed": self.failed, "seconds": spent, "entered": [*self.entered]})
            if self.failed:
                dead.add(_function(item.nodeid))
                if not self.thorough and not traced:
                    return


def load(files: Iterable[Path]) -> None:
    """Import modules of the package: the code of those that tests import later could not be exchanged."""
    for file in files:
        if file.is_relative_to(PACKAGE):
            parts = file.relative_to(PACKAGE).with_suffix("").parts
            with contextlib.suppress(ImportError):  # of something that is not installed: no test enters it
                importlib.import_module(".".join([PACKAGE.name, *parts]).removesuffix(".__init__"))


def run(chosen: list[Change], tests: Sequence[str], *, thorough: bool = False) -> Matrix:
    """Run what `make test` runs of files and folders on the changes."""
    matrix = Matrix(chosen, thorough=thorough)
    options = ["-p", "no:terminal", "-p", "no:cacheprovider", "-k", "not compiled"]
    with tempfile.TemporaryDirectory() as cache:
        os.environ.update(QUIET, CHAINRULE_CACHE=cache)
        pytest.main([*options, *tests], plugins=[matrix])
    if chosen and not matrix.sizes:
        raise RuntimeError(f"{chosen[0].file}: none of its tests passes on the unchanged code and enters it")
    return matrix


def _forked(work: Callable[[Callable[[object], None]], None]) -> list[dict]:
    """Return what a fork of this process writes; the test at which it ends or hangs has no result."""
    with tempfile.TemporaryFile("w+b") as report:

        def write(line: dict) -> None:
            limit = line.get("limit", 0)
            signal.setitimer(signal.ITIMER_PROF, limit)  # the default actions end the process
            signal.setitimer(signal.ITIMER_REAL, 5 * limit)
            os.write(report.fileno(), json.dumps(line).encode() + b"\n")

        child = os.fork()
        if child == 0:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            with contextlib.suppress(BaseException):
                for number in (signal.SIGPROF, signal.SIGALRM):
                    signal.signal(number, signal.SIG_DFL)
                work(write)
            os._exit(0)
        os.waitpid(child, 0)
        report.seek(0)
        return [*{line["item"]: line for line in map(json.loads, report)}.values()]


def _function(nodeid: str) -> str:
    return nodeid.partition("[")[0]


def superfluous(kills: dict[str, set[int]], sizes: dict[str, int]) -> list[str]:
    """Return tests that can go together without a change that none detects, the largest first."""
    times = Counter(change for theirs in kills.values() for change in theirs)
    gone = []
    for name in sorted(kills, key=lambda name: (len(kills[name]) > 0, -sizes[name])):
        if all(times[change] > 1 for change in kills[name]):
            gone.append(name)
            for change in kills[name]:
                times[change] -= 1
    return gone
