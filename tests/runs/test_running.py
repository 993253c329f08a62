"""Runs that are killed, interrupted or refused a full disk reach the same bits nevertheless."""

import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import run_driver
from runs.processes import assert_same, completed, started
from runs.run_driver import Halt, resume, start

from chainrule._io import files
from chainrule.errors import ChainruleError, RunError
from chainrule.runs.checkpointer import Checkpoint
from chainrule.runs.running import STOPPING

STEPS = 4 * 7  # 60 samples, 12 of them held back, in batches of 7


def test_the_best_model_is_that_of_the_best_validation(whole: Path, data: Path, tmp_path: Path) -> None:
    ends = [row.split(",") for row in (whole / "history.csv").read_text().splitlines()[1:] if not row.endswith(",")]
    losses = [float(row[6]) for row in ends]
    assert len(losses) == 4
    best = losses.index(min(losses))
    folder = tmp_path / "to the best"

    start(folder, data, Halt(7 * (best + 1)))
    tensors = files.read_tensors(folder / "checkpoint.safetensors", "checkpoint")[0]
    model = Checkpoint.read(whole).best
    assert all((tensors[name] == model[name]).all() for name in model)
    assert model.keys() == files.read_tensors(whole / "model.safetensors", "model")[0].keys()


# ---------------------------------------------------------------------- the same bits


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("engine", "name"), [("numpy", "SIGINT"), ("compiled", "SIGKILL")])
def test_interrupted_and_killed_runs_are_resumed_to_the_same_bits(
    engine: str, name: str, whole: Path, data: Path, tmp_path: Path
) -> None:
    """Ctrl-C also saves the last step, and stops without an error."""
    if engine == "compiled":
        whole = tmp_path / "whole"
        assert completed("start", whole, data, engine) == "finished"
    folder, number = tmp_path / "run", getattr(signal, name)
    process, history = started("pause", folder, data, engine), folder / "history.csv"
    while not (history.exists() and len(history.read_text().splitlines()) > 1):  # until a step has been taken
        time.sleep(0.001)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert not (folder / "model.safetensors").exists()
    if name == "SIGINT":
        steps = int(out.removeprefix("stopped "))
        assert (process.returncode, err, 0 < steps < STEPS) == (0, STOPPING + "\n", True)
        assert files.read_tensors(folder / "checkpoint.safetensors", "checkpoint")[1]["step"] == steps
        assert len(history.read_text().splitlines()) == 1 + steps
    else:
        assert process.returncode == -number
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


def test_no_model_is_kept_that_is_not_finite(data: Path, tmp_path: Path) -> None:
    class Spoil(run_driver.Callback):
        def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
            if len(trainer.history) == 7:  # the end of the epoch
                trainer.network.parameters[3] = np.nan

    with pytest.raises(ChainruleError, match="parameters infinite"):
        start(tmp_path / "run", data, Spoil())
    assert all(np.isfinite(values).all() for values in Checkpoint.read(tmp_path / "run").tensors.values())
