"""Every part earns its own points: y by forward alone, the gradients by backward, in `check` and in `grade`."""

import re
import textwrap
from pathlib import Path

import pytest
from check.submissions import graded, written
from numerical import assert_close

from chainrule.check import homework
from chainrule.check.assignments import Assignment
from chainrule.check.checked_file import LocalFile
from chainrule.check.sources import load

DENSE = """
import numpy as np

class Linear:
    def __init__(self, in_features, out_features):
        self.W, self.b = np.random.randn(in_features, out_features), np.zeros(out_features)

    def forward(self, x):
        self.x = x
        return {factor} * (x @ self.W + self.b)
"""
BACKWARD = """
    def backward(self, dy):
        dy = {factor} * dy
        self.dW, self.db = self.x.T @ dy, dy.sum(0)
        return dy @ self.W.T
"""
INCOMPLETE = {
    "left out": "",
    "empty": "    def backward(self, dy):\n        pass\n",
    "not implemented": "    def backward(self, dy):\n        raise NotImplementedError\n",
    "a missing name": "    def backward(self, dy):\n        return dy @ self.w.T\n",
    "a wrong shape": "    def backward(self, dy):\n        return dy @ self.W\n",
    "nothing stored": "    def backward(self, dy):\n        return dy @ self.W.T + missing\n",
}


def earned(grade: homework.Grade) -> set[str]:
    return {result.part for result in grade.results if result.ok}


def checked(folder: Path, text: str, against: str) -> dict[str, str]:
    """Return the verdicts of `check` by part."""
    file = LocalFile(load(written(folder, textwrap.dedent(text), "checked.py")))
    report = Assignment.of(against, None).report(file, 5)[0]
    return {result.title: result.verdict for result in reversed(report.results)}


@pytest.mark.parametrize("name", INCOMPLETE)
def test_a_missing_backward_costs_the_gradients_only(name: str, tmp_path: Path) -> None:
    text = DENSE.format(factor=1) + INCOMPLETE[name]
    grade = graded(tmp_path, text, "Dense(4)")
    assert earned(grade) == {"y"}, grade
    assert all(result.remark for result in grade.results if not result.ok), grade
    verdicts = checked(tmp_path, text, "Dense(4)")
    assert verdicts["y"] == "right"
    assert {"right"} & {verdicts.get(part) for part in ("dx", "dw", "db")} == set()


@pytest.mark.parametrize("factor", [0.5, 0.1, 3.0])
def test_a_factor_of_everything_earns_nothing(factor: float, tmp_path: Path) -> None:
    assert earned(graded(tmp_path, (DENSE + BACKWARD).format(factor=factor), "Dense(4)")) == set()


@pytest.mark.parametrize("feature", [1, 2])
def test_the_remark_on_a_part_names_it_with_both_numbers(feature: int, tmp_path: Path) -> None:
    """The gradient of one feature is 1.37 times too long, a mistake without a name."""
    scaled = f"dy @ self.W.T * np.where(np.arange(self.W.shape[0]) == {feature}, 1.37, 1)"
    grade = graded(tmp_path, (DENSE + BACKWARD).format(factor=1).replace("dy @ self.W.T", scaled), "Dense(4)")
    (wrong,) = (result for result in grade.results if not result.ok)
    assert wrong.part == "dx"
    for text in (wrong.remark, (wrong.details or "").splitlines()[0]):
        words = re.fullmatch(r".*dx.*\[(\d+), ?(\d+)\]\D* (-?[\d.e-]+), \D+ (-?[\d.e-]+?)\.?", text or "")
        assert words, text
        assert int(words[2]) == feature
        assert_close(float(words[3]) / float(words[4]), 1.37, error=1e-4)
    assert wrong.remark is not None
    assert wrong.remark in (grade.remark or "")
