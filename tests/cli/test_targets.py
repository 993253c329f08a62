"""`chainrule train` on targets: the network's end and its loss, weights, and the commands that read the run."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import Invoke, answer, refused, succeeded
from numerical import assert_close
from PIL import Image

import chainrule as cr
from chainrule.data import load
from chainrule.runs import jobs

RNG = np.random.default_rng(2)
MLP = "--model mlp --engine numpy --quiet --threads 1"


# task → network, its targets for a number 0 … 2, their names, loss, metric
TASKS: dict[str, tuple[str, Callable[[Any], Any], list[str], str, str]] = {
    "binary": ("net.toml", lambda k: k % 2, ["dark", "bright"], "binary_cross_entropy", "accuracy"),
    "multi-label": (
        "mlp",
        lambda k: np.stack([k == 0, k > 0, k == 2], 1).astype(int),
        ["top", "middle", "bottom"],
        "binary_cross_entropy",
        "label_accuracy",
    ),
    "regression": ("mlp", lambda k: np.stack([k / 2, 1 - k], 1), ["row", "column"], "huber", "mean_absolute_error"),
}


def predict_agrees(invoke: Invoke, run: Any, x: np.ndarray, task: str) -> None:
    """Predict larger images, with a table of raw outputs where there is no single class, and an unreadable file."""
    files, names = [f"{number}.png" for number in range(9)], run.classes
    for file, image in zip(files, x, strict=False):
        Image.fromarray(image).resize((35, 24), 0).save(file)
    words = ("predict run", *files)
    report, predicted = answer(invoke(*words, "--json")), run.predict_classes(files)
    if task == "binary":
        assert [(entry["class"], len(entry["runners_up"])) for entry in report] == [(name, 1) for name in predicted]
        return
    labels, numbers = ["labels"] * (task == "multi-label"), slice(1, 1 + len(names))
    assert {(*entry, *entry["outputs"]) for entry in report} == {("image", "outputs", *labels, *names)}
    outputs = np.array([list(entry["outputs"].values()) for entry in report])
    assert_close(outputs, run.predict(x[:9, None]), error=0.05)  # the resized images differ a little
    Path("damaged.png").write_bytes(b"no image")
    assert invoke(*words, "damaged.png", "--csv", "table.csv").exit_code == 2
    heading, *rows, last = csv.reader(Path("table.csv").read_text(encoding="utf-8-sig").splitlines())
    assert heading == ["file", *names, *labels, "problem"]
    assert_close([[float(cell) for cell in row[numbers]] for row in rows], outputs)
    assert invoke(*words).stdout.splitlines()[0].split() == ["image", *names, *labels]
    assert last[numbers] == [""] * len(names)
    if labels:
        assert predicted == [tuple(entry["labels"]) for entry in report]
        assert [row[-2] for row in rows] == [", ".join(labels) for labels in predicted]
    else:
        assert_close(predicted, outputs)


@pytest.mark.parametrize("task", TASKS)
def test_the_weights_are_those_of_fit(invoke: Invoke, task: str) -> None:
    """Train by the command and in Python with what its config records; read the run by every command."""
    network, targets_of, names, loss, metric = TASKS[task]
    is_binary = task == "binary"
    k = RNG.integers(0, 2 if is_binary else 3, 80)
    x = (RNG.integers(0, 40, (80, 6, 7)) + 100 * k[:, None, None]).astype(np.uint8)
    arrays = {"y" if is_binary else "targets": targets_of(k), "weights": RNG.integers(1, 4, 80)}
    np.savez("data.npz", x=x, classes=names, **arrays)
    Path("net.toml").write_text('layers = ["Flatten()", "Dense(1)", "Sigmoid()"]')
    shared = f"--data data.npz --model {network} --engine numpy --quiet --threads 1 --validation 0"
    shared += f" --normalization scale --augment none {'--loss huber' if loss == 'huber' else ''}"
    options = f"{shared} --schedule constant --lr 0.03"
    trained = answer(invoke(f"train --epochs 20 --json --out run {options}"))
    run = cr.load("run")
    assert (trained["task"], run.classes, run.loss) == (task, tuple(names), loss)
    assert trained[metric] < 0.2 if task == "regression" else trained[metric] > 0.8
    training, test = load("data.npz")
    model = cr.Sequential(run.layers, run.input_shape, threads=1, seed=run.seed, loss=run.loss, classes=run.classes)
    model.reset(run.seed)
    y: Any = [names[label] for label in training.y] if is_binary else training.y
    recipe = jobs.read_job(Path("run")).recipe
    kept = {name: getattr(recipe, name) for name in ("epochs", "batch_size", "normalization", "optimizer")}
    model.fit(training.x, y, sample_weight=training.weights, progress=False, **kept)
    np.testing.assert_array_equal(model.parameters, run.parameters)
    assert_close(trained[metric], getattr(model.evaluate(test.x, test.y), metric))
    assert_close(answer(invoke("evaluate run --json"))[metric], trained[metric])
    predict_agrees(invoke, run, x, task)
    curve = answer(invoke(f"find-lr --low 1e-9 --high 1e-8 --steps 10 --json {shared} --normalization scale"))
    assert_close(curve["losses"][0], np.genfromtxt("run/history.csv", delimiter=",", names=True)[0]["loss"])
    if is_binary:
        assert f"{100 * trained['accuracy']:.2f} %" in invoke("compare run").stdout
        for cell in ("loss.correct", "loss.y", "dense1.dw[0,3]"):
            assert cell in invoke("explain run --sample 2 --json --cell", cell).stdout
        Path("net.toml").write_text('layers = ["Flatten()", "Dense(1)"]')
        refused(invoke(f"train --out never {options}"), "has 1 output, but the data have 2 classes")
    else:
        assert all(name in invoke("evaluate run").stdout for name in names)
        succeeded(invoke("train --resume run --epochs 21 --quiet"))
        refused(invoke("explain run --sample 0 --cell loss.y"), "targets instead of classes")
        words = f"train {options} --out never"
        refused(invoke(words, "--class-weight", "balanced"), "class weights require classes")
        refused(invoke(words, "--loss", "categorical-cross-entropy"), "categorical_cross_entropy", "labels")


@pytest.mark.parametrize(("choice", "task"), [("", "classification"), ("--regression", "regression")])
def test_whole_numbers_are_classes_unless_said(invoke: Invoke, tmp_path: Path, choice: str, task: str) -> None:
    """Train, evaluate and evaluate other data with the kind of targets that the run records."""
    Path("levels").mkdir()
    for number in range(60):
        image = RNG.integers(0, 40, (7, 9)) + 90 * (number % 2)
        Image.fromarray(image.astype(np.uint8)).save(f"levels/{number}.png")
    lines = ["image;level", *(f"{number};{number % 2}" for number in range(60))]
    (tmp_path / "levels" / "targets.csv").write_text("\n".join(lines))
    shutil.copytree("levels", "others")
    inspected = answer(invoke(f"data inspect --json levels {choice}"))
    assert inspected.items() >= {"images": 60, "shape": [1, 7, 9]}.items()
    assert ("targets" in inspected) == (task == "regression")
    trained = answer(invoke(f"train {MLP} --epochs 20 --out run --json --data levels {choice}"))
    assert trained["task"] == task
    for data in ("", "--data others"):
        evaluated = answer(invoke(f"evaluate run --json {data}"))
        assert evaluated["accuracy"] > 0.9 if task == "classification" else evaluated["mean_absolute_error"] < 0.2
