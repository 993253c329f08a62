"""`chainrule evaluate`: metrics of the test part, as a table and as JSON."""

import json
import shutil

import numpy as np
import pytest
from cli.commands import answer, bars, refused

from chainrule.data import load
from chainrule.runs.folder import MODEL
from chainrule.runs.loading import load as load_model

ENGINE = "--engine numpy"


def test_json_has_the_figures_of_the_test_part(invoke, finished, digits):
    """Compute them again from the model's predictions, class by class."""
    result = invoke(f"evaluate {ENGINE} --json", finished)
    assert (result.exit_code, result.stderr) == (0, "")
    found = answer(result)
    _, test = load(digits)
    predicted = load_model(finished, engine="numpy").predict(test.x).argmax(1)
    assert found["samples"] == len(test) == 40
    assert found["accuracy"] == pytest.approx((predicted == test.y).mean())
    assert found["loss"] > 0
    for label, row in enumerate(found["classes"]):
        assert row["class"] == str(label)
        assert row["samples"] == (test.y == label).sum()
        assert row["recall"] == pytest.approx((predicted[test.y == label] == label).mean())
        called = predicted == label
        precision = (test.y[called] == label).mean() if called.any() else None
        assert row["precision"] == (pytest.approx(precision) if called.any() else None)


def test_the_same_as_the_run_found_itself(invoke, finished):
    kept = json.loads((finished / "evaluation.json").read_text())
    found = answer(invoke(f"evaluate {ENGINE} --json", finished))
    assert {name: found[name] for name in kept} == kept


def test_a_model_file_of_a_run_and_one_alone(invoke, finished, digits, tmp_path):
    whole = answer(invoke(f"evaluate {ENGINE} --json", finished))
    file = answer(invoke(f"evaluate {ENGINE} --json", finished / MODEL))
    (tmp_path / "alone").mkdir()
    alone = shutil.copy(finished / MODEL, tmp_path / "alone")
    refused(invoke(f"evaluate {ENGINE}", alone), "--data")
    named = answer(invoke(f"evaluate {ENGINE} --json", alone, "--data", digits))
    assert whole["accuracy"] == file["accuracy"] == named["accuracy"]


def test_classes_are_found_by_name(invoke, tmp_path):
    """Match data with fewer classes in another order by class name."""
    x, y = bars(80, classes=4)
    names = np.array(["ant", "bee", "cat", "dog"])
    np.savez(tmp_path / "all.npz", x=x, y=y, classes=names)
    words = [f"train {ENGINE} --model mlp --data all.npz --out o --epochs 9 --quiet"]
    assert invoke(*words).exit_code == 0
    kept = np.flatnonzero(np.isin(y, (1, 3)))
    swapped = np.array(["dog", "bee"])
    np.savez(tmp_path / "two.npz", x=x[kept], y=np.where(y[kept] == 3, 0, 1), classes=swapped)
    found = answer(invoke(f"evaluate o {ENGINE} --data two.npz --json"))
    assert found["accuracy"] == 1.0
    assert [row["samples"] > 0 for row in found["classes"]] == [False, True, False, True]


def test_a_run_that_is_not_finished(invoke, finished):
    (finished / MODEL).unlink()
    found = invoke(f"evaluate {ENGINE}", finished)
    assert found.exit_code == 0
    assert found.stderr.splitlines() == [
        f"chainrule: {finished} is not finished: these are the weights of best.safetensors (epoch 4 of 4)"
    ]
