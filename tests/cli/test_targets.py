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

RNG = np.random.default_rng(2)
MLP = "--model mlp --engine numpy --quiet --threads 1"


# task → network, its targets for a number 0 … 2, their names, loss, metric
TASKS: dict[str, tuple[str, Callable[[Any], Any], list[str], str, str]] = {
    "binary": ("net.py", lambda k: k % 2, ["dark", "bright"], "binary_cross_entropy", "accuracy"),
    "multi-label": (
        "mlp",
        lambda k: np.stack([k == 0, k > 0, k == 2], 1).astype(int),
        ["top", "middle", "bottom"],
        "binary_cross_entropy",
        "label_accuracy",
    ),
    "regression": ("mlp", lambda k: np.stack([k / 2, 1 - k], 1), ["row", "column"], "huber", "mean_absolute_error"),
}


def assert_predictions(invoke: Invoke, run: Any, images: np.ndarray, task: str) -> None:
    """Compare the answers of `predict`, and its table of raw outputs where there is no single class, with Python's."""
    files, names = [f"{number}.png" for number in range(9)], run.classes
    for file, image in zip(files, images, strict=False):
        Image.fromarray(image).save(file)
    report, predicted = answer(invoke("predict run --json", *files)), run.predict_classes(files)
    if task == "binary":
        assert [(entry["class"], len(entry["runners_up"])) for entry in report] == [(name, 1) for name in predicted]
        return
    outputs = [[entry["outputs"][name] for name in names] for entry in report]
    assert_close(outputs, run.predict(images[:9, None]))
    succeeded(invoke("predict run --csv table.csv", *files))
    rows = [*csv.DictReader(Path("table.csv").read_text(encoding="utf-8-sig").splitlines())]
    assert_close([[float(row[name]) for name in names] for row in rows], outputs)
    if task == "multi-label":
        assert predicted == [tuple(entry["labels"]) for entry in report]
        assert [row["labels"] for row in rows] == [", ".join(labels) for labels in predicted]
    else:
        assert_close(predicted, outputs)


@pytest.mark.parametrize("task", TASKS)
def test_every_command_knows_the_task_of_a_run(invoke: Invoke, task: str) -> None:
    network, targets_of, names, loss, metric = TASKS[task]
    is_binary = task == "binary"
    k = RNG.integers(0, 2 if is_binary else 3, 80)
    x = (RNG.integers(0, 40, (80, 6, 7)) + 100 * k[:, None, None]).astype(np.uint8)
    arrays = {"y" if is_binary else "targets": targets_of(k), "weights": RNG.integers(1, 4, 80)}
    np.savez("data.npz", x=x, classes=names, **arrays)
    Path("net.py").write_text("import chainrule as cr\nnet = [cr.Flatten(), cr.Dense(1), cr.Sigmoid()]")
    options = f"--data data.npz --model {network} --engine numpy --quiet --validation 0 --normalization scale"
    options += f" --augment none --schedule constant --lr 0.03 {'--loss huber' if loss == 'huber' else ''}"
    trained = answer(invoke(f"train --epochs 20 --json --out run {options}"))
    run = cr.load("run")
    assert (trained["task"], run.classes, run.loss) == (task, tuple(names), loss)
    assert trained[metric] < 0.2 if task == "regression" else trained[metric] > 0.8
    _, test = load("data.npz")
    assert_close(trained[metric], getattr(run.evaluate(test.x, test.y), metric))
    assert_close(answer(invoke("evaluate run --json"))[metric], trained[metric])
    assert_predictions(invoke, run, x, task)
    if is_binary:
        for cell in ("loss.correct", "loss.y", "dense1.dw[0,3]"):
            assert cell in invoke("explain run --sample 2 --json --cell", cell).stdout
        Path("net.py").write_text("import chainrule as cr\nnet = [cr.Flatten(), cr.Dense(1)]")
        refused(invoke(f"train --out never {options}"), "has 1 output, but the data have 2 classes")
    else:
        assert all(name in invoke("evaluate run").stdout for name in names)
        succeeded(invoke("train --resume run --epochs 21 --quiet"))
        assert "loss.y" in invoke("explain run --sample 0 --cell loss.y").stdout
        words = f"train {options} --out never"
        balanced = invoke(f"train {options} --epochs 1 --out balanced", "--class-weight", "balanced")
        if task == "regression":
            refused(balanced, "class weights balanced: expected labels of classes")
        else:
            succeeded(balanced)
        refused(invoke(words, "--loss", "categorical-cross-entropy"), "categorical_cross_entropy", "labels")


@pytest.mark.parametrize(("column", "task"), [("label", "classification"), ("level", "regression")])
def test_the_column_of_a_table_says_what_it_contains(invoke: Invoke, column: str, task: str) -> None:
    """Train, evaluate and evaluate other data with the same whole numbers as names of classes and as numbers."""
    Path("levels").mkdir()
    for number in range(60):
        image = RNG.integers(0, 40, (7, 9)) + 90 * (number % 2)
        Image.fromarray(image.astype(np.uint8)).save(f"levels/{number}.png")
    rows = [f"{number}.png,{number % 2 * (1 if column == 'label' else 3)}" for number in range(60)]
    Path("levels/labels.csv").write_text("\n".join([f"file,{column}", *rows]))
    shutil.copytree("levels", "others")
    trained = answer(invoke(f"train {MLP} --epochs 20 --out run --json --data levels"))
    assert trained["task"] == task
    for data in ("", "--data others"):
        evaluated = answer(invoke(f"evaluate run --json {data}"))
        assert evaluated["accuracy"] > 0.9 if task == "classification" else evaluated["mean_absolute_error"] < 0.6
