"""Images with targets: the table beside them, the arrays of an .npz file, and what a data set makes of them."""

import csv
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from data.trees import left_out, save, tree
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from selection import draws

from chainrule.data import load
from chainrule.errors import ChainruleError


def pixels(number: int) -> np.ndarray:
    return np.full((3, 4), number, np.uint8)


def write(folder: Path, heading: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heading, *rows])
    return folder


@settings(max_examples=draws(13))
@given(st.integers(0, 2**32), st.sampled_from(["numbers", "counted", "named"]), st.booleans())
def test_every_row_keeps_its_image(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kind: str, divided: bool
) -> None:
    """Write the same images and targets as tables of different forms; pixels tell which row an image is of."""
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("images")
    count = int(rng.integers(8, 14))
    labels = rng.permutation(np.arange(count) % 3)
    columns = {
        "numbers": {"a, b": rng.normal(size=count), "\u00fc": 10 ** rng.uniform(-6, 6, count), "c": labels % 2},
        "counted": {"label": labels},
        "named": {"label": np.array(["b\u00fc", "no. 12", "a b"])[labels]},
    }[kind]
    parts = rng.permutation(["train", "validation", "test"] * 5)[:count]
    parts[:3] = "train", "validation", "test"
    files = [f"{parts[number] if divided else 'deep'}/\u00e9{number}.png" for number in range(count)]
    for number, file in enumerate(files):
        save(folder / file, pixels(number))
    table = {"file": [unicodedata.normalize("NFD", file) for file in files], **columns}
    order = rng.permutation(list(table)).tolist()
    training, test = load(write(folder, order, [[table[name][number] for name in order] for number in range(count)]))
    sets = {"train": training, "validation": training.validation, "test": test}
    assert sum(len(part) for part in sets.values() if part) == count
    for part, data in sets.items():
        assert (data is not None) == (divided or part != "validation")
        for image, target in data or ():
            number = int(image[0, 0, 0])
            assert not divided or part == parts[number]
            if training.has_classes:
                assert training.classes[target] == str(columns["label"][number])
            else:
                assert dict(zip(training.classes, target, strict=True)) == {
                    column: values[number] for column, values in columns.items()
                }
    assert training.has_classes == (kind != "numbers")
    assert not training.remarks


def test_images_that_no_row_lists_are_named(tmp_path: Path) -> None:
    folder = write(
        tree(tmp_path, "a*3 b*3 notes.txt"), ["file", "age"], [[f"a/{number}.png", 1] for number in range(3)]
    )
    training, test = load(folder)
    assert len(training) + len(test) == 3
    unlisted = {f"b/{number}.png": "not in labels.csv" for number in range(3)}
    assert left_out(training) == {**unlisted, "notes.txt": "no image"}


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("photo,age\n0.png,1\n", "expected the heading file,label, or file and the names of numbers"),
        ("file;label\n0.png;cat\n", "found 'file;label'"),
        ("file,label,age\n0.png,cat,1\n", "found 'file,label,age'"),
        ("file,age,age\n0.png,1,2\n", "found 'file,age,age'"),
        ("", "found ''"),
        ("file,age\n", "there are no rows below the heading"),
        ("file,kind\n0.png,1\n1.png,cat\n", "row 3: kind: expected a number, such as 0.5; names of classes are in"),
        ("file,kind\n0.png,inf\n1.png,1\n", "row 2: kind: expected a number"),
        ("file,label\n0.png,cat\n1.png,nan\n", "row 3: expected the name of a class"),
        ("file,label\n0.png,cat\n1.png,cat\n", "only one class, 'cat'"),
        ("file,age\n0.png,1\n1.png\n", "row 3: expected 2 entries, as in the heading, found 1"),
        ("file,age\n../secret.png,1\n", "row 2: '../secret.png': is not in the folder"),
        ("file,age\nout/secret.png,1\n", "row 2: 'out/secret.png': is not in the folder"),
        ("file,age\nsame.png,1\n", "row 2: 'same.png': a link, which is not followed"),
        ("file,age\n0.png,1\n1.png,1\n0.png,2\n", "row 4: '0.png': is in row 2 already"),
        ("file,age\n0,1\n", "row 2: '0': is not in the folder"),
        ("file,age\nnotes.txt,1\n", "row 2: 'notes.txt': no image"),
        ('file,age\n"0.png,1\n', "unexpected end of data"),
        ("file,age\n\udcff", "not text in UTF-8"),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, table: str, says: str) -> None:
    save(tmp_path / "secret.png", pixels(9))
    folder = tree(tmp_path / "images", "same.png->0.png out->.. notes.txt")
    for number in range(2):
        save(folder / f"{number}.png", pixels(number))
    (folder / "labels.csv").write_text(table, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ChainruleError) as error:
        load(folder)
    assert says in str(error.value)
    assert "labels.csv" in str(error.value)


def test_rows_of_a_divided_folder_are_in_its_sets(tmp_path: Path) -> None:
    folder = tree(tmp_path, "train*2 test*2 other*2")
    with pytest.raises(ChainruleError, match=r"row 3: 'other/1.png': is outside of train, test"):
        load(write(folder, ["file", "age"], [["train/0.png", 1], ["other/1.png", 2]]))
    with pytest.raises(ChainruleError, match="no row has a file in train"):
        load(write(folder, ["file", "age"], [["test/0.png", 1], ["test/1.png", 2]]))


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
