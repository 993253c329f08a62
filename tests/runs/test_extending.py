"""Runs extended by more epochs, finished or not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numerical import assert_close
from runs.processes import assert_same
from runs.run_driver import RECIPE, Halt, resume, start

from chainrule.runs import jobs, loading
from chainrule.training import schedules
from chainrule.training.schedules import Constant, Cosine, OneCycle, Restarted, Schedule, Step, WarmUp

EPOCH = 7  # steps


@pytest.mark.parametrize("schedule", [Constant(), Step(2, 0.5)], ids=["constant", "step"])
@pytest.mark.parametrize("stop", [None, 10], ids=["finished", "interrupted"])
def test_schedules_that_know_no_end_give_the_run_of_so_many_epochs(
    schedule: Schedule, stop: int | None, data: Path, tmp_path: Path
) -> None:
    """Compare the bits."""
    recipe = replace(RECIPE, schedule=schedule, epochs=5)
    start(tmp_path / "long", data, recipe=recipe)
    start(tmp_path / "short", data, *([] if stop is None else [Halt(stop)]), recipe=replace(recipe, epochs=3))
    result = resume(tmp_path / "short", data, epochs=5)
    assert (result.finished, len(result.history)) == (True, 5 * EPOCH)
    assert_same(tmp_path / "short", tmp_path / "long")


@pytest.mark.parametrize("schedule", [OneCycle(), Cosine(), WarmUp()], ids=["one-cycle", "cosine", "warm-up"])
def test_the_others_begin_a_new_cycle_over_what_is_left(schedule: Schedule, data: Path, tmp_path: Path) -> None:
    folder, recipe = tmp_path / "run", replace(RECIPE, schedule=schedule, epochs=2)
    first = list(start(folder, data, recipe=recipe).history.rates)
    rates = list(resume(folder, data, epochs=5).history.rates)
    again = [0.02 * schedule.factor(step, 3 * EPOCH, EPOCH) for step in range(3 * EPOCH)]
    assert_close(rates, first + again)
    kept = jobs.read_job(folder).recipe
    assert kept.schedule == Restarted(schedule, 2 * EPOCH, 2)
    assert_close([kept.schedule.factor(step, 35, EPOCH) * 0.02 for step in range(35)], rates)


def test_an_extended_run_that_is_cut_short_again(data: Path, tmp_path: Path) -> None:
    for name, steps in (("whole", []), ("cut", [Halt(18)])):
        folder = tmp_path / name
        start(folder, data, recipe=replace(RECIPE, epochs=2))
        resume(folder, data, *steps, epochs=4)
    opened = loading.open_run(tmp_path / "cut", engine="numpy")
    assert "is not finished" in str(opened.remark)  # model.safetensors is the end of two epochs
    resume(tmp_path / "cut", data)
    assert_same(tmp_path / "cut", tmp_path / "whole")
    assert len(resume(tmp_path / "cut", data, epochs=6).history) == 6 * EPOCH  # and once more


def test_more_patience(data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=40, patience=1, schedule=Constant())
    short = start(tmp_path / "run", data, recipe=recipe)
    assert len(short.history.epochs) < 40
    longer = resume(tmp_path / "run", data, patience=3)
    assert len(longer.history.epochs) > len(short.history.epochs)
    weights = start(tmp_path / "other", data, recipe=replace(recipe, patience=3)).model.weights
    for name, values in loading.load(tmp_path / "run", engine="numpy").weights.items():
        np.testing.assert_array_equal(values, weights[name])


@pytest.mark.parametrize("name", schedules.NAMED)
def test_a_restarted_schedule_reads_back(name: str) -> None:
    actual: Any = schedules.find(name).extended(9, 3).extended(30, 10)
    assert schedules.find(actual.to_config()) == actual
    assert actual.factor(5, 99, 3) == schedules.find(name).factor(5, 9, 3)
