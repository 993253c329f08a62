"""`chainrule train` on targets: the network's end and its loss, weights, and the commands that read the run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import Invoke, answer, refused
from numerical import assert_close
from PIL import Image

import chainrule as cr
from chainrule import zoo
from chainrule.data import load
from chainrule.network import tasks

RNG = np.random.default_rng(2)
MLP = "--model mlp --engine numpy --quiet --threads 1"


@pytest.fixture
def spots(tmp_path: Path) -> Path:
    """Write images of a bright spot, and its place as targets, with weights."""
    folder = tmp_path / "spots"
    (folder / "in").mkdir(parents=True)
    lines = ["file,row,column,weight"]
    for number in range(120):
        image, (i, j) = RNG.integers(0, 40, (12, 12)).astype(np.uint8), RNG.integers(1, 11, 2)
        image[i - 1 : i + 2, j - 1 : j + 2] = 255
        Image.fromarray(image).save(folder / "in" / f"{number}.png")
        lines.append(f"in/{number}.png,{i / 12},{j / 12},{1 + number % 3}")
    (folder / "targets.csv").write_text("\n".join(lines))
    return folder


def fit_as_recorded(model: Any, x: Any, y: Any, **options: Any) -> None:
    """Fit a model with what the config of the run records."""
    recipe = json.loads(Path("run/config.json").read_text())["recipe"]
    optimizer = {"optimizer": recipe["optimizer"]["name"], "learning_rate": recipe["optimizer"]["learning_rate"]}
    kept = {name: recipe[name] for name in ("epochs", "batch_size", "normalization")}
    model.fit(x, y, progress=False, **optimizer, **kept, **options)


@pytest.mark.parametrize("loss", [None, "huber"])
def test_numbers_to_predict(invoke: Invoke, spots: Path, tmp_path: Path, loss: str | None) -> None:
    """The weights are those that `fit` gives with the same samples and weights."""
    options = f"{MLP} --epochs 3 --validation 0 --normalization scale --schedule constant"
    options += f" --loss {loss}" if loss else ""
    result = invoke(f"train --out run --json {options} --data", spots)
    found = answer(result)
    assert found["task"] == "regression"
    run = cr.load(tmp_path / "run", engine="numpy")
    assert (run.classes, run.loss, run.last_layer) == (("row", "column"), loss or "mean_squared_error", "Dense")
    training, test = load(spots)
    again = cr.Sequential(run.layers, run.input_shape, engine="numpy", threads=1, seed=run.seed, loss=run.loss)
    again.reset(run.seed)
    fit_as_recorded(again, training.x, training.y, sample_weight=training.weights)
    np.testing.assert_array_equal(again.parameters, run.parameters)
    assert_close(found["mean_absolute_error"], again.evaluate(test.x, test.y).mean_absolute_error)
    assert invoke("train --resume run --epochs 4 --quiet").exit_code == 0
    assert "mean absolute error" in invoke("evaluate run").stdout
    assert invoke("predict run", spots / "in" / "0.png").stdout.split()[:3] == ["image", "row", "column"]
    refused(invoke("explain run --sample 0 --cell loss.y"), "targets instead of classes")


def test_several_labels(invoke: Invoke, tmp_path: Path) -> None:
    x, t = RNG.integers(0, 40, (80, 12, 12)).astype(np.uint8), RNG.integers(0, 2, (80, 3))
    for label in range(3):
        x[t[:, label] == 1, 4 * label : 4 * label + 3] += 150
    np.savez(tmp_path / "labels.npz", x=x, targets=t, classes=["top", "middle", "bottom"])
    result = invoke(f"train {MLP} --data labels.npz --epochs 5 --out run --json")
    found = answer(result)
    assert found["task"] == "multi-label"
    assert found["label_accuracy"] > 0.9
    run = cr.load(tmp_path / "run", engine="numpy")
    assert (run.last_layer, run.loss) == ("Sigmoid", "binary_cross_entropy")
    assert "middle" in invoke("evaluate run").stdout


@pytest.mark.parametrize("name", ["numpy-cnn", "resnet-8", "photo-cnn", "vanilla-cnn"])
def test_the_ends_of_named_networks(name: str) -> None:
    names = ("a", "b", "c")
    built = {
        task.name: zoo.find(name).build(None, names, task=task, engine="numpy", loss="mean_squared_error")
        for task in tasks.NAMED.values()
    }
    assert built["classification"].last_layer in ("Softmax", "Sigmoid")
    assert [built[task].last_layer for task in ("multi-label", "regression")] == ["Sigmoid", "Dense"]
    assert {model.output_shape for model in built.values()} == {(3,)}
    assert len({model.parameters.size for model in built.values()}) == 1


def test_two_classes_and_one_output(invoke: Invoke, tmp_path: Path) -> None:
    """The weights are those that `fit` gives for the names of the classes; the finder takes the same network."""
    x, y = np.random.default_rng(7).integers(0, 90, (60, 6, 6)).astype(np.uint8), np.arange(60) % 2
    x[y == 1] += 100
    np.savez(tmp_path / "two.npz", x=x, y=y, classes=["dark", "bright"])
    (tmp_path / "net.toml").write_text('layers = ["Flatten()", "Dense(1)", "Sigmoid()"]')
    shared = "--data two.npz --model net.toml --engine numpy --quiet --threads 1"
    options = f"{shared} --validation 0 --normalization scale --schedule constant --augment none --lr 0.03"
    result = invoke(f"train --epochs 20 --json --out run {options}")
    found = answer(result)
    assert found["task"] == "binary"
    assert found["accuracy"] > 0.8
    run = cr.load(tmp_path / "run", engine="numpy")
    assert (run.classes, run.loss) == (("dark", "bright"), "binary_cross_entropy")
    training, _ = load(tmp_path / "two.npz")
    again = cr.Sequential(run.layers, run.input_shape, engine="numpy", threads=1, seed=run.seed, classes=run.classes)
    again.reset(run.seed)
    fit_as_recorded(again, training.x, [run.classes[label] for label in training.y])
    np.testing.assert_array_equal(again.parameters, run.parameters)
    assert answer(invoke("evaluate run --json"))["accuracy"] == found["accuracy"]
    assert f"{100 * found['accuracy']:.2f} %" in invoke("compare run").stdout
    for cell in ("loss.correct", "loss.y", "dense1.dw[0,3]"):
        assert cell in invoke("explain run --sample 2 --json --cell", cell).stdout
    assert invoke(f"find-lr {shared}").exit_code == 0
    (tmp_path / "net.toml").write_text('layers = ["Flatten()", "Dense(1)"]')
    refused(invoke(f"train --out never {options}"), "has 1 output, but the data have 2 classes")


def test_the_learning_rate_finder_takes_targets(invoke: Invoke, spots: Path) -> None:
    """With the network's end, loss and weights of `chainrule train`: the first loss is that of its first step."""
    options = f"{MLP} --validation 0 --seed 2 --data"
    found = invoke(f"find-lr --low 1e-9 --high 1e-8 --steps 10 --json {options}", spots)
    assert found.exit_code == 0, found.output
    trained = invoke(f"train --epochs 1 --lr 1e-9 --out run {options}", spots)
    assert trained.exit_code == 0, trained.output
    first = np.genfromtxt("run/history.csv", delimiter=",", names=True)[0]["loss"]
    assert_close(answer(found)["losses"][0], first)


