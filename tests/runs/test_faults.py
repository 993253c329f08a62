"""A small sample of `make faults`: every system call of a run with every kind of fault, and kills at random moments."""

import os
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.injection import EFFECTS
from faults.trials import Outcome, Trials

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


@pytest.fixture(scope="module")
def trials() -> Iterator[Trials]:
    memory = Path("/dev/shm")  # where flushing costs nothing
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as place:
        yield Trials(Path(place))


def fine(outcome: Outcome, cut: float = 0.6) -> None:
    """Check that no trial failed, and that at least a share ``cut`` was cut short, since others test nothing."""
    assert outcome.wrong == []
    assert outcome.cut > cut * outcome.tried


@forking
def test_the_calls_are_those_of_all_files(trials: Trials) -> None:
    """Check that each file is opened, written, flushed, closed and renamed in view of the layer."""
    for name in ("config.json", "checkpoint.safetensors", "model.safetensors", "evaluation.json"):
        assert {f"{call} {name}" for call in ("open", "write", "fsync", "close", "replace")} <= set(trials.calls)
    assert {f"{call} history.csv" for call in ("open", "write", "fsync", "close")} <= set(trials.calls)
    assert "fsync folder" in trials.calls


@forking
def test_every_system_call_once(trials: Trials) -> None:
    """Give each call one effect, in turns; `make faults` gives every call every effect."""
    outcome = trials.at_calls(trials.one_of_each(random.Random(3)), *EFFECTS)
    assert outcome.tried == len(trials.kinds()) > 30
    fine(outcome)


@forking
def test_killed_at_random_moments(trials: Trials) -> None:
    fine(trials.at_moments(10, random.Random(1)), cut=0.3)  # on a busy machine, a moment may fall after the run's end


@forking
def test_two_processes_at_once(trials: Trials) -> None:
    fine(trials.at_once(4, random.Random(2)))
