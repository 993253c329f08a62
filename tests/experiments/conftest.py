"""Fixtures that run `python -m experiments` in this process."""

from pathlib import Path

import pytest
from cli.commands import Invoke, invoker

from experiments.commands import experiment


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs a command in tmp_path."""
    return invoker(experiment, tmp_path, monkeypatch)
