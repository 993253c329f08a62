"""`chainrule predict`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli.commands import answer, bars, refused
from numerical import assert_close
from PIL import Image

import chainrule as cr
from chainrule.data import load_digit, load_image
from chainrule.runs.loading import load

ENGINE = "--engine numpy"


@pytest.fixture
def picture(tmp_path):
    """Draw a dark stroke on light paper, off centre."""
    pixels = np.full((90, 70), 230, np.uint8)
    pixels[15:60, 20:27] = 30
    Image.fromarray(pixels).save(tmp_path / "stroke.png")
    return tmp_path / "stroke.png"


@pytest.mark.parametrize("as_is", [False, True])
def test_json(invoke, finished, picture, as_is):
    """Prepare the image as in MNIST, or only resize it."""
    words = ("--json", "--inputs", "read", "--as-is" if as_is else "--digit")
    result = invoke(f"predict {ENGINE}", finished, picture, picture, *words)
    assert (result.exit_code, result.stderr) == (0, "")
    found = answer(result)
    pixels = load_image(picture, (1, 28, 28)) if as_is else load_digit(picture)
    with Image.open("read/stroke.pgm") as written:
        np.testing.assert_array_equal(np.asarray(written), pixels[0])
    shares = load(finished, engine="numpy").predict(pixels[None])[0]
    order = np.argsort(-shares)
    assert len(found) == 2
    assert found[0] == found[1]
    assert found[0]["image"] == str(picture)
    assert found[0]["class"] == str(order[0])
    assert_close(found[0]["confidence"], float(shares[order[0]]), error=1e-6)
    assert [other["class"] for other in found[0]["runners_up"]] == [str(place) for place in order[1:3]]
    assert found[0]["confidence"] >= found[0]["runners_up"][0]["confidence"] >= found[0]["runners_up"][1]["confidence"]


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
    layers, names, targets_of = OUTPUTS[task]
    draw = np.random.default_rng(1)
    levels = draw.integers(0, 3, 60)
    x = (80 * levels[:, None, None, None] + draw.integers(0, 20, (60, 1, 6, 9))).astype(np.uint8)
    model = cr.Sequential([cr.Flatten(), cr.Dense(16), cr.ReLU(), *layers], (1, 6, 9), engine="numpy", classes=names)
    loss = "mean_squared_error" if task == "regression" else None
    model.fit(x, targets_of(levels), epochs=60, learning_rate=0.02, loss=loss, progress=False)
    model.save(tmp_path / "model.safetensors")
    files = [str(tmp_path / f"{number}.png") for number in range(9)]
    for file, image in zip(files, x, strict=False):
        Image.fromarray(image[0]).save(file)
    printed = json.loads(invoke("predict", str(tmp_path / "model.safetensors"), *files, "--json").stdout)
    found = model.predict_classes(files)
    if task in ("classes", "binary"):
        assert [entry["class"] for entry in printed] == found.tolist() == targets_of(levels)[:9].tolist()
        return
    outputs = np.array([list(entry["outputs"].values()) for entry in printed])
    if task == "labels":
        expected = [tuple(name for name, value in zip(names, row, strict=True) if value >= 0.5) for row in outputs]
        assert found == expected
    else:
        assert_close(found, outputs)
        assert_close(found, targets_of(levels)[:9], error=0.05)


def test_pictures_of_other_models_are_only_resized(invoke, tmp_path):
    """Resize images for a model with colour and two named classes."""
    x, y = bars(40, size=16, classes=2)
    colour = np.stack([x, x, 255 - x], axis=1)
    np.savez(tmp_path / "colour.npz", x=colour, y=y, classes=np.array(["low", "high"]))
    words = [f"train {ENGINE} --model mlp --data colour.npz --out o --epochs 8 --quiet"]
    assert invoke(*words).exit_code == 0
    for place in (0, 1):
        Image.fromarray(colour[place].transpose(1, 2, 0)).resize((64, 64), 0).save(tmp_path / f"{place}.png")
    found = answer(invoke(f"predict o 0.png 1.png {ENGINE} --json --inputs read"))
    with Image.open("read/1.ppm") as written:
        np.testing.assert_array_equal(np.asarray(written).transpose(2, 0, 1), load_image("1.png", (3, 16, 16)))
    assert [answer["class"] for answer in found] == ["low", "high"]
    assert [len(answer["runners_up"]) for answer in found] == [1, 1]


@pytest.mark.parametrize(
    ("images", "written"),
    [
        ("a", {"circle/0", "square/0", "square/1"}),
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


def test_pictures_that_cannot_be_used(invoke, finished, picture, tmp_path):
    refused(invoke(f"predict {ENGINE}", finished, "nowhere.png"), "nowhere.png")
    (tmp_path / "text.png").write_text("words")
    refused(invoke(f"predict {ENGINE}", finished, "text.png"), "text.png")
    (tmp_path / "torn.png").write_bytes(picture.read_bytes()[:60])
    refused(invoke(f"predict {ENGINE}", finished, "torn.png"), "torn.png")
    Image.new("L", (40, 40), 255).save(tmp_path / "blank.png")
    refused(invoke(f"predict {ENGINE} --digit", finished, "blank.png"), "blank.png")


def test_one_bad_picture_does_not_spoil_the_others(invoke, finished, picture, tmp_path):
    blank = tmp_path / "blank.png"
    Image.new("L", (60, 60), 255).save(blank)
    result = invoke(f"predict {ENGINE} --digit --json", finished, picture, blank)
    assert [row["image"] for row in answer(result, 2)] == [str(picture)]
    assert result.stderr.count("\n") == 1
    assert "blank.png" in result.stderr


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_model_that_answers_with_numbers_or_several_labels_shows_its_outputs(invoke, picture, tmp_path, outputs):
    """Show raw outputs, because confidences would be wrong: 0.4 is a value, not 40 % of a class."""
    random = np.random.default_rng(0)
    x = random.random((40, 1, 9, 7), np.float32)
    last, names = ([cr.Dense(1)], ["output"]) if outputs == 1 else ([cr.Dense(3), cr.Sigmoid()], ["red", "big", "new"])
    y = 5 + x.mean((1, 2, 3)) if outputs == 1 else random.integers(0, 2, (40, 3))
    classes = None if outputs == 1 else names
    model = cr.Sequential([cr.Flatten(), *last], (1, 9, 7), engine="numpy", classes=classes)
    model.fit(x, y, learning_rate=0.05, epochs=3, progress=False)
    model.save(tmp_path / "model.safetensors")
    expected = model.predict(load_image(picture, (1, 9, 7))[None] / 255)[0]
    words = (f"predict {ENGINE}", tmp_path / "model.safetensors", picture)
    result = invoke(*words, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    (found,) = answer(result)
    assert list(found) == ["image", "outputs"]
    assert list(found["outputs"]) == names
    assert_close([*found["outputs"].values()], expected.tolist())
    shown = invoke(*words).stdout.splitlines()
    assert shown[0].split() == ["image", *names]
    assert_close([float(each) for each in shown[1].split()[-outputs:]], expected.tolist(), error=1e-5)
    (tmp_path / "damaged.png").write_bytes(b"no image")
    written = invoke(*words, tmp_path / "damaged.png", "--csv", tmp_path / "found.csv")
    assert written.exit_code == 2
    heading, first, second = (tmp_path / "found.csv").read_text(encoding="utf-8-sig").splitlines()
    assert heading == ",".join(["file", *names, "problem"])
    assert_close([float(each) for each in first.split(",")[1:-1]], expected.tolist())
    assert second.split(",")[1 : 1 + outputs] == [""] * outputs


def test_heat_maps_of_one_image_or_a_folder(invoke, tmp_path):
    x, y = bars(40, size=16, classes=2)
    np.savez(tmp_path / "d.npz", x=x, y=y)
    for model, width in (("mlp", 2), ("numpy-cnn", 3)):
        words = [f"train {ENGINE} --model {model} --data d.npz --out {model} --epochs 1 --quiet"]
        assert invoke(*words).exit_code == 0, words
        Image.fromarray(x[0, 0]).save(tmp_path / "a.png")
        assert invoke(f"predict {model} a.png {ENGINE} --heat heat-{model}.png --as-is").exit_code == 0
        with Image.open(f"heat-{model}.png") as figure:
            assert figure.width > width * 100
    assert invoke(f"predict mlp a.png a.png {ENGINE} --heat maps").exit_code == 0
    assert [path.name for path in Path("maps").iterdir()] == ["a-heat.png"]
    refused(invoke(f"predict mlp a.png a.png {ENGINE} --heat one.png"), "--heat one.png", "one image")
