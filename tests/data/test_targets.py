"""Images with targets: the table beside them, the arrays of an .npz file, and what a data set makes of them."""

import csv
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from data.trees import tree
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image
from selection import draws

from chainrule.data import load
from chainrule.errors import ChainruleError


def pixels(number: int) -> np.ndarray:
    return np.full((3, 4), number, np.uint8)


def write(folder: Path, heading: Sequence[str], rows: Sequence[Sequence[object]], mark: str = ",") -> Path:
    """Write a table, and images whose pixels are their numbers; with an accent in their names, in composed form."""
    for number in range(len(rows)):
        for name in (str(number), f"\u00e9{number}"):
            Image.fromarray(pixels(number)).save(folder / f"{name}.png")
    with (folder / "targets.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=mark).writerows([heading, *rows])
    return folder


@settings(max_examples=draws(13))
@given(st.integers(0, 2**32), st.sampled_from(",;\t"), st.sampled_from(("file", "Image", "file_name", "ID")))
def test_every_row_keeps_its_image(
    tmp_path_factory: pytest.TempPathFactory, seed: int, mark: str, heading: str
) -> None:
    """Write the same images and targets as tables of different forms; pixels tell which row an image is of."""
    rng = np.random.default_rng(seed)
    count, ending = int(rng.integers(8, 14)), rng.choice(("", ".png"))
    labels = rng.permutation(np.arange(count) % 3)
    kind = {
        "numbers": {"a, b": rng.normal(size=count), "\u00fc": 10 ** rng.uniform(-6, 6, count)},
        "labels": {"cat": labels % 2, "dog": labels // 2},
        "counted": {"class": labels},
        "named": {"class": np.array(["b\u00fc", "no. 12", "a b"])[labels]},
    }
    columns = kind[name := rng.choice(["numbers", "labels", "counted", "named"])]
    parts, weights = rng.permutation(["train", "VAL", "test"] * 5)[:count], rng.uniform(0.1, 10, count)
    parts[:3] = "train", "VAL", "test"
    files = [unicodedata.normalize("NFD", f"\u00e9{number}{ending}") for number in range(count)]
    divided = rng.random() < 0.5
    table = {heading: files, "weight": weights, **columns, **({"Split": parts} if divided else {})}
    order = rng.permutation(list(table)).tolist()
    rows = [[table[column][number] for column in order] for number in range(count)]
    training, test = load(write(tmp_path_factory.mktemp("images"), order, rows, mark))
    sets = {"train": training, "VAL": training.validation, "test": test}
    assert sum(len(part) for part in sets.values() if part) == count
    for part, data in sets.items():
        assert (data is not None) == (divided or part != "VAL")
        for (image, target), weight in zip(data or (), data.weights if data else (), strict=True):
            number = int(image[0, 0, 0])
            assert weight == weights[number]
            assert not divided or part == parts[number]
            if training.has_classes:
                assert training.classes[target] == str(columns["class"][number])
            else:
                assert dict(zip(training.classes, target, strict=True)) == {
                    column: values[number] for column, values in columns.items()
                }
    assert training.has_classes == (name in ("counted", "named"))
    (interpretation, *_) = training.inventory.notes
    assert heading.casefold() in interpretation
    assert ("--regression" in interpretation) == (name in ("labels", "counted"))


@pytest.mark.parametrize("targets", ["classes", "numbers", None])
def test_the_kind_of_targets_can_be_chosen(tmp_path: Path, targets: str | None) -> None:
    write(tmp_path, ["file", "count"], [[f"{number}.png", 3 + number % 2 * 7] for number in range(6)])
    training, _ = load(tmp_path, targets=targets)
    assert training.classes == (("3", "10") if targets == "classes" else ("count",))
    assert training.has_classes == (targets == "classes") == ("--classes" not in str(training.inventory))
    (tmp_path / "targets.csv").unlink()
    with pytest.raises(ChainruleError, match="table" if targets == "numbers" else "subfolder"):
        load(tmp_path, targets=targets)


def test_images_in_several_rows_are_reported(tmp_path: Path) -> None:
    rows = [[f"{number % 9}.png", number // 10] for number in range(12)]
    training, test = load(write(tmp_path, ["file", "label"], rows))
    assert len(training) + len(test) == 12
    assert "3 rows have the image of an earlier row, 2 of them with other targets: 1.png, 2.png" in str(
        training.inventory
    )


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("photo,age\n0.png,1\n", "expected a heading of 'file'"),
        ("file,kind,color\n0.png,cat,red\n", "row 2: kind: expected a number"),
        ("file,kind\n0.png,cat\n1.png,nan\n", "row 3: kind: expected a class"),
        ("file,kind,split\n0.png,cat,train\n1.png,dog,later\n", "row 3: split: expected train, val or test"),
        ("file,kind,split\n0.png,cat,test\n1.png,dog,test\n", "no row is for training"),
        ("file,age,age\n0.png,1,2\n", "each once"),
        ("file,age\n0.png,1\n1.png\n", "row 3: entries: expected 2"),
        ("file,age,weight\n0.png,1,-1\n", "row 2: weight: expected a weight of at least 0"),
        ("file,age\n../0.png,1\n", "row 2: file: expected the path of a file in this folder"),
        ('file,age\n"0.png,1\n', "unexpected end of data"),
        ("file,age\n8.png,1\n", "8.png: "),
        ("file,age\n\udcff", "not text in UTF-8"),
        (
            "file,age\nsame.png,1\n1.png,2\nout/secret.png,3\n",
            "row 4: file: expected the path of a file in this folder",
        ),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, table: str, says: str) -> None:
    """Refuse a path that leaves the folder through a link, as one that leaves it by its name; follow others."""
    Image.fromarray(pixels(9)).save(tmp_path / "secret.png")
    folder = tree(tmp_path / "images", "same.png->0.png out->..")
    write(folder, ["file", "age"], [["same.png", 1], ["1.png", 2]])
    assert sum(map(len, load(folder))) == 2
    (folder / "targets.csv").write_text(table, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ChainruleError) as error:
        load(folder)
    assert says in str(error.value)
    assert "targets.csv" in str(error.value) or "8.png" in says


def test_arrays_of_an_archive(tmp_path: Path) -> None:
    x, targets, weights = (
        np.stack([pixels(n) for n in range(20)]),
        np.random.default_rng(1).normal(size=(20, 2)),
        np.arange(20.0),
    )
    np.savez(tmp_path / "some.npz", x=x, targets=targets, weights=weights, classes=["a", "b"])
    for part in load(tmp_path / "some.npz"):
        places = part.x[:, 0, 0, 0].astype(int)
        assert_array_equal(part.y, targets[places])
        assert_array_equal(part.weights, weights[places])
        assert part.classes == ("a", "b")
