"""What the tests of runs share: data, a run that nobody interrupted, a copy of it that may be damaged."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from runs.processes import completed

from chainrule.runs import running


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright stripes, blocks and frames with noise."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, 3, 80)
    x = generator.integers(0, 120, (80, 8, 8), dtype=np.uint8)
    x[y == 0, 3:5] += 100
    x[y == 1, :4, :4] += 100
    x[y == 2, :, 6:] += 100
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, x=x[:60], y=y[:60], x_test=x[60:], y_test=y[60:])
    return path


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "draw", lambda *_: None)


@pytest.fixture(scope="session")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    assert completed("start", folder, data, "numpy") == "finished"
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of the run that may be damaged."""
    shutil.copytree(whole, tmp_path / "run")
    return tmp_path / "run"
