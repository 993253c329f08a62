"""Runs that are killed, interrupted or refused a full disk reach the same bits nevertheless."""

import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import run_driver
from runs.processes import assert_same, completed, started
from runs.run_driver import RECIPE, make_job, resume, start

from chainrule._io import files
from chainrule.data import load
from chainrule.errors import ChainruleError, NotFiniteError, RunError
from chainrule.runs import checkpointer, running
from chainrule.runs.checksums import Recorder
from chainrule.runs.running import STOPPING
from chainrule.training.history import Epoch
from chainrule.training.recipe import Recipe

STEPS = 4 * 7  # 60 samples, 12 of them held back, in batches of 7


def test_the_best_model_is_that_of_the_best_validation(whole: Path, data: Path, tmp_path: Path) -> None:
    ends = [row.split(",") for row in (whole / "history.csv").read_text().splitlines()[1:] if not row.endswith(",")]
    losses = [float(row[6]) for row in ends]
    assert len(losses) == 4
    best = losses.index(min(losses))
    folder = tmp_path / "to the best"

    class Halt(run_driver.Callback):
        def epoch_ended(self, trainer: Any, epoch: Any) -> None:
            trainer.stop = epoch.epoch == best + 1

    start(folder, data, Halt())
    tensors = files.read_tensors(folder / "checkpoint.safetensors", "checkpoint")[0]
    model = files.read_tensors(whole / "best.safetensors", "model")[0]
    assert all((tensors[name] == model[name]).all() for name in model)


# ---------------------------------------------------------------------- the same bits


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_interrupted_saves_and_stops(whole: Path, data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = started("start", folder, data, "numpy")
    history = folder / "history.csv"
    while not (history.exists() and len(history.read_text().splitlines()) > 1):  # until a step has been taken
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, STOPPING + "\n")
    steps = int(out.removeprefix("stopped "))
    assert 0 < steps < STEPS
    assert not (folder / "model.safetensors").exists()
    assert files.read_tensors(folder / "checkpoint.safetensors", "checkpoint")[1]["step"] == steps
    assert len((folder / "history.csv").read_text().splitlines()) == 1 + steps
    assert completed("resume", folder, data) == "finished"
    assert_same(folder, whole)


# ---------------------------------------------------------------------- one process a run


def test_a_run_that_is_being_trained(data: Path, tmp_path: Path) -> None:
    folder, said = tmp_path / "run", list[str]()

    class Intruder(run_driver.Callback):
        """Resumes the run, and starts a new one in the same place, while the first trains."""

        def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
            if len(trainer.history) == 2:
                for begin in (lambda: resume(folder, data), again):
                    with pytest.raises(RunError) as caught:
                        begin()
                    said.append(str(caught.value))

    def again() -> None:
        start(folder, data)

    result = start(folder, data, Intruder())
    assert len(said) == 2
    assert all(message.startswith(f"{folder} is in use") for message in said)
    assert result.evaluation
    assert not (folder / ".lock").exists()


# ---------------------------------------------------------------------- numbers that are not finite


def test_a_step_that_is_not_finite_keeps_the_last_checkpoint(data: Path, tmp_path: Path) -> None:
    recipe: Recipe = replace(RECIPE, optimizer=run_driver.Adam(1e30), clip_norm=None)
    with pytest.raises(ChainruleError, match=r"not finite|too large"):
        start(tmp_path / "run", data, recipe=recipe)
    tensors, about = files.read_tensors(tmp_path / "run" / "checkpoint.safetensors", "checkpoint")
    assert all(np.isfinite(tensor).all() for tensor in tensors.values())
    assert about["step"] == len((tmp_path / "run" / "history.csv").read_text().splitlines()) - 1


def test_no_model_is_kept_before_it_is_known_to_be_finite(data: Path, tmp_path: Path) -> None:
    job, training = make_job(data), load(data)[0]
    model, trainer = running._prepare(job, training)
    keeping = checkpointer.Checkpointer(Recorder(tmp_path), model)
    keeping.begin(trainer)
    epoch = Epoch(1, 1, 0.5, 0.5)
    trainer.history.epochs.append(epoch)
    model.parameters[3] = np.nan
    with pytest.raises(NotFiniteError):
        keeping.epoch_ended(trainer, epoch)
    assert not (tmp_path / "best.safetensors").exists()
