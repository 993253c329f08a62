"""Unusable run folders: locked, damaged, of another model, with other data. No byte is lost."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import run_driver
from runs.run_driver import make_job

from chainrule import layers as cr
from chainrule._io import files
from chainrule.data import load
from chainrule.data.dataset import Dataset
from chainrule.engines.loader import find
from chainrule.errors import ChainruleError, DataError, FormatError, RunError, ShapeError
from chainrule.models.model import Sequential
from chainrule.runs import running
from chainrule.runs.folder import CHECKED_FILES
from chainrule.runs.jobs import describe


def snapshot(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def refused(kind: type[ChainruleError], words: str, folder: Path, act: Any) -> None:
    """Check that one line is reported and that no byte of the folder changes."""
    before = snapshot(folder)
    with pytest.raises(kind) as caught:
        act()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert snapshot(folder) == before


def accepted(run: Path, data: Path) -> Any:
    """Check that a changed run can be resumed with permission, unless it is damaged beyond use."""
    return run_driver.resume(run, data, accept_changes=True)


@pytest.mark.parametrize("name", [*CHECKED_FILES, None])
def test_a_folder_in_use_for_something_else_is_refused(run: Path, data: Path, tmp_path: Path, name: str | None) -> None:
    """A run, a part of a run, none, or a file."""

    def start(folder: Path) -> Any:
        return lambda: run_driver.start(folder, data)

    if name is None:
        refused(RunError, f"{run} already contains a run", run, start(run))
        (tmp_path / "file").write_text("precious")
        for place in (tmp_path / "file", tmp_path / "file" / "run"):
            refused(RunError, "cannot create the run folder", tmp_path, start(place))
        for place in (tmp_path, tmp_path / "none"):
            refused(RunError, "contains no run", tmp_path, lambda place=place: run_driver.resume(place, data))
        return
    other = tmp_path / "other"
    other.mkdir()
    (other / name).write_text("precious")
    refused(RunError, f"({name})", other, start(other))


def test_changed_data_are_refused(run: Path, data: Path) -> None:
    training, test = load(data)
    x = training.x.copy()
    x[5, 0, 3, 3] ^= 1
    for parts in (
        (replace(training, x=x), test),
        (replace(training, y=np.roll(training.y, 1)), test),
        (training, replace(test, x=test.x ^ 1)),
        (training, test.take(19)),
    ):
        words = "are not those this run was started with"
        refused(DataError, words, run, lambda parts=parts: running.resume(run, *parts))


def test_the_fingerprint_knows_shape_and_dtype() -> None:
    """Distinguish the same bytes in other shapes and dtypes."""
    x, y = np.zeros((4, 1, 2, 4), np.uint8), np.zeros(4, np.int64)
    same = [x, x.reshape(4, 1, 4, 2), x.view(np.float32)]
    actual = {describe(Dataset(one, y, ("0",)), Dataset(x, y, ("0",)))["fingerprint"] for one in same}
    assert len(actual) == 3


def test_the_threads_that_really_run_are_kept(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(find("numpy")), "thread_limit", lambda self, threads: min(threads, 3))
    running.start(tmp_path / "run", replace(make_job(data), threads=1000), *load(data))
    assert files.read_json(tmp_path / "run" / "config.json")["threads"] == 3


def test_images_of_another_size(data: Path, tmp_path: Path) -> None:
    training, test = load(data)
    small = replace(training, x=np.ascontiguousarray(training.x[..., :7]))
    refused(ShapeError, "1×8×7", tmp_path, lambda: running.start(tmp_path / "run", make_job(data), small, test))


def test_a_checkpoint_of_another_model(run: Path, data: Path, tmp_path: Path) -> None:
    parts = [*run_driver.layers()[:-2], cr.Dense(3, bias=False), cr.Softmax()]
    about = Sequential(parts, (1, 8, 8), seed=3, engine="numpy").about()
    running.start(tmp_path / "other", replace(make_job(data), model=about), *load(data))
    shutil.copy(tmp_path / "other" / "checkpoint.safetensors", run)
    refused(FormatError, "is a checkpoint of another model", run, lambda: accepted(run, data))
    shutil.copy(run / "model.safetensors", run / "checkpoint.safetensors")
    refused(FormatError, "expected a 'chainrule checkpoint 1'", run, lambda: accepted(run, data))


def test_a_checkpoint_of_another_dtype_or_optimizer(run: Path, data: Path) -> None:
    config = files.read_json(run / "config.json")
    for change in ({"model": {**config["model"], "dtype": "float64"}}, {"recipe": {**config["recipe"], "epochs": 1}}):
        (run / "config.json").write_text(json.dumps({**config, **change}))
        refused(FormatError, "checkpoint", run, lambda: accepted(run, data))
    tensors, about = files.read_tensors(run / "checkpoint.safetensors", "checkpoint")
    files.write_tensors(run / "checkpoint.safetensors", "checkpoint", tensors, about)
    (run / "config.json").write_text(json.dumps(config))
    del tensors["optimizer.v"]
    files.write_tensors(run / "checkpoint.safetensors", "checkpoint", tensors, about)
    refused(FormatError, "optimizer.v is missing", run, lambda: accepted(run, data))
