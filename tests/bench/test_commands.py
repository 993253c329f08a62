"""`python -m benchmarks`: options, tables and errors; the measurements are tested in the folder above."""

import importlib.util

import pytest
from cli.commands import answer, refused
from numerical import assert_close
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

from benchmarks import accuracy, peers

QUICK = "--rounds 1 --threads 1 --quiet"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Use the NumPy engine and no PyTorch, even where it is installed."""
    monkeypatch.setenv("CHAINRULE_ENGINE", "numpy")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None if name == "torch" else find_spec(name))


def test_missing_peers_are_rows(invoke):
    command = f"train --model mlp --batch 2 --peers torch,numpy {QUICK}"
    rows = answer(invoke(f"{command} --json"))
    assert [(row["kind"], row["model"], row["batch"], row["peer"]) for row in rows] == [
        ("train", "mlp", 2, name) for name in ("torch", "torch-channels-last", "numpy")
    ]
    assert all(min(row["ours"]["seconds"]) > 0 for row in rows)
    assert (rows[0]["theirs"], rows[0]["ratio"]) == (None, None)
    assert rows[0]["missing"] == "not installed (pip install torch)"
    assert (rows[2]["ratio"], rows[2]["missing"]) == (1.0, None)


def test_accuracy(invoke, tmp_path):
    rows = accuracy.results("iris", 2, lambda text: None)
    x, y = load_iris(return_X_y=True)
    expected = []
    for seed in range(2):
        x_train, x_test, y_train, y_test = train_test_split(x.astype("f4"), y, random_state=seed, stratify=y)
        expected.append(RandomForestClassifier(random_state=seed).fit(x_train, y_train).score(x_test, y_test))
    assert_close(rows["random forest"].scores, expected)
    assert set(rows) == {"chainrule", "MLP", "random forest"}
    assert all(len(row.seconds) == 2 and min(row.scores) > 0.85 for row in rows.values())
    assert invoke("accuracy --data diabetes --seeds 1 --quiet --markdown page.md").exit_code == 0
    row = (tmp_path / "page.md").read_text(encoding="utf-8").splitlines()[2].split("|")
    ours, theirs = (float(row[column].split()[0]) for column in (2, 4))  # R²
    assert theirs < 0 < ours < 1
    assert row[3] == " – "


def test_refused(invoke):
    refused(invoke("accuracy --data tides"), "'tides'", "digits")
    refused(invoke("train --model lenet-9"), "unknown model 'lenet-9'", "numpy-cnn")
    refused(invoke("train --peers jax"), "unknown peer 'jax'", "torch", "onnxruntime")
    refused(invoke("train --batch 0"), "--batch")
    refused(invoke("train --markdown no/where.md"), "no/where.md")
