"""A user's own image folders on the command line: the files used, the training, the predictions."""

import csv
from pathlib import Path

import numpy as np
import pytest
from cli.commands import answer, bars, refused, succeeded
from data.trees import tree
from numerical import assert_close
from PIL import Image

from chainrule.cli import custom_data
from chainrule.cli.custom_data import MODEL
from chainrule.data import Augmentation, Dataset, load
from chainrule.runs import jobs
from chainrule.runs.loading import load as load_model
from chainrule.zoo.entries import TWO_EPOCHS

MLP = "--model mlp --engine numpy"
UNSAID = {"recipe": "best", "validation": None, "epochs": None, "augment": None}


def write(root: Path, samples: int, classes: int = 2) -> Path:
    """Write images of bars, one class per height, a sub-folder per class, every other image one folder deeper."""
    x, y = bars(samples, 16, classes)
    for number, (image, label) in enumerate(zip(x, y, strict=True)):
        folder = root / "abcdef"[label] / ("" if number % 2 else "deeper")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:03}.png")
    return root


@pytest.fixture
def parts(tmp_path):
    """Create train, validation and test with two damaged images and unrelated files."""
    for part, samples in (("train", 40), ("validation", 12), ("test", 8)):
        write(tmp_path / "bars" / part, samples)
    return tree(tmp_path / "bars", "train/a/torn.png test/b/torn.webp train/b/IMG_1.HEIC .DS_Store")


def test_a_run_validates_on_the_validation_folder_and_goes_on_with_it(invoke, parts):
    command = f"train {MLP} --epochs 1 --out o"
    refused(invoke(f"{command} --quiet --data", parts), "2 damaged", "torn.png", "--skip-damaged")
    assert not Path("o").exists()
    result = invoke(f"{command} --skip-damaged --json --data", parts)
    unused = [line.removeprefix("not used: ").partition(": ") for line in answer(result)["data"]]
    assert [(name, reason.split(",")[0].split(":")[0]) for name, _, reason in unused] == [
        ("test/b/torn.webp", "damaged"),
        ("train/a/torn.png", "damaged"),
        ("train/b/IMG_1.HEIC", "HEIC"),
    ]
    assert "the 12 images of the data's validation set" in result.stderr
    job = jobs.read_job(Path("o"))
    assert (job.recipe.validation, job.choice.skip_damaged, job.epoch_images) == (0.0, True, 40)
    model = load_model("o")
    training, _ = load(parts, skip_damaged=True)
    row = Path("o/history.csv").read_text().splitlines()[-1].split(",")
    assert_close(float(row[6]), model.evaluate(training.validation).loss)
    tree(write(Path("other"), 20), "a/torn.png")
    for command in ("evaluate o --data other", "explain --cell loss o --data other"):
        refused(invoke(command), "torn.png", "--skip-damaged")
        succeeded(invoke(f"{command} --skip-damaged"))


def test_own_data_get_a_network_a_recipe_and_one_size(invoke, tmp_path):
    folder = write(tmp_path / "bars", 330, 3)
    result = invoke("train --engine numpy --epochs 1 --out o --data", folder)
    job = jobs.read_job(Path("o"))
    assert (job.model["name"], job.recipe.augmentation, job.recipe.validation) == (MODEL, Augmentation(shift=1), 0.2)
    assert "53 of the 264 training images are held back for validation" in result.stderr.replace("\n    ", " ")
    Image.new("L", (90, 40)).save(folder / "a" / "wide.png")
    for options, shape in (("", (1, 64, 64)), ("--resize 16x20", (1, 16, 20))):
        succeeded(invoke(f"train {MLP} --epochs 1 --out o{shape[1]} --quiet {options} --data", folder))
        assert load_model(f"o{shape[1]}").input_shape == shape
        assert jobs.read_job(Path(f"o{shape[1]}")).choice.size == shape[1:]


def some(count: int, channels: int = 3, size: int = 64, validation: Dataset | None = None) -> Dataset:
    x = np.zeros((count, channels, size, size), np.uint8)
    return Dataset(x, np.arange(count) % 2, ("a", "b"), validation=validation)


def measured(channels: int, *units: float) -> Dataset:
    """Return 800 samples of normal numbers, with the channels in different units."""
    x = np.random.default_rng(0).normal(size=(800, channels, 28, 28)) * np.array(units)[:, None, None]
    return Dataset(x.astype(np.float32), np.arange(800) % 2, ("a", "b"))


@pytest.mark.parametrize(
    ("training", "own", "said", "expected"),
    [
        (some(800), True, {}, (50, "shift=4,flip", 0.2)),  # 32,000 images seen in all
        (some(100), True, {}, (60, "shift=4,flip", 0.0)),
        (some(800, validation=some(8)), True, {}, (40, "shift=4,flip", 0.0)),
        (some(800), True, {"epochs": 7, "augment": "none", "validation": 0.01}, (2, "shift=1", 0.02)),
        (some(800), True, {"recipe": "tutorial"}, (2, "shift=1", 0.02)),
        (some(800), False, {}, (2, "shift=1", 0.2)),
        (some(60_000, 1, 2), True, {}, (2, "shift=1", 0.02)),
        (some(4_000, 1, 28), True, {}, (10, "shift=1", 0.2)),
        (some(800, channels=2), True, {}, (50, "None", 0.2)),
        (measured(3, 1, 1, 100), True, {}, (50, "None", 0.2)),
        (measured(3, 1, 1, 2), True, {}, (50, "shift=2,flip", 0.2)),
    ],
)
def test_recipes_are_brought_to_the_data(training, own, said, expected):
    """Adapt the recipe to 32,000 images seen in all; explicit options take precedence."""
    actual = custom_data.adapt_recipe(TWO_EPOCHS, training, {**UNSAID, **said}, training.sample_shape, custom=own)
    assert (actual.epochs, str(actual.augmentation), actual.validation) == expected


def test_a_folder_as_a_table(invoke, tmp_path):
    """Print one sorted row per image, at any depth, others with the reason; follow no link, print no formula."""
    folder = write(tmp_path / "bars", 40)
    (folder / "a").rename(folder / "=1+1")
    succeeded(invoke(f"train {MLP} --epochs 8 --out o --quiet --data", folder))
    odd = tree(tmp_path / "odd", "x/telephone.heic notes.txt x/root->/ 0300.png")
    x, _ = bars(600, 16, 2)
    for number in {*range(600)} - {300}:  # more than are read at once
        Image.fromarray(x[number]).save(odd / f"{number:04}.png")
    result = invoke("predict --csv out.csv --top 9 --engine numpy o odd")
    assert (result.exit_code, result.stderr) == (2, "chainrule: 3 of 602 images cannot be used: see out.csv\n")
    with open("out.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    files = {str(path) for path in Path("odd").rglob("*")} - {"odd/x", "odd/notes.txt"}
    assert [row["file"] for row in rows] == sorted(files)
    problems = {row["file"]: row["problem"] for row in rows if row["problem"]}
    assert {*problems} == {"odd/0300.png", "odd/x/root", "odd/x/telephone.heic"}
    usable = [row for row in rows if not row["problem"]]
    shares = load_model("o").predict([row["file"] for row in usable])
    assert [row["class"] for row in usable] == [("'=1+1", "b")[share.argmax()] for share in shares]
    assert_close([float(row["confidence"]) for row in usable], shares.max(1), error=1e-6)
