"""`chainrule predict`."""

from pathlib import Path

import numpy as np
import pytest
from cli.commands import answer, refused
from numerical import assert_close
from PIL import Image

import chainrule as cr
from chainrule.data import load_digit
from chainrule.runs.loading import load


def test_a_digit_is_prepared_as_in_mnist(invoke, finished, stroke):
    result = invoke("predict --json --inputs read --digit", finished, stroke, stroke)
    assert (result.exit_code, result.stderr) == (0, "")
    actual, again = answer(result)
    pixels = load_digit(stroke)
    with Image.open("read/stroke.pgm") as written:
        np.testing.assert_array_equal(np.asarray(written), pixels[0])
    shares = load(finished).predict(pixels[None])[0]
    order = np.argsort(-shares)[:3]
    rows = [actual, *actual["runners_up"]]
    assert actual == again
    assert actual["image"] == str(stroke)
    assert [row["class"] for row in rows] == [*map(str, order)]
    assert_close([row["confidence"] for row in rows], shares[order], error=1e-6)


@pytest.mark.parametrize(
    ("images", "written"),
    [
        ("a/circle", {"0"}),
        ("a/circle/0.png a/square", {"circle/0", "square/0", "square/1"}),
        ("a a/square/1.png b", {"a/circle/0.png", "a/square/0.png", "a/square/1.png", "b/0.png", "b/0.bmp"}),
    ],
)
def test_files_of_images_with_equal_names_keep_their_subfolders(invoke, tmp_path, images, written):
    model = cr.Sequential([cr.Conv2D(1, 1)], (1, 6, 5))
    model.save("dense.safetensors")
    for name in ("a/circle/0.png", "a/square/0.png", "a/square/1.png", "b/0.png", "b/0.bmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 5), len(name), np.uint8)).save(tmp_path / name)
    rows = answer(invoke(f"predict dense.safetensors {images} --inputs read --masks masks --json"))
    assert set(Path("read").rglob("*.pgm")) == {Path("read", f"{name}.pgm") for name in written}
    assert {row["output"] for row in rows} == {str(Path("masks", f"{name}-output.png")) for name in written}


@pytest.mark.parametrize("name", ["nowhere.png", "torn.png", "blank.png"])
def test_pictures_that_cannot_be_used(invoke, finished, stroke, name):
    """Name each in one line, and predict the others."""
    Path("torn.png").write_bytes(stroke.read_bytes()[:60])
    Image.new("L", (40, 40), 255).save("blank.png")
    refused(invoke("predict --digit", finished, name), name)
    result = invoke("predict --digit --json", finished, stroke, name)
    assert [row["image"] for row in answer(result, 2)] == [str(stroke)]
    assert (result.stderr.count("\n"), name in result.stderr) == (1, True)
