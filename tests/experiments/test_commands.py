"""`python -m experiments`: errors, and tables on pages."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from cli.commands import Invoke, answer, invoker, refused
from numerical import assert_close

import chainrule as cr
from chainrule.plotting.markdown import write
from experiments.activations import curves, graphs
from experiments.commands import experiment
from experiments.configurations import draw


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Return a function that runs a command in tmp_path."""
    return invoker(experiment, tmp_path, monkeypatch)


X = np.arange(-100, 101) / 100


def test_curves_of_activations(invoke, tmp_path: Path) -> None:
    (tmp_path / "drawn").mkdir()
    assert invoke("activations drawn tanh softmax").exit_code == 0
    assert {path.stem for path in (tmp_path / "drawn").iterdir()} == {"tanh", "softmax"}
    drawn = {curve.name: curve for curve in curves(X)}
    assert_close(drawn["tanh"].slope["y"], 1 / np.cosh(X) ** 2)
    y = scipy.special.softmax(np.stack([X, 0 * X, 0 * X + 1]), axis=0)
    assert_close(drawn["softmax"].slope["y2"], -y[0] * y[2])
    (line,) = (line for line in graphs(drawn["relu"]).axes[1].lines if line.get_label() == "y")
    np.testing.assert_array_equal(np.asarray(line.get_ydata())[np.isfinite(line.get_ydata())], X > 0)  # a gap at 0


def test_refused(invoke):
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
    actual = answer(result)
    assert actual["ok"]
    assert 0 < actual["graphs"] < 20
