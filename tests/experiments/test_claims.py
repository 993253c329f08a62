"""`python -m experiments claims` on small data in place of MNIST and the others."""

import json

import numpy as np
from cli.commands import refused

from chainrule.data.dataset import Dataset
from chainrule.models.model import Sequential
from experiments.trials import TRIALS

SMALL = ("--engine", "numpy", "--quiet", "--epochs", 1, "--limit", 40)


def test_claims(invoke, tmp_path):
    words = ("claims", "position", "--seeds", 2, *SMALL, "--markdown", "claims.md")
    lines = invoke(*words).stdout.splitlines()
    assert lines[0].split()[:4] == ["question", "data", "setting", "parameters"]
    assert [line.split()[0] for line in lines[1:]] == ["position"] * 12
    assert lines[1].rstrip().endswith(("s", "ms"))
    assert "| CNN, moved by 4 | 12,810 |" in (tmp_path / "claims.md").read_text(encoding="utf-8")


def test_the_best_rate_of_a_claim_is_shown(invoke):
    words = ("claims", "order", "optimizer", "--seeds", 1, "--limit", 32, "--engine", "numpy", "--quiet")
    rows = json.loads(invoke(*words, "--epochs", 1, "--json").stdout)
    assert [row["question"] for row in rows] == ["order"] * 4 + ["optimizer"] * 3
    assert all("rate" in row["setting"] for row in rows[4:])
    assert all(len(row["accuracies"]) == 1 and 0 <= row["accuracies"][0] <= 1 for row in rows)


def test_every_trial_of_the_claims_can_be_built():
    for question, trials in TRIALS.items():
        assert len(trials()) > 1
        for trial in trials():
            assert trial.question == question
            shape = {"cifar10": (3, 32, 32)}.get(trial.data, (1, 28, 28))
            images = Dataset(np.zeros((1, *shape), np.uint8), np.zeros(1, np.int64), ("a",))
            changed = trial.changed(images)
            model = Sequential(trial.layers(10), changed.shape, engine="numpy")
            assert model.output_shape == (10,)


def test_refused(invoke):
    refused(invoke("claims", "tides"), "tides", "pooling")
    refused(invoke("claims", "--seeds", 0), "--seeds")
    refused(invoke("claims", "--markdown", "no/where.md"), "no/where.md")
