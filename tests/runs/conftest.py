"""Shared fixtures for runs: data, an uninterrupted run, and a copy of it that may be damaged."""

import shutil
from pathlib import Path

import pytest
from runs.processes import completed
from runs.run_driver import make_data

from chainrule.runs import running


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write images of three classes."""
    path = tmp_path_factory.mktemp("data") / "data.npz"
    make_data(path)
    return path


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "draw", lambda *_: None)


@pytest.fixture(scope="session")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train an uninterrupted run."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert completed("start", folder, data, "numpy") == "finished"
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """Copy the run, so that it may be damaged."""
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"
