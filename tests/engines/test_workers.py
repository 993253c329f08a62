"""Processes: forked from one with worker threads, with few threads, with one processor."""

import os
import sys

import pytest
from engines.processes import scenario


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_forked_processes_have_threads_of_their_own() -> None:
    assert not scenario("fork", "fork_amid_work").stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of memory")
def test_where_no_thread_can_be_started_the_bits_are_the_same() -> None:
    done = scenario("no_threads", CHAINRULE_THREADS=2)  # also on one processor
    assert len([line for line in done.stderr.splitlines() if "more threads" in line]) == 1


DAEMONS = [(work, python, model) for work in ("predict", "fit", "compile") for python in (1, 2) for model in (1, 2)]


@pytest.mark.parametrize(
    ("runs", "daemons"),
    [
        *((1, daemons) for daemons in (("predict", 2, 1), ("fit", 1, 2), ("compile", 1, 2))),
        *(pytest.param(20, daemons, marks=pytest.mark.thorough) for daemons in DAEMONS),
    ],
)
def test_a_process_ends_while_daemon_threads_run(runs: int, daemons: tuple[str, int, int]) -> None:
    for _ in range(runs):
        scenario(":".join(["daemons", *map(str, daemons)]))


def test_one_model_in_many_hands() -> None:
    scenario("at_once", "nested")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot choose its processors")
def test_one_processor_is_enough() -> None:
    scenario("one_processor")
