"""`python -m experiments`: pictures, errors, and tables on pages."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from cli.commands import Invoke, answer, invoker, refused
from numerical import assert_close

import chainrule as cr
from chainrule.layers.activations import EXAMPLES
from chainrule.plotting.markdown import write
from experiments.activations import curves, graphs
from experiments.commands import experiment
from experiments.configurations import draw

X = np.arange(-100, 101) / 100


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs a command in tmp_path."""
    return invoker(experiment, tmp_path, monkeypatch)


def test_activations(invoke, tmp_path):
    (tmp_path / "graphs").mkdir()
    assert invoke("activations graphs").exit_code == 0
    assert {path.stem for path in (tmp_path / "graphs").iterdir()} == {*EXAMPLES, "softmax"}
    graphs = {curve.name: curve for curve in curves(X)}
    assert_close(graphs["tanh"].slope["y"], 1 / np.cosh(X) ** 2)
    y = scipy.special.softmax(np.stack([X, 0 * X, 0 * X + 1]), axis=0)
    for name, slope in {"y0": y[0] * (1 - y[0]), "y2": -y[0] * y[2]}.items():
        assert_close(graphs["softmax"].slope[name], slope)


def test_a_jump_is_two_dots_and_no_line():
    (relu,) = (curve for curve in curves(X) if curve.name == "relu")
    axes = graphs(relu).axes[1]
    (curve,) = (line for line in axes.lines if line.get_label() == "y")
    y = curve.get_ydata()
    place = int(np.flatnonzero(np.isnan(y)).item())
    np.testing.assert_array_equal(np.delete(y, place), X > 0)
    full, hollow = (line for line in axes.lines if line.get_marker() == "o")
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in (full, hollow)] == [(0, 0), (0, 1)]
    assert full.get_markerfacecolor() != hollow.get_markerfacecolor()


def test_refused(invoke):
    refused(invoke("activations no/where"), "no/where")
    refused(invoke("winograd --markdown no/where.md"), "no/where.md")
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


def test_prove(invoke, monkeypatch):
    result = invoke("prove --count 50 --engine numpy")
    assert (result.exit_code, result.stdout) == (0, "50 layers and 0 graphs: all right (seed 0)\n")
    monkeypatch.setattr("chainrule.engines.numpy.sigmoid_dx", lambda dy, y: dy)
    result = invoke("prove --count 50 --engine numpy --quiet")
    assert result.exit_code == 1
    (wrong,) = re.findall(r"50 layers and 0 graphs: (\d+) are wrong \(seed 0\)", result.stdout)
    planted = [number for number in range(50) if type(draw(0, number).layer) is cr.Sigmoid]
    assert int(wrong) == len(planted) > 0
    again = result.stdout.splitlines()[-1].removeprefix("again: python -m experiments ").split()
    assert again[:5] == ["prove", "--seed", "0", "--first", str(planted[-1])]
    assert invoke(*again, "--json").exit_code == 1


def test_prove_counts_graphs(invoke):
    result = invoke("prove --count 60 --engine numpy --json")
    found = answer(result)
    assert found["ok"]
    assert 0 < found["graphs"] < 20
