"""`python -m experiments`: errors, and tables on pages."""

from pathlib import Path

import numpy as np
import pytest
import scipy.special
from cli.commands import Invoke, invoker, refused
from numerical import assert_close

from chainrule.plotting.markdown import write
from experiments.activations import curves, graphs
from experiments.commands import experiment


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
    assert_close(drawn["tanh"].slope[:, 0], 1 / np.cosh(X) ** 2)
    y = scipy.special.softmax(np.stack([X, 0 * X, 0 * X + 1]), axis=0)
    assert_close(drawn["softmax"].slope[:, 2], -y[0] * y[2])
    (line,) = graphs(drawn["relu"]).axes[1].lines
    shown = np.asarray(line.get_ydata())
    np.testing.assert_array_equal(np.isnan(shown), X[X > 0][0] == X)  # a gap at the jump
    np.testing.assert_array_equal(shown[X[X > 0][0] != X], X[X[X > 0][0] != X] > 0)


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
