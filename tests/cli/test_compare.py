"""`chainrule compare`."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli.commands import answer, refused, succeeded
from numerical import assert_close
from PIL import Image

from chainrule.cli.output import MISSING
from chainrule.runs.folder import HISTORY, MODEL


@pytest.fixture
def second(invoke, digits, tmp_path):
    """Train another network with another optimizer."""
    Path("single.toml").write_text('layers = ["Flatten()", "Dense(classes)", "Softmax()"]')
    words = ["train --model single.toml --engine numpy --epochs 2 --lr 0.5 --data", digits]
    words += ["--optimizer", "sgd"]
    succeeded(invoke(*words, "--out", "second", "--quiet"))
    return tmp_path / "second"


def _column(run, name):
    """Return the numbers in a column of a run's history, of the epochs that have one."""
    with (run / HISTORY).open() as lines:
        return [float(row[name]) for row in csv.DictReader(lines) if row[name]]


def test_json_and_table(invoke, finished, second):
    result = invoke("compare --json", finished, second)
    assert (result.exit_code, result.stderr) == (0, "")
    first, two = answer(result)
    kept = json.loads((finished / "evaluation.json").read_text())
    assert (first["run"], first["model"], first["parameters"], first["epochs"]) == (str(finished), "mlp", 101_770, 4)
    assert (two["model"], two["parameters"], two["epochs"]) == ("single", 7_850, 2)
    assert first["accuracy"] == kept["accuracy"]
    assert first["seconds"] > 0
    assert_close(first["samples_per_second"], 4 * 128 / first["seconds"])
    assert first["best_validation_accuracy"] == max(_column(finished, "validation_accuracy"))
    assert two["best_validation_accuracy"] is None
    assert first["differing"]["optimizer.learning_rate"] == 0.003
    assert (two["differing"]["optimizer"], two["differing"]["optimizer.learning_rate"]) == ("sgd", 0.5)
    assert "engine" not in first["differing"]
    table = invoke("compare", finished, second).stdout
    assert "101,770" in table
    rows = [line.split() for line in table.splitlines()]
    assert ["optimizer.learning_rate", "0.003", "0.5"] in rows
    assert ["optimizer.beta1", "0.9", MISSING] in rows


def test_best_error(invoke, tmp_path):
    x = np.arange(200, dtype=np.float32).reshape(50, 1, 2, 2)
    np.savez("sums.npz", x=x, targets=x.sum((2, 3)), classes=["sum"])
    command = "train --quiet --data sums.npz --model mlp --engine numpy --epochs 3 --validation 0.2 --out run"
    succeeded(invoke(command))
    (result,) = answer(invoke("compare run --json"))
    errors = _column(tmp_path / "run", "validation_mean_absolute_error")
    assert result["best_validation_mean_absolute_error"] == min(errors) < max(errors)


def test_a_run_that_has_just_begun(invoke, finished):
    for name in (MODEL, "evaluation.json"):
        (finished / name).unlink()
    heading = (finished / HISTORY).read_text().splitlines(keepends=True)
    (finished / HISTORY).write_text("".join(heading[:3]) + "3,1,0.0")
    refused(invoke("compare", finished), HISTORY, "changed", "evaluation.json", "removed")
    actual = answer(invoke("compare --json --accept-changes", finished))[0]
    assert (actual["epochs"], actual["loss"], actual["accuracy"], actual["seconds"]) == (0, None, None, None)


def test_picture_of_equal_runs(invoke, finished, tmp_path):
    again = shutil.copytree(finished, "again")
    *_, said, _, picture = invoke("compare --picture curves.png", finished, again).stdout.splitlines()
    assert (said, picture) == ("all options are the same", "curves.png")
    with Image.open(tmp_path / "curves.png") as opened:
        assert opened.format == "PNG"
