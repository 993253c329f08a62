"""The progress bar in a terminal, and the lines without one."""

import re
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import chainrule as cr
from chainrule._io import console
from chainrule.training import callbacks


def test_a_notebook_has_one_line_that_changes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = list[Any]()

    class Display:
        """What `IPython.display.display` does, with a list instead of a page."""

        def __init__(self, data: Any, **options: Any) -> None:
            shown.append([data["text/plain"]])

        def update(self, data: Any, **options: Any) -> None:
            shown[-1].append(data["text/plain"])

    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=Display))
    monkeypatch.setattr(console, "progress_bars", lambda **_: None)
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    x = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)
    cr.Sequential([cr.Dense(2), cr.Softmax()], (5,), engine="numpy").fit(x, x[:, 0] > 0, epochs=3)
    assert [re.findall(r"epoch (\d)/3", text) for text in shown[0]] == [[], ["1"], ["2"], ["3"]]
    assert "epoch 1" not in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["numpy", "compiled"])
@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_is_for_terminals_and_a_line_for_each_epoch(
    engine: str, terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Console, "is_terminal", terminal)
    monkeypatch.setattr(callbacks, "REFRESH_INTERVAL", 0.0)
    monkeypatch.setenv("COLUMNS", "100")
    x = np.random.default_rng(0).standard_normal((60, 5)).astype(np.float32)
    model = cr.Sequential([cr.Dense(2), cr.Softmax()], (5,), engine=engine)
    history = model.fit(x, x[:, 0] > 0, epochs=3, batch_size=7, optimizer="sgd", learning_rate=0.1)
    said = capsys.readouterr().err
    assert [int(each) for each in re.findall(r"epoch (\d)/3  loss .* s\n", said)] == [1, 2, 3]
    assert said.count(f"{history.epochs[-1].loss:.4g}") >= 1
    speeds = [float(each.replace(",", "")) for each in re.findall(r"([\d,]+) samples/s", said)]
    assert bool(speeds) == terminal
    assert all(speed > 0 for speed in speeds)
