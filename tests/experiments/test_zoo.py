"""`python -m experiments zoo` with small data in place of the known data sets."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import Invoke, bars, invoker, refused, succeeded

from chainrule import cli, data, zoo
from chainrule._io import files
from chainrule.data.dataset import Dataset
from chainrule.errors import DataError
from chainrule.runs import running
from chainrule.training.trainer import Callback
from experiments import zoo as table
from experiments.commands import experiment

AS_MNIST = "--validation 0.02"  # as in the recipe; by default `train` holds back more of data as small as these


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs an experiment in tmp_path."""
    monkeypatch.setattr(running, "draw", lambda *_: None)
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    return invoker(experiment, tmp_path, monkeypatch)


@pytest.fixture
def train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs a command of chainrule in tmp_path."""
    return invoker(cli.main, tmp_path, monkeypatch)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide bars in place of MNIST; CIFAR-10 cannot be had."""

    def load(name: str, **options: Any) -> Any:
        if name == "cifar10":
            raise DataError("cifar10 could not be downloaded: no network")
        if name != "mnist":
            return original(name, **options)  # drawn by this library
        x, y = bars(1100)
        whole = Dataset(x[:, None], y.astype(np.int64), tuple("0123456789"), name, "made up")
        return whole.take(1000), whole.take(np.arange(1000, 1100))

    original = data.load
    monkeypatch.setattr(data, "load", load)


def rows(text: str) -> list[list[str]]:
    """Return the cells of the rows of a printed table."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:] if "|" in line]


def weights(folder: Path) -> dict[str, Any]:
    return files.read_tensors(folder / "model.safetensors", "model")[0]


def test_rows_have_the_metrics_of_their_runs_and_those_of_a_page_are_kept(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("zoo mlp --out kept --markdown zoo.md")
    assert result.exit_code == 0
    [row] = rows(result.stdout)
    evaluation = json.loads((tmp_path / "kept/mlp-mnist/evaluation.json").read_text())
    assert (row[0], row[2], row[3], row[4]) == ("mlp", "101,770", "mnist", "2")
    assert row[7] == f"{100 * evaluation['accuracy']:.2f} %"
    page = Path("zoo.md").read_text(encoding="utf-8")
    Path("zoo.md").write_text(f"<!-- table -->\n{page.replace('| mlp |', '| gone |')}<!-- end of table -->\n")
    assert rows(invoke("zoo mlp --out kept --markdown zoo.md").stdout) == [row]
    names = re.findall(r"^\| ([a-z][\w-]*) \|", Path("zoo.md").read_text(encoding="utf-8"), re.M)
    assert names == ["name", "mlp", "gone"]


def test_seeds_are_averaged_and_a_missed_target_exits_with_1(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(table.SEEDS, "mlp", 2)
    entry = zoo.find("mlp")
    target = replace((*entry.targets, table.Target("mnist", None))[0], value=1.1)
    monkeypatch.setattr(zoo, "find", lambda name: replace(entry, targets=(target,)))
    result = invoke("zoo mlp --out kept")
    assert result.exit_code == 1
    [row] = rows(result.stdout)
    assert row[-1] == "missed; mean of 2 seeds"
    seeds = [json.loads(path.read_text())["accuracy"] for path in Path("kept").glob("*/evaluation.json")]
    assert row[7] == f"{50 * sum(seeds):.2f} %"


def test_cifar10_is_skipped_where_it_cannot_be_had(invoke: Invoke) -> None:
    result = invoke("zoo venchislaw")
    assert rows(result.stdout)[-1][-1] == "skipped: cifar10 could not be downloaded: no network"
    refused(invoke("zoo resnet-8"), "no network")


def test_an_interrupted_table_goes_on(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Interrupt the second of two networks; both must end as if nothing had happened, and the first be only read."""
    command, steps = "zoo mlp zayan", list[tuple[str, int]]()
    whole = rows(invoke(command, "--out", "whole").stdout)

    class Recorded(Callback):
        stops = True

        def stepped(self, trainer: Any, outcome: Any, samples: int) -> None:
            steps.append((trainer.network.name, len(trainer.history)))
            trainer.stop = self.stops and steps[-1][0] == "zayan"

    monkeypatch.setattr(table, "ProgressBar", Recorded)
    stopped = invoke(command, "--out", "kept")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert "same command" in stopped.stderr
    assert not Path("kept/zayan-mnist/model.safetensors").exists()
    steps.clear()
    monkeypatch.setattr(Recorded, "stops", False)
    again = rows(invoke(command, "--out", "kept").stdout)
    assert {name for name, _ in steps} == {"zayan"}
    assert [row[:8] for row in again] == [row[:8] for row in whole]
    for name in ("mlp-mnist", "zayan-mnist"):
        before, now = (weights(tmp_path / folder / name) for folder in ("whole", "kept"))
        assert all(np.array_equal(before[tensor], now[tensor]) for tensor in before)


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        ("--model mlp", None),
        ("--model mlp --epochs 1", "was trained with epochs 1, not 2"),
        ("--model mlp --lr 0.01", "was trained with optimizer"),
        ("--model mlp --limit 500", "data are not those"),
        ("--model mlp --dtype float64", "dtype"),
        ("--model zayan --epochs 1", "another model"),
        ("--model mlp --engine compiled", "was trained on the compiled engine, not on numpy"),
        ("--from first --epochs 2 --lr 0.003 --augment shift=1", "weights of another network"),
    ],
)
def test_a_run_of_train_is_taken_into_the_table_if_it_is_the_same(
    invoke: Invoke, train: Invoke, trained: str, said: str | None
) -> None:
    if "--from" in trained:
        succeeded(train(f"train {AS_MNIST} --quiet --model mlp --out first"))
    succeeded(train(f"train {AS_MNIST} --quiet {trained} --out kept/mlp-mnist"))
    kept = {path.name: path.read_bytes() for path in Path("kept/mlp-mnist").glob("*.safetensors")}
    result = invoke("zoo mlp --out kept")
    if said is None:
        assert result.exit_code == 0
    else:
        refused(result, said)
    assert kept == {path.name: path.read_bytes() for path in Path("kept/mlp-mnist").glob("*.safetensors")}
