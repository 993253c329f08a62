"""Processes: forked from one with worker threads, with few threads, with one processor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("process_driver.py")
FORKS = "ignore:This process:DeprecationWarning"  # Python 3.12 and later warn of forks where there are threads


def run(*scenarios: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", FORKS, str(DRIVER), *scenarios],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_forked_processes_have_threads_of_their_own() -> None:
    ended = run("fork", "pool", "fork_amid_work", "threads_of_a_child")
    assert ended.returncode == 0, ended.stderr
    assert all("compiling" in line for line in ended.stderr.splitlines())


def test_where_no_thread_can_be_started_the_bits_are_the_same() -> None:
    ended = run("no_threads", CHAINRULE_THREADS="2")  # also on one processor
    assert ended.returncode == 0, ended.stderr
    assert len([line for line in ended.stderr.splitlines() if "more threads" in line]) == 1


def test_a_process_ends_while_its_threads_wait() -> None:
    ended = run("one_prediction", "ended_at_once")
    assert ended.returncode == 0, ended.stderr


DAEMONS = [(work, python, model) for work in ("predict", "fit") for python in (1, 2) for model in (1, 2)]


@pytest.mark.parametrize(
    ("runs", "daemons"),
    [
        *((1, daemons) for daemons in (("predict", 2, 1), ("fit", 1, 2))),
        *(pytest.param(20, daemons, marks=pytest.mark.thorough) for daemons in DAEMONS),
    ],
)
def test_a_process_ends_while_daemon_threads_run_machine_code(runs: int, daemons: tuple[str, int, int]) -> None:
    for _ in range(runs):
        ended = run(":".join(["daemons", *map(str, daemons)]))
        assert ended.returncode == 0, ended.stderr


def test_one_model_in_many_hands() -> None:
    ended = run("at_once", "nested")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot choose its processors")
def test_one_processor_is_enough() -> None:
    ended = run("one_processor")
    assert ended.returncode == 0, ended.stderr


def test_an_engine_that_is_switched_off_is_a_sentence() -> None:
    ended = run("one_prediction", CHAINRULE_UNCOMPILED="1")
    assert ended.returncode in (0, 2)
    (line,) = ended.stderr.splitlines()
    assert "engine cannot be used here (CHAINRULE_UNCOMPILED is set)" in line
    assert len(line) < 300
