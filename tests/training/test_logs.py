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
from chainrule.errors import RunError

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
def test_event_files_have_what_the_history_has(tmp_path: Path, numbers: bool, share: float) -> None:
    norms: list[float] = []

    class Norms(cr.Callback):
        def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
            norms.append(outcome.norm)

    history = fit([cr.TensorBoardLog(tmp_path / "logs"), Norms()], numbers=numbers, validation_split=share)
    found = scalars(tmp_path / "logs")
    measure = "mean_absolute_error" if numbers else "accuracy"
    steps = {"loss": history.loss, measure: history.measured, "rate": history.rates, "gradient_norm": norms}
    expected = {f"train/{name}": dict(enumerate(values, 1)) for name, values in steps.items()}
    if share:
        ends = history.epochs
        expected["validation/loss"] = {epoch.step: epoch.validation_loss for epoch in ends}
        expected[f"validation/{measure}"] = {epoch.step: epoch.validation_measured for epoch in ends}
        for name in ends[0].validation_metrics:
            expected[f"validation/{name}"] = {epoch.step: epoch.validation_metrics[name] for epoch in ends}
    assert found.keys() == expected.keys()
    for tag, values in expected.items():
        assert [*found[tag]] == [*values]
        assert_close([*found[tag].values()], [*values.values()])


def test_a_csv_file_has_what_the_history_has(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("before")
    history = fit(cr.CsvLog(path), validation_split=0.2)
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["loss"]) for row in rows] == list(history.losses)
    assert [float(row["accuracy"]) for row in rows] == list(history.measures)
    assert [float(row["rate"]) for row in rows] == list(history.rates)
    assert [int(row["step"]) for row in rows] == list(range(1, len(history) + 1))
    checked = {int(row["step"]): float(row["validation_loss"]) for row in rows if row["validation_loss"]}
    assert checked == {epoch.step: epoch.validation_loss for epoch in history.epochs}


def test_what_was_done_before_a_stop_is_written(tmp_path: Path) -> None:
    history = fit([cr.CsvLog(tmp_path / "steps.csv"), cr.TensorBoardLog(tmp_path / "logs"), Halt(8)])
    assert len(history) == 8
    assert len((tmp_path / "steps.csv").read_text().splitlines()) == 9
    assert len(scalars(tmp_path / "logs")["train/loss"]) == 8


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for log in (cr.CsvLog(tmp_path / "no" / "steps.csv"), cr.TensorBoardLog(tmp_path / "file" / "logs")):
        with pytest.raises(RunError, match="cannot"):
            fit(log)


def test_the_command_writes_event_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = bars(100)
    np.savez("digits.npz", x=x, y=y)
    words = ["train", "--data", "digits.npz", "--model", "mlp", "--engine", "numpy", "--quiet", "--tensorboard", "logs"]
    result = CliRunner().invoke(main, [*words, "--epochs", "1", "--out", "run"])
    assert result.exit_code == 0, result.output
    rows = (tmp_path / "run" / "history.csv").read_text().splitlines()[1:]
    losses = scalars(tmp_path / "logs")["train/loss"]
    assert [*losses] == [int(row.split(",")[0]) for row in rows]
    assert_close([*losses.values()], [float(row.split(",")[4]) for row in rows])
