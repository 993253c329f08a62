"""Processes: forked from one with worker threads, without a threading layer, with one processor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("process_driver.py")


def run(*scenarios: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(DRIVER), *scenarios],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_forked_processes_work_and_say_that_they_have_one_thread() -> None:
    ended = run("fork", "pool", "fork_amid_work")
    assert ended.returncode == 0, ended.stderr
    assert "forked" in ended.stderr
    assert "Terminating" not in ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
@pytest.mark.parametrize("layer", ["workqueue", "nonsense"])
def test_any_threading_layer_serves(layer: str) -> None:
    """Get the same bits from every threading layer, forked or not; a layer without threads says so."""
    ended = run("fork", NUMBA_THREADING_LAYER=layer)
    assert ended.returncode == 0, ended.stderr
    if layer == "nonsense":
        assert [line for line in ended.stderr.splitlines() if "nonsense" in line and "one thread" in line]


def test_one_model_in_many_hands() -> None:
    ended = run("at_once", "nested", "spawn")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process cannot choose its processors")
def test_one_processor_is_enough() -> None:
    ended = run("one_processor", OMP_NUM_THREADS="1", OMP_THREAD_LIMIT="1")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("NUMBA_DISABLE_JIT", "1", "numba cannot be used here (NUMBA_DISABLE_JIT is set); the NumPy engine"),
        ("NUMBA_NUM_THREADS", "0", "numba cannot be used here (Number of threads specified must be > 0"),
        (
            "CHAINRULE_CACHE",
            "~nobody-of-this-name/cache",
            "cannot be kept (CHAINRULE_CACHE=~nobody-of-this-name/cache:",
        ),
        ("CHAINRULE_ENGINE", "cuda", "CHAINRULE_ENGINE: unknown engine 'cuda'; known: numba, numpy, jax, reference"),
        ("CHAINRULE_THREADS", "two", "CHAINRULE_THREADS=two: expected a whole number from 1 to 1024"),
    ],
)
def test_an_odd_setting_is_a_sentence(variable: str, value: str, said: str) -> None:
    ended = run("one_prediction", **{variable: value})
    assert ended.returncode in (0, 2)
    lines = [line for line in ended.stderr.splitlines() if "compiling for this machine" not in line]
    assert len(lines) == 1
    assert said in lines[0]
    assert len(lines[0]) < 300
