"""`chainrule predict`."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import answer, refused
from numerical import assert_close
from PIL import Image

import chainrule as cr
from chainrule.data import load_digit, load_image
from chainrule.runs.loading import load

ENGINE = "--engine numpy"


def test_a_digit_is_prepared_as_in_mnist(invoke, finished, stroke):
    result = invoke(f"predict {ENGINE} --json --inputs read --digit", finished, stroke, stroke)
    assert (result.exit_code, result.stderr) == (0, "")
    actual, again = answer(result)
    pixels = load_digit(stroke)
    with Image.open("read/stroke.pgm") as written:
        np.testing.assert_array_equal(np.asarray(written), pixels[0])
    shares = load(finished, engine="numpy").predict(pixels[None])[0]
    order = np.argsort(-shares)[:3]
    rows = [actual, *actual["runners_up"]]
    assert actual == again
    assert actual["image"] == str(stroke)
    assert [row["class"] for row in rows] == [*map(str, order)]
    assert_close([row["confidence"] for row in rows], shares[order], error=1e-6)


OUTPUTS: dict[str, tuple[list[Any], list[str], Any]] = {
    "classes": ([cr.Dense(3), cr.Softmax()], ["ant", "bee", "cat"], lambda k: np.array(["ant", "bee", "cat"])[k]),
    "binary": ([cr.Dense(1), cr.Sigmoid()], ["no", "yes"], lambda k: np.array(["no", "yes"])[k % 2]),
    "labels": (
        [cr.Dense(3), cr.Sigmoid()],
        ["a", "b", "c"],
        lambda k: np.stack([k == 0, k > 0, k == 2], 1).astype(int),
    ),
    "regression": ([cr.Dense(2)], ["height", "width"], lambda k: np.stack([k * 30.0, k * -400.0], 1)),
}


@pytest.mark.parametrize("task", OUTPUTS)
def test_python_returns_what_the_command_prints(invoke: Any, tmp_path: Path, task: str) -> None:
    """Resize larger images, show raw outputs where a model has no classes, and go on after an unreadable file."""
    layers, names, targets_of = OUTPUTS[task]
    draw, channels = np.random.default_rng(1), 3 if task == "classes" else 1
    levels = draw.integers(0, 3, 60)
    x = (80 * levels[:, None, None, None] + draw.integers(0, 20, (60, channels, 6, 9))).astype(np.uint8)
    model = cr.Sequential([cr.Flatten(), cr.Dense(16), cr.ReLU(), *layers], x.shape[1:], engine="numpy", classes=names)
    loss = "mean_squared_error" if task == "regression" else None
    model.fit(x, targets_of(levels), epochs=60, learning_rate=0.02, loss=loss, progress=False)
    model.save(tmp_path / "model.safetensors")
    files = [f"{number}.png" for number in range(9)]
    for file, image in zip(files, x, strict=False):
        Image.fromarray(np.moveaxis(image, 0, -1).squeeze()).resize((45, 24), 0).save(tmp_path / file)
    words = ("predict model.safetensors", *files)
    report, actual = json.loads(invoke(*words, "--json", "--inputs", "read").stdout), model.predict_classes(files)
    for file in files:
        with Image.open(Path("read", file).with_suffix(".ppm" if channels == 3 else ".pgm")) as written:
            read = np.asarray(written).reshape(6, 9, channels)
        np.testing.assert_array_equal(np.moveaxis(read, -1, 0), load_image(file, x.shape[1:]))
    if task in ("classes", "binary"):
        assert [entry["class"] for entry in report] == actual.tolist() == targets_of(levels)[:9].tolist()
        assert [len(entry["runners_up"]) for entry in report] == [len(names) - 1] * 9
        return
    labels, numbers = ["labels"] * (task == "labels"), slice(1, 1 + len(names))
    assert {(*entry, *entry["outputs"]) for entry in report} == {("image", "outputs", *labels, *names)}
    outputs = np.array([list(entry["outputs"].values()) for entry in report])
    (tmp_path / "damaged.png").write_bytes(b"no image")
    assert invoke(*words, "damaged.png", "--csv", "table.csv").exit_code == 2
    heading, *rows, last = csv.reader((tmp_path / "table.csv").read_text(encoding="utf-8-sig").splitlines())
    shown = [line.split() for line in invoke(*words).stdout.splitlines()]
    assert (heading, shown[0]) == (["file", *names, *labels, "problem"], ["image", *names, *labels])
    for table, error in ((rows, 0), (shown[1:], 1e-5)):
        assert_close([[float(cell) for cell in row[numbers]] for row in table], outputs, error=error)
    assert last[numbers] == [""] * len(names)
    if task == "labels":
        expected = [tuple(name for name, value in zip(names, row, strict=True) if value >= 0.5) for row in outputs]
        assert actual == expected == [tuple(entry["labels"]) for entry in report]
        assert [row[-2] for row in rows] == [", ".join(labels) for labels in expected]
    else:
        assert_close(actual, outputs)
        assert_close(actual, targets_of(levels)[:9], error=0.05)


@pytest.mark.parametrize(
    ("images", "written"),
    [
        ("a/circle", {"0"}),
        ("a/circle/0.png a/square", {"circle/0", "square/0", "square/1"}),
        ("a a/square/1.png b", {"a/circle/0.png", "a/square/0.png", "a/square/1.png", "b/0.png", "b/0.bmp"}),
    ],
)
def test_files_of_images_with_equal_names_keep_their_subfolders(invoke, tmp_path, images, written):
    model = cr.Sequential([cr.Conv2D(1, 1)], (1, 6, 5), engine="numpy")
    model.save(tmp_path / "dense.safetensors")
    for name in ("a/circle/0.png", "a/square/0.png", "a/square/1.png", "b/0.png", "b/0.bmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 5), len(name), np.uint8)).save(tmp_path / name)
    rows = answer(invoke(f"predict {ENGINE} dense.safetensors {images} --inputs read --masks masks --json"))
    assert set(Path("read").rglob("*.pgm")) == {Path("read", f"{name}.pgm") for name in written}
    assert {row["output"] for row in rows} == {str(Path("masks", f"{name}-output.png")) for name in written}


@pytest.mark.parametrize("name", ["nowhere.png", "torn.png", "blank.png"])
def test_pictures_that_cannot_be_used(invoke, finished, stroke, tmp_path, name):
    """Name each in one line, and predict the others."""
    (tmp_path / "torn.png").write_bytes(stroke.read_bytes()[:60])
    Image.new("L", (40, 40), 255).save(tmp_path / "blank.png")
    refused(invoke(f"predict {ENGINE} --digit", finished, name), name)
    result = invoke(f"predict {ENGINE} --digit --json", finished, stroke, name)
    assert [row["image"] for row in answer(result, 2)] == [str(stroke)]
    assert (result.stderr.count("\n"), name in result.stderr) == (1, True)


def test_heat_maps_of_one_image_or_a_folder(invoke, finished, stroke):
    assert invoke(f"predict {ENGINE} --heat heat.png --as-is", finished, stroke).exit_code == 0
    with Image.open("heat.png") as figure:
        assert figure.width > 200
    assert invoke(f"predict {ENGINE} --heat maps", finished, stroke, stroke).exit_code == 0
    assert [path.name for path in Path("maps").iterdir()] == ["stroke-heat.png"]
    refused(invoke(f"predict {ENGINE} --heat one.png", finished, stroke, stroke), "--heat one.png", "one image")
