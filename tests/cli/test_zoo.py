"""`chainrule zoo` with small data in place of the known data sets."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli.commands import answer, bars, refused, succeeded

from chainrule import data, zoo
from chainrule._io import files
from chainrule.cli import options
from chainrule.data.dataset import Dataset
from chainrule.errors import DataError
from chainrule.training.trainer import Callback
from chainrule.zoo import table

AS_MNIST = "--validation 0.02"  # as in the recipe; by default `train` holds back more of data as small as these


def small(name: str, samples: int) -> Dataset:
    """Return bars in place of MNIST or CIFAR-10."""
    x, y = bars(samples, size=32 if name == "cifar10" else 28)
    images = np.repeat(x[:, None], 3, axis=1) if name == "cifar10" else x[:, None]
    return Dataset(images, y.astype(np.int64), tuple("0123456789"), name, "made up")


@pytest.fixture
def known(monkeypatch):
    """Provide small versions of the known data sets, and record the requests for them."""
    asked, original = [], data.load

    def load(name, **options):
        if name not in ("mnist", "cifar10"):
            return original(name, **options)  # drawn by this library
        asked.append((name, options))
        return small(name, 1100), small(name, 100)

    monkeypatch.setattr(data, "load", load)
    monkeypatch.setattr(table, "QUICK_IMAGES", 64)
    return asked


@pytest.mark.thorough
def test_quick_tries_every_network(invoke, known):
    """Rows of networks that are not tried again are kept on the page."""
    words = "zoo --quick --json --markdown zoo.md --quiet --offline"
    result = invoke(words, *zoo.NAMED)
    assert result.stderr == ""
    rows = answer(result)
    tried = {entry.name: [target.data for target in entry.targets] or [entry.choice.name] for entry in zoo.ENTRIES}
    assert [(row["name"], row["data"]) for row in rows] == [(name, data) for name in tried for data in tried[name]]
    for row in rows:
        assert 0 <= row["reached"] <= 1
        assert row["parameters"] > 0
    assert all(options["offline"] and not options["progress"] for _, options in known)
    page = Path("zoo.md").read_text(encoding="utf-8")
    Path("zoo.md").write_text(f"<!-- table -->\n{page.replace(' zayan ', ' gone ')}<!-- end of table -->\n")
    invoke("zoo mlp --markdown zoo.md --quiet --quick")
    again = Path("zoo.md").read_text(encoding="utf-8")
    names = re.findall(r"^\| ([a-z][\w-]*) \|", again, re.M)[1:]
    assert names == [row["name"] for row in rows if row["name"] != "zayan"] + ["gone"]


def test_a_figure_that_is_missed_exits_with_1(invoke, monkeypatch):
    """Train on noise, which cannot be learned."""
    noise = np.random.default_rng(3).integers(0, 255, (64, 1, 28, 28)).astype(np.uint8)
    made_up = Dataset(noise, np.arange(64) % 10, tuple("0123456789"), "mnist")
    monkeypatch.setattr(data, "load", lambda name, **options: (made_up.take(32), made_up.take(np.arange(32, 64))))
    result = invoke("zoo zayan")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].endswith("missed")
    assert "zayan: test accuracy" in result.stderr


def test_cifar10_is_skipped_where_it_cannot_be_had(invoke, known, monkeypatch):
    small_data = data.load

    def load(name, **options):
        if name == "cifar10":
            raise DataError("cifar10 could not be downloaded: no network")
        return small_data(name, **options)

    monkeypatch.setattr(data, "load", load)
    command = "zoo venchislaw --quick --quiet"
    result = invoke(command)
    assert result.exit_code == 0
    assert (
        result.stdout.splitlines()[-1] == "venchislaw on cifar10: skipped: cifar10 could not be downloaded: no network"
    )
    refused(invoke(command, "--cifar10"), "no network")
    assert "cifar10" not in invoke(command, "--no-cifar10").stdout


def weights(folder):
    return files.read_tensors(folder / "model.safetensors", "model")[0]


def test_an_interrupted_table_goes_on(invoke, known, monkeypatch, tmp_path):
    """Interrupt the second of two networks; both must end as if nothing had happened, and the first be only read."""
    command = "zoo mlp photo-cnn --quick --json --quiet"
    whole, steps = answer(invoke(command, "--out", "whole")), []

    class Recorded(Callback):
        def __init__(self, title, last):
            self.title, self.last = title, last

        def stepped(self, trainer, outcome, samples):
            steps.append((self.title, len(trainer.history)))
            trainer.stop = steps[-1] == ("photo-cnn on mnist", self.last)

    monkeypatch.setattr(options, "run_callbacks", lambda title, quiet: [Recorded(title, 1)])
    stopped = invoke(command, "--out", "kept")
    assert (stopped.exit_code, stopped.stdout) == (130, "")
    assert "same command" in stopped.stderr
    assert not Path("kept/photo-cnn-mnist/model.safetensors").exists()
    steps.clear()
    monkeypatch.setattr(options, "run_callbacks", lambda title, quiet: [Recorded(title, None)])
    rows = answer(invoke(command, "--out", "kept"))
    assert steps == [("photo-cnn on mnist", 2)]
    assert [row["reached"] for row in rows] == [row["reached"] for row in whole]
    for name in ("mlp-mnist", "photo-cnn-mnist"):
        before, now = (weights(tmp_path / folder / name) for folder in ("whole", "kept"))
        assert all(np.array_equal(before[tensor], now[tensor]) for tensor in before)


def test_a_run_of_train_is_taken_into_the_table(invoke, known, tmp_path):
    run = tmp_path / "kept/mlp-mnist"
    invoke(f"train {AS_MNIST} --model mlp --quiet --out", run)
    before = weights(run)
    seconds = float((run / "history.csv").read_text().splitlines()[-1].rpartition(",")[2])
    said = json.loads((run / "evaluation.json").read_text())
    rows = answer(invoke("zoo mlp --json --quiet --out kept"))
    assert [(row["seconds"], row["reached"]) for row in rows] == [(seconds, said["accuracy"])]
    assert all(np.array_equal(before[tensor], values) for tensor, values in weights(run).items())


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        ("--model mlp --epochs 1", "was trained with epochs 1, not 2"),
        ("--model mlp --lr 0.01", "was trained with optimizer"),
        ("--model mlp --limit 500", "data are not those"),
        ("--model mlp --dtype float64", "dtype"),
        ("--model zayan --epochs 1", "another model"),
        ("--model mlp --engine compiled", "was trained on the compiled engine, not on numpy"),
        ("--from first --epochs 2 --lr 0.003 --augment shift=1", "weights in its start.safetensors"),
    ],
)
def test_another_run_is_refused(invoke, known, trained, said):
    command = f"train {AS_MNIST} --quiet"
    if "--from" in trained:
        succeeded(invoke(f"{command} --model mlp --out first"))
    succeeded(invoke(f"{command} {trained} --out kept/mlp-mnist"))
    kept = {path.name: path.read_bytes() for path in Path("kept/mlp-mnist").iterdir()}
    refused(invoke("zoo mlp --quiet --out kept"), said)
    assert kept == {path.name: path.read_bytes() for path in Path("kept/mlp-mnist").iterdir()}
