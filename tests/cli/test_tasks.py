"""A run of a yes/no network: the folder, its metrics and the commands that read it."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from training.made import stripes

import chainrule as cr
from chainrule.cli import main
from chainrule.data import load
from chainrule.runs import running
from chainrule.runs.jobs import DataChoice, Job
from chainrule.training.recipe import Recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yes-or-no")
    (x, y), (x_test, y_test) = stripes(300), stripes(90, 1)
    parts = {"x": x[y < 2], "y": y[y < 2], "x_test": x_test[y_test < 2], "y_test": y_test[y_test < 2]}
    np.savez(folder / "data.npz", **parts)
    training, test = load(str(folder / "data.npz"))
    layers = [cr.Flatten(), cr.Dense(8), cr.Tanh(), cr.Dense(1), cr.Sigmoid()]
    model = cr.Sequential(layers, (1, 8, 8), classes=training.classes, name="tall", engine="numpy")
    recipe = Recipe(epochs=3, loss=str(model.loss), validation=0.1)
    job = Job(model.about(), DataChoice(str(folder / "data.npz")), recipe, "numpy", 1)
    running.start(folder / "run", job, training, test)
    return folder / "run"


def invoke(words: Sequence[object]) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_commands_read_a_run_that_says_yes_or_no(run: Path) -> None:
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["task"] == "binary"
    assert len(evaluation["classes"]) == 2
    found = json.loads(invoke(["evaluate", run, "--json"]))
    assert found["accuracy"] == evaluation["accuracy"] > 0.9
    assert f"{100 * found['accuracy']:.2f} %" in invoke(["compare", run])
    for cell in ("loss.correct", "loss.y", "dense2.dw[0,3]"):
        assert cell in invoke(["explain", run, "--sample", 2, "--cell", cell, "--json"])
    assert (run / "confusion.png").is_file()
