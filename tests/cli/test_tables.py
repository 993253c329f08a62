"""`train`, `evaluate` and `predict` on tables: CSV files whose columns are matched by name, and rows in .npz files."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from cli.commands import Invoke, answer, refused, succeeded
from models import several
from numerical import assert_close
from PIL import Image

import chainrule as cr

TRAIN = "train --engine numpy --quiet --threads 1 --epochs 3 --out run"
RNG = np.random.default_rng(6)
WIDTHS = RNG.normal(1e5, 3, 60)
COLORS = RNG.choice(["red", "blue"], 60)
ANSWERS = np.where(WIDTHS - 1e5 + 4 * (COLORS == "red") > 1, "big", "small")


def write(path: str, names: str, mark: str = ",") -> None:
    columns = {"width": WIDTHS, "color": COLORS, "answer": ANSWERS, "height": 2 * WIDTHS, "note": ["?"] * 60}
    selected = names.split()
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file, delimiter=mark)
        writer.writerow(selected)
        writer.writerows(zip(*(columns[name] for name in selected), strict=True))


def predicted(invoke: Invoke, file: str) -> list[dict[str, Any]]:
    return [{**entry, "image": ""} for entry in answer(invoke(f"predict run {file} --json"))]


def test_columns_are_matched_by_name(invoke: Invoke) -> None:
    write("table.csv", "width color answer")
    write("other.csv", "note answer color width", ";")
    succeeded(invoke(f"{TRAIN} --data table.csv --target answer"))
    model = cr.load("run/model.safetensors", engine="numpy")
    assert model.columns == ("width", "color=blue", "color=red")
    expected = model.predict_classes(cr.data.load_test("table.csv", target="answer"))
    for file in ("table.csv", "other.csv"):
        assert [entry["class"] for entry in predicted(invoke, file)] == expected.tolist()
    assert predicted(invoke, "other.csv") == predicted(invoke, "table.csv")

    whole = [answer(invoke(f"evaluate run --data {file} --json")) for file in ("other.csv", "./table.csv")]
    assert whole[0]["samples"] == 60
    assert whole[1]["samples"] == 12  # the test set of the run
    by_file = answer(invoke("evaluate run/model.safetensors --data other.csv --target answer --json"))
    assert by_file["loss"] == whole[0]["loss"]
    table = cr.data.load_test("table.csv", target="answer")
    assert_close(whole[0]["loss"], model.evaluate(table).loss)


def test_numbers_and_the_table_of_predictions(invoke: Invoke) -> None:
    write("table.csv", "width color height")
    succeeded(invoke(f"{TRAIN} --data table.csv --target height"))
    succeeded(invoke("predict run table.csv --csv out.csv"))
    rows = [*csv.DictReader(Path("out.csv").read_text(encoding="utf-8-sig").splitlines())]
    model = cr.load("run/model.safetensors", engine="numpy")
    expected = model.predict(cr.data.load_test("table.csv", target="height"))
    assert_close([float(row["height"]) for row in rows], expected[:, 0])
    assert rows[0]["file"] == "table.csv: row 2"


def test_rows_of_an_archive(invoke: Invoke) -> None:
    x = np.stack([WIDTHS, RNG.normal(size=60)], 1)
    np.savez("rows.npz", x=x, y=(ANSWERS == "big").astype(int))
    succeeded(invoke(f"{TRAIN} --data rows.npz"))
    model = cr.load("run/model.safetensors", engine="numpy")
    assert model.input_shape == (2,)
    assert [entry["class"] for entry in predicted(invoke, "rows.npz")] == [*map(str, model.predict_classes(x))]
    assert answer(invoke("evaluate run --data rows.npz --json"))["samples"] == 12


def test_bad_input_is_one_line(invoke: Invoke) -> None:
    write("table.csv", "width color answer")
    write("narrow.csv", "width answer")
    write("noted.csv", "width answer note")
    for line, message in (
        ("train --data table.csv", "width, color, answer"),
        ("train --data table.csv --target anser", "did you mean answer"),
        ("train --data shapes --target answer", "target"),
        ("train --data missing.csv --target answer", "missing.csv"),
        ("train --data table.csv --target answer --resize 8x8", "resize"),
    ):
        refused(invoke(line), message)
    succeeded(invoke(f"{TRAIN} --data table.csv --target answer"))
    refused(invoke("predict run narrow.csv"), "no column color; found width, answer")
    refused(invoke("evaluate run --data narrow.csv"), "no column color")
    refused(invoke("evaluate run --data table.csv --target color"), "no column color")
    refused(invoke("predict run table.csv --inputs read"), "images")
    text = Path("table.csv").read_text()
    Path("table.csv").write_text(text.replace("red", "green", 1))
    refused(invoke("predict run table.csv"), "expected one of blue, red")


def test_several_outputs_have_columns(invoke: Invoke) -> None:
    image = cr.Input((1, 6, 5))
    flat = cr.Flatten()(image)
    ends = {
        "digit": cr.Softmax()(cr.Dense(4)(flat)),
        "place": cr.Dense(2)(flat),
        "size": cr.Dense(1)(flat),
        "tags": cr.Sigmoid()(cr.Dense(3)(flat)),
        "dark": cr.Sigmoid()(cr.Dense(1)(flat)),
    }
    losses = {"place": "mean_squared_error", "size": "mean_squared_error"}
    losses |= {"digit": "categorical_cross_entropy", "tags": "binary_cross_entropy", "dark": "binary_cross_entropy"}
    model = cr.Graph(image, ends, loss={name: losses[name] for name in ends}, engine="numpy")
    x = RNG.integers(0, 256, (8, 1, 6, 5)).astype(np.uint8)
    targets = {"digit": np.arange(8) % 4, "place": RNG.normal(size=(8, 2)), "size": RNG.normal(size=8)}
    targets |= {"tags": RNG.integers(0, 2, (8, 3)), "dark": np.arange(8) % 2}
    model.fit(x, targets, epochs=1, progress=False)
    model.save("joint.safetensors")
    files = [f"{number}.png" for number in range(8)]
    for file, pixels in zip(files, x, strict=True):
        Image.fromarray(pixels[0]).save(file)

    entries = answer(invoke("predict joint.safetensors --json", *files))
    outputs, answers = model.predict(x), model.predict_classes(x)
    columns = {name: [entry["outputs"][name] for entry in entries] for name in entries[0]["outputs"]}
    assert columns["digit"] == answers["digit"].tolist()
    assert columns["dark"] == answers["dark"].tolist()
    assert columns["tags"] == [", ".join(names) for names in answers["tags"]]
    assert_close(columns["digit_confidence"], outputs["digit"].max(1))
    assert_close(columns["dark_confidence"], np.maximum(outputs["dark"], 1 - outputs["dark"])[:, 0])
    assert_close(np.array([columns["place_0"], columns["place_1"]]).T, outputs["place"])
    assert_close(columns["size"], outputs["size"][:, 0])
    assert "digit_confidence" in succeeded(invoke("predict joint.safetensors", *files)).stdout


def test_several_inputs_are_refused(invoke: Invoke) -> None:
    several.model().save("two.safetensors")
    Image.fromarray(np.zeros((6, 5), np.uint8)).save("0.png")
    refused(invoke("predict two.safetensors 0.png"), "inputs image 2×5×6")


def test_evaluations_still_need_one_output(invoke: Invoke) -> None:
    x = cr.Input((3,))
    cr.Graph(x, [cr.Dense(2)(x), cr.Dense(2)(x)]).save("two.safetensors")
    refused(invoke("evaluate two.safetensors --data shapes"), "two.safetensors has the outputs")
