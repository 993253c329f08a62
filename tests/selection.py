"""Which tests `make test` runs: of each as many cases as fit into a second, by the times of tests/seconds.csv.

`make thorough ARGS=--record` measures the times. A test without a record runs with all its cases, and so
do cases that are marked as essential.
"""

import csv
import os
import random
from collections import defaultdict
from pathlib import Path

import pytest

TABLE = Path(__file__).with_name("seconds.csv")
SECONDS = 1.0  # for the cases of one test in `make test`; one whose cases take more than twice as long is left out
LEFT_OUT = "not thorough"  # the default of -m, in pyproject.toml
LEAST = 0.3  # seconds of a test that is recorded


def draws(count: int) -> int:
    """Return how often to draw: ``count`` times in `make test`, CHAINRULE_DRAWS times as often elsewhere."""
    return count * int(os.environ.get("CHAINRULE_DRAWS", "1"))


def _test(nodeid: str) -> str:
    return nodeid.partition("[")[0].removeprefix("tests/")


def _recorded() -> dict[str, float]:
    """Return the seconds of a case of each test that is recorded."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["test"]: float(row["seconds"]) / int(row["cases"]) for row in csv.DictReader(file)}


def mark_thorough(items: list[pytest.Item]) -> None:
    """Mark the cases of each test that exceed its time; those that stay are spread over all."""
    recorded, cases = _recorded(), defaultdict[str, list[pytest.Item]](list)
    for item in items:
        if item.get_closest_marker("thorough") is None and item.get_closest_marker("essential") is None:
            cases[_test(item.nodeid)].append(item)
    for test, all_cases in cases.items():
        seconds = recorded.get(test)
        count = len(all_cases) if seconds is None else min(round(SECONDS / seconds), len(all_cases))
        kept = {len(all_cases) * place // count for place in range(count)}
        for place, item in enumerate(all_cases):
            if place not in kept:
                item.add_marker("thorough")


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what `make test` leaves out. All cases of tests that are named with `::` or `-k` run.

    An expression that begins with "not" names no tests.
    """
    keyword = config.option.keyword
    is_named = bool(keyword) and not keyword.startswith("not ")
    if not is_named and not any("::" in argument for argument in config.args):
        mark_thorough(items)
    elif config.option.markexpr == LEFT_OUT:
        config.option.markexpr = ""


def sort_files(items: list[pytest.Item], *, at_random: bool) -> None:
    """Begin with the longest files, so that at the end no worker waits for another one's last file."""
    recorded, files = _recorded(), defaultdict[Path, float](float)
    for item in items:
        files[item.path] += recorded.get(_test(item.nodeid), 0.0)
    order = sorted(files, key=files.__getitem__, reverse=True)
    if at_random:
        random.Random(os.environ["CHAINRULE_ORDER"]).shuffle(order)
    places = {file: place for place, file in enumerate(order)}
    items.sort(key=lambda item: places[item.path])


class Recorder:
    """A plugin that measures the tests of this run, and writes those of LEAST seconds or more to the table."""

    def __init__(self) -> None:
        self.seconds, self.cases = defaultdict[str, float](float), defaultdict[str, set[str]](set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[_test(report.nodeid)] += report.duration
        self.cases[_test(report.nodeid)].add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("test", "cases", "seconds"))
            for test, seconds in sorted(self.seconds.items()):
                if seconds >= LEAST:
                    table.writerow((test, len(self.cases[test]), f"{seconds:.2f}"))
