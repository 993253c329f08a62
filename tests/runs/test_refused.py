"""Unusable run folders: locked, damaged, of another model, with other data. No byte is lost."""

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
from chainrule.errors import ChainruleError, DataError, FormatError, RunError
from chainrule.models.model import Sequential
from chainrule.runs import jobs, loading, resume_point, running
from chainrule.runs.folder import CONFIG, RUN_FILES


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


@pytest.mark.parametrize("name", [*RUN_FILES, None])
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
    for changed in (replace(training, x=x), replace(training, y=np.roll(training.y, 1)), training.take(59)):
        words = "are not those this run was started with"
        refused(DataError, words, run, lambda changed=changed: running.resume(run, changed, test))


def test_a_checkpoint_of_another_model(run: Path, data: Path, tmp_path: Path) -> None:
    parts = [*run_driver.layers()[:-2], cr.Dense(3, bias=False), cr.Softmax()]
    about = Sequential(parts, (1, 8, 8), seed=3, engine="numpy").about()
    running.start(tmp_path / "other", replace(make_job(data), model=about), *load(data))
    shutil.copy(tmp_path / "other" / "checkpoint.safetensors", run)
    refused(FormatError, "is a checkpoint of another model", run, lambda: run_driver.resume(run, data))
    shutil.copy(run / "model.safetensors", run / "checkpoint.safetensors")
    refused(FormatError, "expected a 'chainrule checkpoint 1'", run, lambda: run_driver.resume(run, data))


def test_a_checkpoint_of_another_dtype_or_recipe(run: Path, data: Path) -> None:
    job = jobs.read_job(run)
    for change in ({"model": {**job.model, "dtype": "float64"}}, {"recipe": replace(job.recipe, epochs=1)}):
        (run / CONFIG).write_bytes(replace(job, **change).to_json())
        refused(FormatError, "checkpoint", run, lambda: run_driver.resume(run, data))


DAMAGED_CHECKPOINTS: list[tuple[str, Any]] = [  # part of the message, change
    ("optimizer.m is missing", lambda tensors, about: tensors.pop("optimizer.m")),
    ("nine", lambda tensors, about: about.update(step="nine")),
    ("model", lambda tensors, about: about.update(model=3)),
    ("model", lambda tensors, about: about["model"].pop("layers")),
    ("conv1.w", lambda tensors, about: tensors.pop("conv1.w")),
    ("dense1.b contains weights", lambda tensors, about: tensors.update({"dense1.b": tensors["dense1.b"] * np.nan})),
    ("mean contains weights", lambda tensors, about: tensors["norm1.running_mean"].fill(np.inf)),
]


@pytest.mark.parametrize(("words", "change"), DAMAGED_CHECKPOINTS)
def test_a_damaged_checkpoint_is_neither_resumed_nor_explained(run: Path, data: Path, words: str, change: Any) -> None:
    path = run / "checkpoint.safetensors"
    tensors, about = files.read_tensors(path, "checkpoint")
    tensors = {name: values.copy() for name, values in tensors.items()}
    change(tensors, about)
    files.write_atomic(path, files.tensor_bytes("checkpoint", tensors, about))
    for use in (lambda: run_driver.resume(run, data), lambda: resume_point.read_resume_point(run)):
        refused(FormatError, words, run, use)
    assert loading.open_run(run, engine="numpy").model  # its other files are intact