def test_what_is_refused(invoke: Invoke, spots: Path) -> None:
    words = [f"train {MLP} --epochs 1 --out never --data", spots]
    refused(invoke(*words, "--class-weight", "balanced"), "class weights require classes")
    refused(invoke(*words, "--loss", "categorical-cross-entropy"), "categorical_cross_entropy", "labels")


def test_inspecting_a_folder_with_targets(invoke: Invoke, spots: Path) -> None:
    inspected = answer(invoke("data inspect --json", spots))
    assert inspected.items() >= {"images": 120, "shape": [1, 12, 12], "targets": ["row", "column"]}.items()


@pytest.mark.parametrize(("choice", "task"), [("", "classification"), ("--regression", "regression")])
def test_whole_numbers_are_classes_unless_said(invoke: Invoke, tmp_path: Path, choice: str, task: str) -> None:
    """Train, evaluate and evaluate other data with the kind of targets that the run records."""
    for folder in ("levels", "others"):
        (tmp_path / folder).mkdir()
        lines = ["image;level", *(f"{number};{number % 2}" for number in range(60))]
        (tmp_path / folder / "targets.csv").write_text("\n".join(lines))
        for number in range(60):
            image = RNG.integers(0, 40, (7, 9)) + 90 * (number % 2)
            Image.fromarray(image.astype(np.uint8)).save(tmp_path / folder / f"{number}.png")
    assert f"{'--classes' if choice else '--regression'}" in invoke(f"data inspect levels {choice}").stdout
    trained = answer(invoke(f"train {MLP} --epochs 20 --out run --json --data levels {choice}"))
    assert trained["task"] == task
    for data in ("", "--data others"):
        evaluated = answer(invoke(f"evaluate run --json {data}"))
        assert evaluated["accuracy"] > 0.9 if task == "classification" else evaluated["mean_absolute_error"] < 0.2
    refused(invoke(f"train --data mnist {choice or '--classes'}"), "folder of images")
