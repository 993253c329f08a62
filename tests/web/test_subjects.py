"""Subjects of the page: runs in every state, networks of the zoo, model files; none of them is changed."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from runs.run_driver import Halt
from web.looked_at import (
    RECIPE,
    completed,
    finished,
    layers,
    opened,
    run,
    small,
    stripes,
    trained_through,
    until,
)
from web.serving import client

from chainrule import zoo
from chainrule.errors import DataError, FormatError, OptionError, RunError
from chainrule.models.model import Sequential
from chainrule.runs import running
from chainrule.runs.folder import LOCK, locked
from chainrule.runs.loading import load
from chainrule.training.optimizers import Adam
from chainrule.web import subjects
from chainrule.web.description import describe

NOBODY = threading.Event()


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "draw", lambda *_: None)


def content(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


@pytest.mark.parametrize("stop", [27, 12, 9], ids=["finished", "within an epoch", "after an epoch"])
def test_a_run_opens_where_it_is_and_goes_back_and_on(data: Path, tmp_path: Path, stop: int) -> None:
    folder = run(tmp_path / "run", data, stop=stop)
    before = content(folder)
    expected, _ = trained_through(small(data))
    session = opened(subjects.of_path(folder))
    state = session.state()
    assert (state["step"], state["newest"], state["steps"], state["epochSteps"]) == (stop, stop, 27, 9)
    assert len(session.series(0)["loss"]) == stop
    for step in (stop, 5, 0, stop - 1):
        frame = session.frame(step, NOBODY)
        arrays = (frame.parameters, frame.statistics, *frame.moments)
        assert all(np.array_equal(a, b) for a, b in zip(arrays, expected[step], strict=True)), step
    assert finished(session)["step"] == 27
    frame = session.frame(None, NOBODY)
    assert all(np.array_equal(a, b) for a, b in zip((frame.parameters, frame.statistics), expected[27], strict=False))
    session.close()
    assert content(folder) == before


def test_a_run_that_is_being_trained_is_read_only(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", data, stop=12)
    with locked(folder):
        before = content(folder)
        session = opened(subjects.of_path(folder))
        session.command("advance", 2)
        until(lambda: session.state()["step"] == 14)
        session.close()
        assert content(folder) == before


def test_a_history_longer_than_its_checkpoint_is_normal(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", data, stop=12)
    with (folder / "history.csv").open("a") as stream:
        stream.write("13,2,0.1,0.5,0.5,,,\n14,2,0.1,0.")
    session = opened(subjects.of_path(folder))
    assert session.state()["step"] == 12
    session.close()


def test_a_run_before_its_first_checkpoint(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", data, stop=12)
    for path in folder.iterdir():
        if path.name != "config.json":
            path.unlink()
    expected, _ = trained_through(small(data))
    session = opened(subjects.of_path(folder, accept_changes=True))
    session.command("advance", 3)
    until(lambda: session.state()["step"] == 3)
    assert np.array_equal(session.frame(None, NOBODY).parameters, expected[3][0])
    session.close()


def test_a_run_that_stopped_early_for_want_of_patience(data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=40, validation=0.3, patience=1)
    folder = run(tmp_path / "run", data, recipe)
    ended = json.loads((folder / "evaluation.json").read_text())
    assert ended
    session = opened(subjects.of_path(folder))
    state = session.state()
    assert state["step"] < state["steps"]
    assert not session.command("start")["running"]  # its patience is exhausted here too
    assert session.frame(1, NOBODY).step == 1
    session.close()


def test_other_data_than_the_run_began_with(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", stripes(tmp_path / "data.npz"), stop=12)
    stripes(tmp_path / "data.npz", samples=61)
    session = opened(subjects.of_path(folder))
    assert "not those this run was started with" in session.state()["message"]
    assert session.state()["steps"] == 27
    assert session.frame(None, NOBODY).step == 12
    assert session.frame(0, NOBODY).step == 0
    with pytest.raises(DataError, match="step 5 cannot be shown"):
        session.frame(5, NOBODY)
    session.close()


def test_a_model_file_by_itself(data: Path, tmp_path: Path) -> None:
    model = Sequential(layers(), (1, 8, 8), engine="numpy")
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
    session.close()


def test_the_model_file_of_a_run_has_its_pictures(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", data)
    session = opened(subjects.of_path(folder / "model.safetensors"))
    assert len(session.sample_images().x) == 30
    assert np.array_equal(session.frame(None, NOBODY).parameters, load(folder).parameters)
    session.close()


def test_every_network_of_the_zoo_can_be_described() -> None:
    for name in zoo.NAMED:
        subject = subjects.of_name(name, engine="numpy")
        assert describe(subject.model, subject.recipe)["name"] == name
        assert subject.moments is not None


def test_the_newest_run(tmp_path: Path, data: Path) -> None:
    assert subjects.newest_run(tmp_path / "runs") is None
    (tmp_path / "runs" / "empty").mkdir(parents=True)
    assert subjects.newest_run(tmp_path / "runs") is None
    for place, name in enumerate(("b", "c", "a")):
        folder = run(tmp_path / "runs" / name, data, stop=1)
        os.utime(folder / "config.json", (10_000 + place, 10_000 + place))
    assert subjects.newest_run(tmp_path / "runs") == tmp_path / "runs" / "a"


def test_what_is_no_run(tmp_path: Path, data: Path) -> None:
    with pytest.raises(DataError, match="no such run folder or model file"):
        subjects.of_path(tmp_path / "nowhere")
    with pytest.raises(RunError, match="contains no run"):
        subjects.of_path(tmp_path)
    (tmp_path / "x.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(FormatError, match="it is text"):
        subjects.of_path(tmp_path / "x.safetensors")
    with pytest.raises(OptionError, match="unknown model"):
        subjects.of_name("nothing")
    folder = run(tmp_path / "run", data, stop=3)
    (folder / "checkpoint.safetensors").write_bytes(b"")
    with pytest.raises(FormatError, match="checkpoint"):
        subjects.of_path(folder)


def test_a_run_that_another_process_trains(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", data, stop=12)
    session = opened(subjects.of_path(folder))
    assert session.state()["message"] == ""
    with locked(folder):
        said = session.state()["message"]
        assert "being trained by another process" in said
        assert "its checkpoint of step 12" in said
        assert (folder / LOCK).exists()
        with pytest.raises(RunError, match="another process"), locked(folder):
            pass
    assert session.state()["message"] == ""
    assert not (folder / LOCK).exists()
    (folder / LOCK).touch()  # of a process that died
    assert session.state()["message"] == ""
    assert (folder / LOCK).exists()
    session.close()


def test_a_page_loaded_again_shows_the_newer_checkpoint(data: Path, tmp_path: Path) -> None:
    folder = run(tmp_path / "run", data, stop=12)
    expected, _ = trained_through(small(data))
    session = opened(subjects.of_path(folder))
    browser = client(session)
    browser.get("/api/description")
    assert session.state()["step"] == 12
    training, test = session.subject.choice.load(RECIPE.seed)
    running.resume(folder, training, test, [Halt(20)])
    assert session.state()["step"] == 12
    browser.get("/api/description")
    state = session.state()
    assert (state["step"], state["newest"], len(session.series(0)["loss"])) == (20, 20, 20)
    for step in (20, 12, 15):
        assert np.array_equal(session.frame(step, NOBODY).parameters, expected[step][0]), step
    completed(session, "advance", 4)
    running.resume(folder, training, test, [Halt(22)])
    browser.get("/api/description")  # older than the training here
    assert session.state()["step"] == 24
    assert finished(session)["step"] == 27
    assert np.array_equal(session.frame(None, NOBODY).parameters, expected[27][0])
    session.close()


def test_a_run_that_keeps_an_earlier_step_says_so(data: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=30, validation=0.3, patience=1, optimizer=Adam(0.05))
    folder = run(tmp_path / "run", data, recipe)
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
    session.close()
    again = opened(subjects.of_path(run(tmp_path / "other", data)))
    assert "best" not in again.state()
    assert again.state()["message"] == ""
    again.close()
