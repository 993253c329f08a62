"""Tables: features and targets beside scikit-learn's encoder, columns of a network by name, and bad files."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.preprocessing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from selection import draws

import chainrule as cr
from chainrule.data import load_test

preprocessing: Any = sklearn.preprocessing  # without type annotations
WORDS = st.text("abcé, ;\"'", min_size=1, max_size=6).filter(lambda text: bool(text.strip()) and text == text.strip())
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


def written(columns: dict[str, list[Any]], mark: str = ",") -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=mark)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


@settings(max_examples=draws(30), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_features_are_those_of_an_encoder(tmp_path: Path, data: st.DataObject) -> None:
    rows = data.draw(st.integers(2, 12))
    many: dict[str, Any] = {"min_size": rows, "max_size": rows}
    columns: dict[str, list[Any]] = {
        "width": data.draw(st.lists(NUMBERS, **many)),
        "color": data.draw(st.lists(WORDS, **many)),
        "size": data.draw(st.lists(st.integers(-3, 9), **many)),
    }
    targets = data.draw(st.lists(NUMBERS, **many))
    path = tmp_path / "table.csv"
    mark = data.draw(st.sampled_from(",;\t"))
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig"]))
    path.write_text(written({**columns, "price": targets}, mark), encoding=encoding, newline="")
    table = load_test(path, target="price", targets="numbers")

    encoder = preprocessing.OneHotEncoder(sparse_output=False).fit(np.array(columns["color"], object)[:, None])
    names = [f"color={text}" for text in encoder.categories_[0]]
    one_hot = encoder.transform(np.array(columns["color"], object)[:, None])
    assert table.columns == ("width", *names, "size")
    expected = np.column_stack([columns["width"], one_hot, columns["size"]])
    assert_array_equal(table.x, expected)
    assert_array_equal(table.y[:, 0], targets)

    # a network that was trained on the table reads the same rows in another order of columns, with one more
    shuffled = {name: columns[name] for name in ("size", "color", "width")}
    path.write_text(written({"note": ["x"] * rows, **shuffled, "price": targets}), encoding="utf-8")
    again = load_test(path, target="price", targets="numbers", columns=table.columns)
    assert again.columns == table.columns
    assert_array_equal(again.x, table.x)


@pytest.mark.parametrize(
    ("entries", "kind", "classes"),
    [
        (["cat", "dog", "cat", "eel"], None, ("cat", "dog", "eel")),
        ([0, 1, 1, 0], None, ("0", "1")),
        ([0, 1, 1, 0], "numbers", ("answer",)),
        ([0.5, 1, 1, 0], None, ("answer",)),
        ([3, 7, 7, 3], "classes", ("3", "7")),
    ],
)
def test_kinds_of_targets(tmp_path: Path, entries: list[Any], kind: str | None, classes: tuple[str, ...]) -> None:
    path = tmp_path / "table.csv"
    path.write_text(written({"answer": entries, "width": [1, 2, 3, 4]}))
    table = load_test(path, target="answer", targets=kind)
    assert table.classes == classes
    if table.has_classes:
        assert [table.classes[label] for label in table.y] == [*map(str, entries)]
    else:
        assert_array_equal(table.y[:, 0], entries)
    assert repr(table).startswith("Dataset('table': 4 rows 1 float64")
    assert_array_equal(table[1:3].x, table.x[1:3])


ROWS = "age,color,class\n1,red,a\n2,blue,b\n3,red,a\n4,blue,b\n"
REFUSED = [
    (ROWS.replace("3,", "x,"), "row 4: age"),
    (ROWS.replace("3,", ","), "row 4: age"),
    (ROWS.replace("3,", "nan,"), "row 4: age"),
    (ROWS.replace("3,red", "3,"), "row 4: color"),
    (ROWS.replace("3,red,a", "3,red,"), "row 4: class"),
    (ROWS.replace("3,red,a", "3,red"), "row 4: entries"),
    (ROWS.replace("class", "klass"), "class"),
    (ROWS.replace("age", "color"), "different names"),
    (ROWS.replace("age", ""), "different names"),
    (ROWS.partition("\n")[0], "no rows"),
    ("", "different names"),
    ("1,2,3\n4,5,6\n", "different names"),
    (ROWS.replace(",", "|"), "class"),
    (ROWS.replace(",", ";").replace("3;", "3,5;").replace("1;", "1,5;"), "row [24]: age"),
    ("age,class\n" + "".join(f"x{n},a\n" for n in range(200)), "200 different texts"),
    ("class\na\nb\n", "beside the target"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_bad_tables_are_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(cr.ChainruleError, match=message) as refusal:
        load_test(path, target="class")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings_are_refused(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(ROWS.replace("red", "brûlé"), encoding=encoding)
    with pytest.raises(cr.FormatError, match="UTF-8"):
        load_test(path, target="class")


def test_columns_that_a_network_knows_are_required(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(ROWS)
    columns = load_test(path, target="class").columns
    for text, message in (
        (ROWS.replace("age", "years"), "no column age"),
        (ROWS.replace("color", "hue"), "no column color"),
        (ROWS.replace("blue", "green"), "row 3: color: expected one of blue, red, found 'green'"),
    ):
        path.write_text(text)
        with pytest.raises(cr.ChainruleError, match=message):
            load_test(path, target="class", columns=columns)
    with pytest.raises(cr.OptionError, match="table"):
        load_test(tmp_path, target="class")
    with pytest.raises(cr.OptionError, match="age, color, class"):
        load_test(path)


def test_networks_match_columns_by_name(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(ROWS)
    table = load_test(path, target="class")
    model = cr.Sequential([cr.Dense(2), cr.Softmax()], (3,), engine="numpy")
    model.fit(table, epochs=1, progress=False)
    assert model.columns == table.columns
    order = [2, 0, 1]
    other = cr.Dataset(table.x[:, order], table.y, table.classes, columns=tuple(table.columns[k] for k in order))
    assert_array_equal(model.predict(other), model.predict(table))
    assert model.evaluate(other).loss == model.evaluate(table).loss
