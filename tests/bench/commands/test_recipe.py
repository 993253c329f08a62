"""`python -m benchmarks recipe`: its table, finished runs, and their mean."""

from dataclasses import replace

import numpy as np
import pytest
from cli.commands import refused

from chainrule import data, zoo
from chainrule.data.dataset import Dataset
from chainrule.runs import running
from chainrule.runs.jobs import DataChoice, Job

WORDS = ("recipe", "--model", "mlp", "--peers", "none", "--threads", 1, "--quiet")


@pytest.fixture
def runs(monkeypatch, tmp_path):
    """Return three finished runs of mlp on a few images, which stand in for MNIST; the third for one epoch."""
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 255, (64, 1, 28, 28)).astype(np.uint8), np.arange(64) % 10
    made = Dataset(x, y, tuple("0123456789"), "mnist")
    monkeypatch.setattr(data, "load", lambda name, **options: (made, made))
    monkeypatch.setattr(running, "draw", lambda *arguments: None)
    entry = zoo.find("mlp")
    for seed, epochs in enumerate((2, 2, 1)):
        model = entry.build(seed=seed, engine="numpy", threads=1)
        job = Job(model.about(), DataChoice(), replace(entry.recipe, seed=seed, epochs=epochs), "numpy", 1)
        running.start(tmp_path / f"run{seed}", job, made, made)
    return tmp_path


def test_rows_of_runs_their_mean_and_new_trainings(invoke, runs):
    result = invoke(
        *WORDS, "--epochs", 1, "--epochs", 2, *(f"--run=run{seed}" for seed in range(3)), "--markdown", "page.md"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    page = (runs / "page.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page if line.startswith("| mlp")]
    trained = [f"chainrule train, seed {seed}" for seed in (2, 0, 1)]
    assert [row[2] for row in rows] == [*trained, "mean of 2 runs", "ours", "ours"]
    assert [row[3] for row in rows] == ["2 of 2", *["4 of 4"] * 3, "2 of 2", "4 of 4"]
    shares = [float(row[5].removesuffix(" %")) for row in rows]
    assert shares[3] == pytest.approx((shares[1] + shares[2]) / 2, abs=0.01)
    assert shares[5] == shares[1]  # the same seed, the same bits
    assert result.stdout.count("mlp") == 6


def test_the_first_steps(invoke, runs):
    row = invoke(*WORDS, "--steps", 1).stdout.splitlines()[1].split()
    assert row[:6] == ["mlp", "2", "ours", "1", "of", "4"]
    assert row[-1] == "–"


def test_refused(invoke, runs):
    refused(invoke(*WORDS, "--run", "nowhere"), "nowhere")
    refused(invoke("recipe", "--model", "zayan", "--quiet", "--run", "run0"), "run0", "zayan")
    refused(invoke("recipe", "--model", "lenet"), "unknown model 'lenet'")
