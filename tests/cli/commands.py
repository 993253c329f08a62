"""Shared helpers for tests of the commands."""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

Invoke = Callable[..., Result]


def invoker(program: click.Group, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs a program's command in this process, in a folder, offline.

    The function takes the words of the command line. The first argument may contain several, separated by spaces.
    """
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CHAINRULE_OFFLINE", "1")

    def call(line: str = "", *words: object, **options: object) -> Result:
        return CliRunner().invoke(program, command_words(line, words), prog_name="chainrule", **options)  # pyright: ignore

    return call


def command_words(line: str, words: Iterable[object]) -> list[str]:
    """Return the words of a command line: those of a string, split as by a shell, and others, which are not split."""
    return [*shlex.split(line), *map(str, words)]


def bars(samples: int, size: int = 28, classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Draw images with a bright bar at a height per class on noise, which a network learns quickly."""
    generator = np.random.default_rng(7)
    y = np.arange(samples) % classes
    x = generator.integers(0, 60, (samples, size, size)).astype(np.uint8)
    step = size // classes
    for image, label in zip(x, y, strict=True):
        image[label * step : label * step + max(step, 1)] = 255
    return x, y


def succeeded(result: Result) -> Result:
    """Check that the command exited with 0, and return its result."""
    assert result.exit_code == 0, result.output
    return result


def answer(result: Result, exit_code: int = 0) -> Any:
    """Check the exit code of a command, and return what it printed as JSON."""
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def refused(result: "Result | subprocess.CompletedProcess[str]", *parts: str) -> None:
    """Check that the command exited with 2, printed nothing, and reported one line with these parts."""
    code = result.exit_code if isinstance(result, Result) else result.returncode
    lines = result.stderr.splitlines()
    assert code == 2, (result.stdout, result.stderr)
    assert result.stdout == ""
    assert len(lines) == 1, lines
    assert lines[0].startswith("chainrule: ")
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in lines[0], (part, lines[0])
