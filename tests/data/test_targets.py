"""Images with targets: the table beside them, the arrays of an .npz file, and what a data set makes of them."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from PIL import Image

from chainrule.data import Dataset, load
from chainrule.errors import ChainruleError, DataError, FormatError

NUMBERS = st.floats(-1e6, 1e6)


def pixels(number: int) -> np.ndarray:
    return np.full((3, 4), number, np.uint8)


def write(folder: Path, heading: list[str], rows: Sequence[Sequence[object]]) -> Path:
    for number in range(len(rows)):
        Image.fromarray(pixels(number)).save(folder / f"{number}.png")
    with (folder / "targets.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([heading, *rows])
    return folder


@settings(max_examples=15)
@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.floats(0.1, 10)), min_size=5, max_size=12), st.permutations(range(4)))
def test_every_row_keeps_its_image(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[float, float, float]], order: list[int]
) -> None:
    """Draw numbers and an order of the columns; pixels tell which row an image is of."""
    heading = [["file", "a, b", "ü", "weight"][place] for place in order]
    rows = [[(f"{number}.png", *row)[place] for place in order] for number, row in enumerate(drawn)]
    training, test = load(write(tmp_path_factory.mktemp("images"), heading, rows))
    assert training.classes == tuple(name for name in heading if name in ("a, b", "ü"))
    assert len(training) + len(test) == len(drawn)
    assert len(test) == round(len(drawn) / 5)
    for part in (training, test):
        assert not part.has_classes
        assert part.weights is not None
        for image, targets, weight in zip(part.x, part.y, part.weights, strict=True):
            a, b, expected = drawn[int(image[0, 0, 0])]
            assert dict(zip(training.classes, targets, strict=True)) == {"a, b": a, "ü": b}
            assert weight == expected
    both = {int(image[0, 0, 0]) for part in (training, test) for image in part.x}
    assert both == set(range(len(drawn)))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "expected a heading of 'file'"),
        ("file\n0.png\n", "expected a heading of 'file'"),
        ("file,weight\n0.png,1\n", "expected a heading of 'file'"),
        ("image,age\n0.png,1\n", "expected a heading of 'file'"),
        ("file,age,age\n0.png,1,2\n", "each once"),
        ("file,age\n", "there are no rows"),
        ("file,age\n0.png,1\n1.png\n", "row 3: 1 columns; the heading has 2"),
        ("file,age\n0.png,old\n", "row 2: age: expected a number"),
        ("file,age\n0.png,nan\n", "row 2: age: expected a number"),
        ("file,age,weight\n0.png,1,-1\n", "row 2: weight: expected a weight of at least 0"),
        ("file,age\n../0.png,1\n", "row 2: '../0.png' is not a path of a file in this folder"),
        ("file,age\n/etc/passwd,1\n", "is not a path of a file in this folder"),
        ('file,age\n"0.png,1\n', "unexpected end of data"),
        ("file,age\n" + "\n".join(f"{n}.png,1" for n in range(9)), "8.png: "),
    ],
)
def test_tables_that_are_refused(tmp_path: Path, table: str, says: str) -> None:
    write(tmp_path, ["file", "age"], [[f"{n}.png", n] for n in range(8)])
    (tmp_path / "targets.csv").write_text(table, encoding="utf-8")
    with pytest.raises(ChainruleError) as error:
        load(tmp_path)
    assert says in str(error.value)
    assert "targets.csv" in str(error.value) or "8.png" in says


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    """Refuse a path that leaves the folder through a link, as one that leaves it by its name; follow others."""
    folder = tmp_path / "images"
    folder.mkdir()
    write(folder, ["file", "age"], [[f"{n}.png", n] for n in range(8)])
    (folder / "same.png").symlink_to("0.png")
    (folder / "out").symlink_to(tmp_path)
    Image.fromarray(pixels(9)).save(tmp_path / "secret.png")
    table = "file,age\nsame.png,1\n1.png,2\n"
    (folder / "targets.csv").write_text(table, encoding="utf-8")
    assert sum(map(len, load(folder))) == 2
    (folder / "targets.csv").write_text(f"{table}out/secret.png,3\n", encoding="utf-8")
    with pytest.raises(FormatError, match=r"row 4: .*link out of the folder"):
        load(folder)


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "targets.csv").write_bytes(b"file,age\n\xff")
    with pytest.raises(FormatError, match="not text in UTF-8"):
        load(tmp_path)


def test_arrays_of_an_archive(tmp_path: Path) -> None:
    x = np.stack([pixels(number) for number in range(20)])
    targets, weights = np.random.default_rng(1).normal(size=(20, 2)), np.arange(20.0)
    np.savez(tmp_path / "some.npz", x=x, targets=targets, weights=weights, classes=["a", "b"])
    for part in load(tmp_path / "some.npz"):
        places = part.x[:, 0, 0, 0].astype(int)
        assert_array_equal(part.y, targets[places])
        assert_array_equal(part.weights, weights[places])
        assert part.classes == ("a", "b")
    np.savez(tmp_path / "whole.npz", x=x, targets=targets[:, 0], x_test=x[:3], targets_test=targets[:3, 0])
    training, test = load(tmp_path / "whole.npz")
    assert_array_equal(training.y, targets[:, :1])
    assert_array_equal(test.y, targets[:3, :1])


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"targets": np.full(5, np.nan)}, "targets must be finite; those of sample 0"),
        ({"targets": np.array(["a"] * 5)}, "expected numbers"),
        ({"targets": np.ones((5, 2, 2))}, r"expected numbers \(N,\) or \(N, K\)"),
        ({"targets": np.ones(4)}, "float64 of shape"),
        ({"targets": np.ones(5), "weights": np.ones(4)}, "expected 5 numbers"),
        ({"targets": np.ones(5), "x_test": np.zeros((2, 3, 4), np.uint8)}, "no array 'targets_test'"),
        ({"targets": np.ones((5, 2)), "classes": ["a"]}, "float64 of shape"),
        ({"targets": np.zeros(0)}, "float64 of shape"),
    ],
)
def test_arrays_that_are_refused(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    np.savez(tmp_path / "some.npz", x=np.zeros((5, 3, 4), np.uint8), **arrays)
    with pytest.raises(DataError, match=says):
        load(tmp_path / "some.npz")


def test_parts_of_a_data_set() -> None:
    x, targets = np.zeros((6, 1, 2, 2), np.uint8), np.arange(12.0).reshape(6, 2)
    data = Dataset(x, targets, ("a", "b"), weights=np.arange(6.0))
    assert_array_equal(data[4][1], [8, 9])
    assert_array_equal([answer for _, answer in data], targets)
    part = data[[5, 1]]
    assert_array_equal(part.y, targets[[5, 1]])
    assert_array_equal(part.weights, [5.0, 1.0])
    assert_array_equal(data.take(2).weights, [0.0, 1.0])
    assert "2 targets" in repr(data)
    for refused in (lambda: data.only([0]), lambda: data.per_class(1)):
        with pytest.raises(DataError, match="targets instead of classes"):
            refused()
