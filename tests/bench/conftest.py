"""Fixtures that run `python -m benchmarks` in this process."""

from pathlib import Path

import pytest
from cli.commands import Invoke, invoker

from benchmarks.commands import bench


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run a command in tmp_path."""
    return invoker(bench, tmp_path, monkeypatch)
