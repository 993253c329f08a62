"""`chainrule evaluate`: metrics of the test part, as a table and as JSON."""

import json
import shutil

import numpy as np
import pytest
from cli.commands import answer, bars, refused
from PIL import Image

import chainrule as cr
from chainrule.data import load
from chainrule.models.reading import Reading, training_data
from chainrule.runs.folder import MODEL

ENGINE = "--engine numpy"


def test_the_same_as_the_run_found_itself_and_as_its_model_file(invoke, finished, tmp_path):
    kept = json.loads((finished / "evaluation.json").read_text())
    run, file = (answer(invoke(f"evaluate {ENGINE} --json", path)) for path in (finished, finished / MODEL))
    assert run["samples"] == sum(row["samples"] for row in run["classes"]) == 40
    assert run | kept | {"run": ""} == run | {"run": ""} == file | {"run": ""}
    refused(invoke(f"evaluate {ENGINE}", shutil.copy(finished / MODEL, tmp_path)), "--data")


def test_the_worst_of_many_classes_are_printed_and_all_are_written(invoke, tmp_path):
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 255, (180, 1, 4, 4), dtype=np.uint8), np.arange(180) % 60
    np.savez(tmp_path / "many.npz", x=x, y=y)
    assert invoke(f"train {ENGINE} --model mlp --data many.npz --out o --epochs 5 --quiet").exit_code == 0
    result = invoke(f"evaluate o {ENGINE}")
    rows = answer(invoke(f"evaluate o {ENGINE} --json"))["classes"]
    lines = (tmp_path / "o" / "classes.csv").read_text().splitlines()
    assert lines[0].split(",")[:4] == ["class", "precision", "recall", "f1"]
    assert [line.split(",")[0] for line in lines[1:]] == [row["class"] for row in rows] == [*map(str, range(60))]
    heading = next(n for n, line in enumerate(result.stdout.splitlines()) if line.startswith("class "))
    printed = [line.split()[0] for line in result.stdout.splitlines()[heading + 1 : heading + 12] if line]
    known = {row["class"]: row["f1"] for row in rows if row["f1"] is not None}
    assert len(printed) == 10
    assert max(known[name] for name in printed) <= min(f1 for name, f1 in known.items() if name not in printed)
    assert invoke(f"evaluate o {ENGINE} --json --classes mine.csv").exit_code == 0
    assert (tmp_path / "mine.csv").read_text().splitlines() == lines


def test_calibration_on_the_validation_images_of_the_run(invoke, finished, digits, tmp_path):
    """The written model is that of `Model.calibrate` on the images held out by the run."""
    files = tmp_path / "calibrated.safetensors", tmp_path / "reliability.png"
    options = ("--calibrated", files[0], "--reliability", files[1])
    x, y = bars(300)
    np.savez(tmp_path / "noisy.npz", x=x, y=np.where(np.random.default_rng(1).random(300) < 0.7, y, 0))
    words = f"train {ENGINE} --model mlp --data noisy.npz --out o --epochs 9 --validation 0.2 --quiet"
    assert invoke(words).exit_code == 0
    before = answer(invoke(f"evaluate o {ENGINE} --json"))
    after = answer(invoke(f"evaluate o {ENGINE} --json", *options))
    assert after["accuracy"] == before["accuracy"]
    assert after["loss"] < before["loss"]
    assert after["temperature"] > 1
    assert files[1].read_bytes().startswith(b"\x89PNG")
    training, test = load("noisy.npz")
    np.savez("split.npz", x=training.x, y=training.y, x_test=test.x, y_test=test.y)
    named = answer(invoke(f"evaluate {ENGINE} --json --data split.npz", files[0]))
    assert named["loss"] == pytest.approx(after["loss"])
    assert "temperature" in invoke(f"evaluate o {ENGINE}", *options).stdout
    refused(invoke(f"evaluate {ENGINE} --data noisy.npz", files[0], *options), "--calibrated and --tuned require a run")


def test_thresholds_mistakes_and_curves(invoke, tmp_path):
    """The written model decides as the one that is tuned in Python, and the lists are those of its evaluation."""
    draw = np.random.default_rng(0)
    x, labels = draw.integers(0, 255, (150, 1, 5, 4), dtype=np.uint8), draw.random((150, 3)) < 0.25
    np.savez("many.npz", x=x, targets=labels.astype(int), classes=["a", "b", "c"])
    words = f"train {ENGINE} --model mlp --data many.npz --out o --epochs 3 --validation 0.3 --quiet"
    assert invoke(words).exit_code == 0
    options = "--tuned t.safetensors --mistakes m.csv --roc r.png --precision-recall p.png"
    found = answer(invoke(f"evaluate o {ENGINE} --json {options}"))
    (training, test), model = load("many.npz"), cr.load("o", engine="numpy")
    validation = training_data(model, training, None, Reading()).parts(0.3, 0)[1]
    assert found["thresholds"] == [*model.tune_thresholds(validation.x, validation.targets)]
    evaluation = model.evaluate(test)
    assert found["exact_match"] == evaluation.exact_match
    rows = (tmp_path / "m.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["image", *(f"sample {row.sample}" for row in evaluation.mistakes)]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("r.png", "p.png"))
    Image.fromarray(test.x[0, 0]).save("0.png")
    (predicted,) = answer(invoke(f"predict t.safetensors 0.png {ENGINE} --json"))
    assert [tuple(predicted["labels"])] == cr.load("t.safetensors", engine="numpy").predict_classes(test.x[:1])
    refused(invoke(f"evaluate o {ENGINE} --tuned t.safetensors --tuned-for area"), "area")
