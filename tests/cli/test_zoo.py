"""`chainrule zoo` with small data in place of the known data sets."""

import json

import numpy as np
import pytest
from cli.commands import bars, refused

from chainrule import data, zoo, zoo_table
from chainrule.data.dataset import Dataset
from chainrule.errors import DataError
from chainrule.runs import running

ENGINE = ("--engine", "numpy", "--threads", 1)


def small(name: str, samples: int) -> Dataset:
    """Return bars in place of MNIST or CIFAR-10."""
    x, y = bars(samples, size=32 if name == "cifar10" else 28)
    images = np.repeat(x[:, None], 3, axis=1) if name == "cifar10" else x[:, None]
    return Dataset(images, y.astype(np.int64), tuple("0123456789"), name, "made up")


@pytest.fixture
def known(monkeypatch):
    """Provide small versions of the known data sets, and record the requests for them."""
    asked = []

    def load(name, **options):
        asked.append((name, options))
        return small(name, 1100), small(name, 100)

    monkeypatch.setattr(data, "load", load)
    monkeypatch.setattr(running, "draw", lambda *arguments: None)  # drawing figures takes longer than training here
    monkeypatch.setattr(zoo_table, "QUICK_IMAGES", 64)
    return asked


def test_quick_tries_every_network(invoke, known, tmp_path):
    result = invoke("zoo", "--quick", *ENGINE, "--json", "--markdown", "zoo.md", "--quiet", "--offline")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = json.loads(result.stdout)
    tried = {entry.name: [target.data for target in entry.targets] or [entry.choice.name] for entry in zoo.ENTRIES}
    expected = [(name, data) for name, several in tried.items() for data in several]
    assert [(row["name"], row["data"]) for row in rows] == expected
    for row in rows:
        assert 0 <= row["reached"] <= 1
        assert row["parameters"] > 0
        assert not row["missed"]
    page = (tmp_path / "zoo.md").read_text(encoding="utf-8")
    assert page.count("\n|") == len(rows) + 1
    assert "| figure of the source | must reach | reached |" in page
    assert "numpy engine" in page
    assert "Python 3" in page
    assert all(options["offline"] and not options["progress"] for _, options in known)
    assert list(tmp_path.iterdir()) == [tmp_path / "zoo.md"]


def test_a_figure_that_is_missed_exits_with_1(invoke, monkeypatch):
    """Train on noise, which cannot be learned."""
    noise = np.random.default_rng(3).integers(0, 255, (64, 1, 28, 28)).astype(np.uint8)
    made_up = Dataset(noise, np.arange(64) % 10, tuple("0123456789"), "mnist")
    monkeypatch.setattr(data, "load", lambda name, **options: (made_up.take(32), made_up.take(np.arange(32, 64))))
    result = invoke("zoo", "zayan", *ENGINE)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[1].endswith("missed")
    assert "zayan: test accuracy" in result.stderr


def test_the_judgement(monkeypatch):
    row = zoo_table.ZooRow("n", "s", 0, "mnist", 1, "–", 0.9, None, None)

    class Found:
        def __init__(self, accuracy, averaged=None):
            self.averaged = averaged and type("E", (), {"accuracy": averaged})
            self.evaluation = type("E", (), {"accuracy": accuracy})
            self.model = type("M", (), {"parameters": np.zeros(7)})
            self.seconds = 2.0

    mean = zoo_table._judge(row, [Found(0.8), Found(1.0)], quick=False)
    assert (mean.reached, mean.missed, mean.seconds, mean.note) == (pytest.approx(0.9), False, 2.0, "mean of 2 seeds")
    assert zoo_table._judge(row, [Found(0.89)], quick=False).missed
    assert not zoo_table._judge(row, [Found(0.89, averaged=0.91)], quick=False).missed  # a recipe with views
    assert not zoo_table._judge(row, [Found(0.89)], quick=True).missed


def test_cifar10_is_skipped_where_it_cannot_be_had(invoke, known, monkeypatch):
    given = data.load

    def load(name, **options):
        if name == "cifar10":
            raise DataError("cifar10 could not be fetched: no network")
        return given(name, **options)

    monkeypatch.setattr(data, "load", load)
    words = ("zoo", "venchislaw", "--quick", *ENGINE, "--quiet")
    result = invoke(*words)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "venchislaw on cifar10: skipped: cifar10 could not be fetched: no network"
    refused(invoke(*words, "--cifar10"), "no network")
    assert "cifar10" not in invoke(*words, "--no-cifar10").stdout


def test_runs_are_kept_where_asked(invoke, known, tmp_path):
    result = invoke("zoo", "mlp", "venchislaw", "--quick", *ENGINE, "--out", "kept")
    assert "mlp on mnist" in result.stderr
    names = {path.name for path in (tmp_path / "kept").iterdir()}
    assert names == {"mlp-mnist", "venchislaw-mnist", "venchislaw-cifar10"}
    refused(invoke("zoo", "mlp", "--quick", *ENGINE, "--out", "kept"), "not an empty folder")


def test_refused(invoke, tmp_path):
    refused(invoke("zoo", "lenet"), "known: independent-code")
    refused(invoke("zoo", "--engine", "cuda"), "known: numba, numpy, reference")
    refused(invoke("zoo", "mlp", "--markdown", "no/where.md"), "no/where.md")
