"""Fixtures that run `python -m experiments` in this process."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import Invoke, bars, invoker

from chainrule import data
from chainrule.data.dataset import Dataset
from experiments.commands import experiment


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs a command in tmp_path."""
    return invoker(experiment, tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Load 96 bars to train on and 20 to test on in place of any data set, and list the names that were asked for."""
    names: list[str] = []

    def load(name: str, **options: Any) -> tuple[Dataset, ...]:
        names.append(name)
        drawn = [bars(samples) for samples in (96, 20)]
        classes = tuple("0123456789")
        return tuple(Dataset(x[:, None], y.astype(np.int64), classes, name, "made up") for x, y in drawn)

    monkeypatch.setattr(data, "load", load)
    return names
