"""Callbacks that write CSV and event files."""

import csv
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import bars
from click.testing import CliRunner
from numerical import assert_close
from runs.run_driver import Halt
from tensorboardX.proto.event_pb2 import Event

import chainrule as cr
from chainrule.cli import main

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(50, 4)), RNG.integers(0, 3, 50)


def fit(callbacks: Any, *, numbers: bool = False, **options: Any) -> Any:
    layers = [cr.Dense(1)] if numbers else [cr.Dense(3), cr.Softmax()]
    made = cr.Sequential(layers, (4,), engine="numpy")
    y = X[:, 0] if numbers else Y
    return made.fit(X, y, epochs=2, batch_size=9, schedule="cosine", callbacks=callbacks, progress=False, **options)


def scalars(folder: Path) -> dict[str, dict[int, float]]:
    """Read event files: records of a length, its checksum, an event and its checksum."""
    found: dict[str, dict[int, float]] = {}
    for path in sorted(folder.iterdir()):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (size,) = struct.unpack_from("<Q", data, place)
            event = Event.FromString(data[place + 12 : place + 12 + size])
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
            place += 12 + size + 4
    return found


@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.2])
@pytest.mark.parametrize("halt", [8, 99])
def test_files_have_what_the_history_has(tmp_path: Path, numbers: bool, share: float, halt: int) -> None:
    """Also before a stop, after which the files have the steps that were taken."""
    norms: list[float] = []

    class Norms(cr.Callback):
        def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
            norms.append(outcome.norm)

    table = tmp_path / "steps.csv"
    table.write_text("before")
    callbacks = [cr.TensorBoardLog(tmp_path / "logs"), cr.CsvLog(table), Norms(), Halt(halt)]
    history = fit(callbacks, numbers=numbers, validation_split=share)
    metric = "mean_absolute_error" if numbers else "accuracy"
    steps = {"loss": history.loss, metric: history.measured, "rate": history.rates, "gradient_norm": norms}
    expected = {f"train/{name}": dict(enumerate(values, 1)) for name, values in steps.items()}
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == list(range(1, len(history) + 1))
    for name in ("loss", metric, "rate"):
        assert [float(row[name]) for row in rows] == list(steps[name])
    if share and history.epochs:
        ends = history.epochs
        expected["validation/loss"] = {epoch.step: epoch.validation_loss for epoch in ends}
        expected[f"validation/{metric}"] = {epoch.step: epoch.validation_measured for epoch in ends}
        for name in ends[0].validation_metrics:
            expected[f"validation/{name}"] = {epoch.step: epoch.validation_metrics[name] for epoch in ends}
        losses = {int(row["step"]): float(row["validation_loss"]) for row in rows if row["validation_loss"]}
        assert losses == expected["validation/loss"]
    actual = scalars(tmp_path / "logs")
    assert actual.keys() == expected.keys()
    for tag, values in expected.items():
        assert [*actual[tag]] == [*values]
        assert_close([*actual[tag].values()], [*values.values()])


def test_the_command_writes_event_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = bars(100)
    np.savez("digits.npz", x=x, y=y)
    words = ["train", "--data", "digits.npz", "--model", "mlp", "--engine", "numpy", "--quiet", "--tensorboard", "logs"]
    result = CliRunner().invoke(main, [*words, "--epochs", "1", "--out", "run"])
    assert result.exit_code == 0, result.output
    rows = (tmp_path / "run" / "history.csv").read_text().splitlines()[1:]
    assert len(scalars(tmp_path / "logs")["train/loss"]) == len(rows)
