"""`chainrule evaluate`: metrics of the test part, as a table and as JSON."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from cli.commands import answer, bars, refused, succeeded

import chainrule as cr
from chainrule.data import load
from chainrule.models.record import Record
from chainrule.runs.folder import MODEL


def test_the_same_as_the_run_found_itself_and_as_its_model_file(invoke, finished, tmp_path):
    kept = json.loads((finished / "evaluation.json").read_text())
    run, file = (answer(invoke("evaluate --json", path)) for path in (finished, finished / MODEL))
    assert run["samples"] == sum(row["samples"] for row in run["classes"]) == 40
    assert run | kept | {"run": ""} == run | {"run": ""} == file | {"run": ""}
    refused(invoke("evaluate", shutil.copy(finished / MODEL, tmp_path)), "--data")


def test_the_worst_of_many_classes_are_printed_and_all_are_written(invoke, tmp_path):
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 255, (180, 1, 4, 4), dtype=np.uint8), np.arange(180) % 60
    np.savez("many.npz", x=x, y=y)
    succeeded(invoke("train --model mlp --data many.npz --out o --epochs 5 --quiet"))
    _, table = invoke("evaluate o").stdout.split("\nclass ")
    rows = answer(invoke("evaluate o --json --classes mine.csv"))["classes"]
    heading, *lines = Path("mine.csv").read_text().splitlines()
    assert heading.startswith("class,precision,recall,f1")
    assert [line.split(",")[0] for line in lines] == [row["class"] for row in rows] == [*map(str, range(60))]
    assert (tmp_path / "o" / "classes.csv").read_text().splitlines() == [heading, *lines]
    printed = [line.split()[0] for line in table.splitlines()[1:11]]
    scores = {row["class"]: row["f1"] for row in rows if row["f1"] is not None}
    assert max(scores[name] for name in printed) <= min(f1 for name, f1 in scores.items() if name not in printed)


def test_calibration_on_the_validation_images_of_the_run(invoke):
    """The temperature lowers the loss, changes no answer, and is that of the written model."""
    x, y = bars(300)
    np.savez("noisy.npz", x=x, y=np.where(np.random.default_rng(1).random(300) < 0.7, y, 0))
    words = "train --model mlp --data noisy.npz --out o --epochs 9 --validation 0.2 --quiet"
    succeeded(invoke(words))
    before = answer(invoke("evaluate o --json"))
    after = answer(invoke("evaluate o --json --calibrated c.safetensors --reliability r.png"))
    assert after["accuracy"] == before["accuracy"]
    assert after["loss"] < before["loss"]
    assert after["temperature"] > 1
    assert Path("r.png").read_bytes().startswith(b"\x89PNG")
    _, test = load("noisy.npz")
    assert cr.load("c.safetensors").evaluate(test).loss == pytest.approx(after["loss"])
    words = "evaluate --data noisy.npz c.safetensors --calibrated d.safetensors"
    refused(invoke(words), "--calibrated and --tuned require a run")


def test_thresholds_mistakes_and_curves(invoke, tmp_path):
    """The written model decides as the one that is tuned in Python, and the lists are those of its evaluation."""
    draw = np.random.default_rng(0)
    x, labels = draw.integers(0, 255, (150, 1, 5, 4), dtype=np.uint8), draw.random((150, 3)) < 0.25
    np.savez("many.npz", x=x, targets=labels.astype(int), classes=["a", "b", "c"])
    words = "train --model mlp --data many.npz --out o --epochs 3 --validation 0.3 --quiet"
    succeeded(invoke(words))
    options = "--tuned t.safetensors --mistakes m.csv --roc r.png --precision-recall p.png"
    report = answer(invoke(f"evaluate o --json {options}"))
    (training, test), model = load("many.npz"), cr.load("o")
    validation = Record.of(model).read(training).parts(0.3, 0)[1]
    assert report["thresholds"] == [*model.tune_thresholds(validation.source.inputs, validation.targets.values)]
    evaluation, tuned = model.evaluate(test), cr.load("t.safetensors")
    assert report["exact_match"] == evaluation.exact_match
    assert tuned.predict_classes(test.x) == model.predict_classes(test.x)
    rows = Path("m.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["image", *(f"sample {row.sample}" for row in evaluation.mistakes)]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in ("r.png", "p.png"))
    refused(invoke("evaluate o --tuned t.safetensors --tuned-for area"), "area")
