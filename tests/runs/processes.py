"""Runs in processes of their own, and their exact contents."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from runs import run_driver

from chainrule._io import files

DRIVER = Path(run_driver.__file__)
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}


def started(*arguments: object) -> "subprocess.Popen[str]":
    """Start the driver and wait until it is about to train."""
    command = [sys.executable, str(DRIVER), *map(str, arguments)]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(DRIVER.parents[1])}
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(command, **pipes, text=True, env=environment)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def completed(*arguments: object) -> str:
    process = started(*arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.strip()


def content(folder: Path) -> dict[str, Any]:
    """Return the exact contents of a run, except for the seconds."""
    actual: dict[str, Any] = {}
    for name in ("model", "checkpoint"):
        tensors, about = files.read_tensors(folder / f"{name}.safetensors", name)
        about.pop("history", None)  # digest of the rows with their seconds
        actual[name] = {key: (str(value.dtype), value.shape, value.tobytes()) for key, value in tensors.items()}
        actual[f"about {name}"] = about
    rows = (folder / "history.csv").read_text().splitlines()
    cells = [row.split(",") for row in rows]
    seconds = cells[0].index("seconds")
    actual["history"] = [[*row[:seconds], *row[seconds + 1 :]] for row in cells]
    actual["evaluation"] = files.read_json(folder / "evaluation.json")
    actual["files"] = sorted(os.listdir(folder))
    return actual


def assert_same(folder: Path, whole: Path) -> None:
    actual, expected = content(folder), content(whole)
    for part in expected:
        assert actual[part] == expected[part], part
