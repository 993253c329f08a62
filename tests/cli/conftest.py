"""Small data, a finished run, and two ways to run a command: in this process, and as a process of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cli.commands import Invoke, bars, command_words, invoker
from click.testing import CliRunner
from PIL import Image

from chainrule.cli import main
from chainrule.runs import running

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compute with NumPy, and draw no pictures at the end of a run, which would take longer than training here."""
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    monkeypatch.setattr(running, "draw", lambda *_: None)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an .npz of 200 images 1×28×28 in ten classes."""
    path = tmp_path_factory.mktemp("data") / "digits.npz"
    x, y = bars(200)
    np.savez(path, x=x, y=y)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs `python -m chainrule …` in tmp_path, by default with the NumPy engine."""

    def start(
        line: str, *words: object, engine: str = "numpy", **options: object
    ) -> "subprocess.CompletedProcess[str]":
        env = {**os.environ, "CHAINRULE_ENGINE": engine, "CHAINRULE_OFFLINE": "1", "PYTHONUTF8": "1"}
        command = [sys.executable, "-m", "chainrule", *command_words(line, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.run(command, cwd=tmp_path, env=env, text=True, encoding="utf-8", timeout=120, **pipes)  # pyright: ignore

    return start


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs a command in this process, in tmp_path."""
    return invoker(main, tmp_path, monkeypatch)


@pytest.fixture(scope="session")
def finished_once(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a run of `mlp` to its end."""
    folder = tmp_path_factory.mktemp("runs") / "first"
    words = ["train", "--model", "mlp", "--data", str(digits), "--engine", "numpy", "--out", str(folder), "--quiet"]
    result = CliRunner().invoke(main, [*words, "--epochs", "4", "--validation", "0.2"])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def stroke(tmp_path: Path) -> Path:
    """Draw a dark stroke on light paper, off centre."""
    pixels = np.full((90, 70), 230, np.uint8)
    pixels[15:60, 20:27] = 30
    Image.fromarray(pixels).save(tmp_path / "stroke.png")
    return tmp_path / "stroke.png"


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path) -> Path:
    """Return a copy of that run, which may be damaged."""
    return Path(shutil.copytree(finished_once, tmp_path / "finished"))
