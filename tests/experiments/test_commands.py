"""`python -m experiments` on small data in place of MNIST."""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from cli.commands import refused
from PIL import Image

import chainrule as cr
from chainrule import data
from chainrule.layers.activations import EXAMPLES
from chainrule.plotting.markdown import write

SMALL = ("--engine", "numpy", "--quiet", "--epochs", 2)


@pytest.fixture(autouse=True)
def only_mnist(loaded):
    yield
    assert {*loaded} <= {"mnist"}


def test_shares(invoke, tmp_path):
    result = invoke("shares", *SMALL, "--json", "--markdown", "shares.md")
    assert (result.exit_code, result.stderr) == (0, "")
    rows = json.loads(result.stdout)
    assert [(row["divisor"], row["images"], row["tutorial"]) for row in rows] == [
        (1, 96, "8 h"),
        (2, 48, "4 h"),
        (16, 6, "30 min"),
    ]
    assert all(row["seconds"] > 0 for row in rows)
    assert all(0 <= row["accuracy"] <= 1 and row["epochs"] == 2 for row in rows)
    page = (tmp_path / "shares.md").read_text(encoding="utf-8")
    assert "| 1/16 | 6 | 2 |" in page
    assert "numpy engine" in page


def test_shares_of_fewer_images(invoke):
    lines = invoke("shares", *SMALL, "--limit", 64).stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["1", "64"], ["1/2", "32"], ["1/16", "4"]]


def test_rate(invoke, tmp_path):
    words = ("rate", *SMALL, "--limit", 40, "--picture", "rate.png", "--json")
    rows = json.loads(invoke(*words).stdout)
    assert (rows[0]["rate"], rows[0]["batch_size"]) == (0.002, 32)
    assert (rows[-1]["rate"], rows[-1]["batch_size"]) == (3.0, 10)
    assert all(len(row["accuracies"]) == 2 for row in rows)
    with Image.open(tmp_path / "rate.png") as picture:
        assert picture.format == "PNG"


def test_losses(invoke):
    rows = json.loads(invoke("losses", *SMALL, "--limit", 20, "--json").stdout)
    assert [(row["ending"], row["loss"]) for row in rows[:2]] == [
        ("Sigmoid", "binary_cross_entropy"),
        ("Softmax", "categorical_cross_entropy"),
    ]
    assert all(len(row["accuracies"]) == 2 for row in rows)


def test_activations(invoke, tmp_path):
    (tmp_path / "graphs").mkdir()
    rows = json.loads(invoke("activations", "--pictures", "graphs", "--json").stdout)
    found = {row["what"]: np.array(row["values"]) for row in rows}
    x = np.array(rows[0]["x"])
    np.testing.assert_allclose(found["Tanh: dy/dx"], 1 / np.cosh(x) ** 2, rtol=1e-12)
    np.testing.assert_array_equal(found["LeakyReLU, slope 0.1: dy/dx"], np.where(x > 0, 1, 0.1))
    y = scipy.special.softmax(np.stack([x, 0 * x, 0 * x + 1]), axis=0)
    np.testing.assert_allclose(found["Softmax of (x, 0, 1): dy0/dx"], y[0] * (1 - y[0]), rtol=1e-12)
    np.testing.assert_allclose(found["Softmax of (x, 0, 1): dy2/dx"], -y[0] * y[2], rtol=1e-12)
    names = {*EXAMPLES, "softmax"}
    assert {path.stem for path in (tmp_path / "graphs").iterdir()} == names
    assert "Sigmoid: y" in invoke("activations").stdout


def test_refused(invoke):
    refused(invoke("activations", "--pictures", "no/where"), "no/where")
    refused(invoke("rate", "--epochs", 0), "--epochs")
    refused(invoke("rate", "--picture", "no/where.png"), "no/where.png")
    refused(invoke("shares", "--markdown", "no/where.md"), "no/where.md")
    refused(invoke("tides"), "tides")
    assert invoke().stdout.startswith("Usage: ")


def test_a_page_with_marks_keeps_its_text(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n<!-- table -->\nold\n<!-- end of table -->\n\nText.\n", encoding="utf-8")
    for _ in range(2):
        write(page, [["a", "b"], ["1|2", "3"]], "numpy", 1)
        lines = page.read_text(encoding="utf-8").splitlines()
        assert lines[:7] == ["# Page", "", "<!-- table -->", "", "| a | b |", "| --- | --- |", "| 1\\|2 | 3 |"]
        assert lines[-3:] == ["<!-- end of table -->", "", "Text."]
        assert "numpy engine; " in lines[8]
        assert "old" not in lines


def test_integers_of_a_run(invoke, tmp_path):
    layers = (cr.Conv2D(3, 3), cr.ReLU(), cr.Flatten(), cr.Dense(10), cr.Softmax())
    training, _ = data.load("mnist")
    model = cr.Sequential(layers, training.x.shape[1:], engine="numpy")
    model.fit(training, epochs=1, run=cr.Run(tmp_path / "run"), progress=False)
    result = invoke("integers", "run", "--json", "--markdown", "page.md")
    assert (result.exit_code, result.stderr) == (0, "")
    (row,) = json.loads(result.stdout)
    assert abs(row["after"] - row["before"]) <= 0.1
    assert "| 20 of mnist |" in (tmp_path / "page.md").read_text(encoding="utf-8")
