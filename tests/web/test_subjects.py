"""Subjects of the page: runs in every state, and model files; none is changed."""

import os
from pathlib import Path

import numpy as np
import pytest
from web.looked_at import (
    IMPATIENT,
    LAYERS,
    NOBODY,
    assert_steps,
    completed,
    finished,
    opened,
    run,
    small,
    stripes,
    trained_through,
)

from chainrule.errors import DataError, FormatError, OptionError, RunError
from chainrule.models.model import Sequential
from chainrule.runs.folder import LOCK, locked
from chainrule.runs.loading import load
from chainrule.web import subjects

STOP = 12


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    """Train a run that stops within its second epoch."""
    return run(tmp_path / "run", data, stop=STOP)


@pytest.mark.parametrize("stop", [27, 12, 9], ids=["finished", "within an epoch", "after an epoch"])
def test_a_run_opens_where_it_is_and_goes_back_and_on(data: Path, tmp_path: Path, stop: int) -> None:
    folder = run(tmp_path / "run", data, stop=stop)
    before = content(folder)
    expected, _ = trained_through(small(data))
    session = opened(subjects.of_path(folder))
    state = session.state()
    assert (state["step"], state["newest"], state["steps"], state["epochSteps"]) == (stop, stop, 27, 9)
    assert len(session.series(0)["loss"]) == stop
    assert "best" not in state
    assert_steps(session, expected, stop, 5, 0, stop - 1)
    if stop < 27:  # a finished run continues beyond its recipe, until it is paused
        assert finished(session)["step"] == 27
    assert_steps(session, expected, 3, 11, stop, 27)
    assert content(folder) == before


def test_a_run_that_another_process_trains_is_read_only(folder: Path) -> None:
    session = opened(subjects.of_path(folder))
    assert session.state()["message"] is None
    with locked(folder):
        before = content(folder)
        message = session.state()["message"]
        assert "being trained by another process" in message
        assert "its checkpoint of step 12" in message
        with pytest.raises(RunError, match="another process"), locked(folder):
            pass
        assert completed(session, "advance", 2)["step"] == 14
        assert content(folder) == before
    assert session.state()["message"] is None
    (folder / LOCK).touch()  # of a process that died
    assert session.state()["message"] is None
    assert (folder / LOCK).exists()


def test_a_history_longer_than_its_checkpoint_is_normal(folder: Path) -> None:
    with (folder / "history.csv").open("a") as stream:
        stream.write("13,2,0.1,0.5,0.5,,,\n14,2,0.1,0.")
    assert opened(subjects.of_path(folder)).state()["step"] == 12


def test_steps_are_not_replayed_with_other_data(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", stripes(tmp_path / "data.npz"), stop=12)
    stripes(tmp_path / "data.npz", samples=61)
    session = opened(subjects.of_path(folder))
    assert "not those this run was started with" in session.state()["message"]
    assert session.state()["steps"] == 27
    assert session.frame(None, NOBODY).step == 12
    assert session.frame(0, NOBODY).step == 0
    with pytest.raises(DataError, match="step 5 cannot be shown"):
        session.frame(5, NOBODY)


def test_a_model_file_is_shown_but_not_trained(data: Path, tmp_path: Path) -> None:
    model = Sequential(LAYERS, (1, 8, 8), engine="numpy")
    model.save(tmp_path / "model.safetensors")
    session = opened(subjects.of_path(tmp_path / "model.safetensors", engine="numpy"))
    assert session.state()["steps"] == 0
    assert "run folder" in session.state()["message"]
    assert len(session.sample_images().x) == 0
    frame = session.frame(None, NOBODY)
    assert (frame.step, frame.moments) == (0, None)
    assert np.array_equal(frame.parameters, model.parameters)
    with pytest.raises(OptionError, match="run folder"):
        session.command("start")


def test_the_model_file_of_a_run_has_its_images(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", data)
    session = opened(subjects.of_path(folder / "model.safetensors"))
    assert len(session.sample_images().x) == 30
    assert np.array_equal(session.frame(None, NOBODY).parameters, load(folder).parameters)


def test_the_newest_run_is_found(tmp_path: Path, data: Path) -> None:
    assert subjects.newest_run(tmp_path / "runs") is None
    (tmp_path / "runs" / "empty").mkdir(parents=True)
    assert subjects.newest_run(tmp_path / "runs") is None
    for place, name in enumerate(("b", "c", "a")):
        folder = run(tmp_path / "runs" / name, data, stop=1)
        os.utime(folder / "config.json", (10_000 + place, 10_000 + place))
    assert subjects.newest_run(tmp_path / "runs") == tmp_path / "runs" / "a"


def test_files_that_are_no_runs_are_refused(tmp_path: Path, folder: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"x" * 100)
    (folder / "checkpoint.safetensors").write_bytes(b"")
    for path, error, words in (
        ("nowhere", DataError, "no such run folder or model file"),
        ("", RunError, "contains no run"),
        ("x.safetensors", FormatError, "it is text"),
        ("run", FormatError, "checkpoint"),
    ):
        with pytest.raises(error, match=words):
            subjects.of_path(tmp_path / path)
    with pytest.raises(OptionError, match="unknown model"):
        subjects.of_name("nothing")


def test_a_run_that_keeps_an_earlier_step_reports_it(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", data, IMPATIENT)
    rows = [line.split(",") for line in (folder / "history.csv").read_text().splitlines()[1:]]
    checked = {int(row[0]): float(row[6]) for row in rows if row[6]}
    best, last = min(checked, key=lambda step: checked[step]), len(rows)
    assert best < last < 30 * 6
    session = opened(subjects.of_path(folder))
    state = session.state()
    assert (state["step"], state["best"]) == (last, best)
    assert f"stopped early, after step {last}." in state["message"]
    assert f"lowest after step {best}:" in state["message"]
    kept = load(folder / "model.safetensors").parameters
    assert np.array_equal(session.frame(best, NOBODY).parameters, kept)
    assert session.command("start")["running"]  # beyond its recipe, although its patience is exhausted
    session.command("pause")
