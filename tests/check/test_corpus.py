"""Right code in every form and layout is right, and no change that makes it wrong passes."""

import pytest
from check.corpus import KINDS, cases, checked, exit_code, source, wrong_mutant
from check.homework_files import module

from chainrule.check.file_checks import LocalFile, check_file

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::RuntimeWarning")]
CASES = [pytest.param(*case, marks=pytest.mark.thorough if n % 17 else ()) for n, case in enumerate(cases())]


@pytest.mark.parametrize(("form", "name", "layout"), CASES)
def test_right_code_is_right_and_a_mutant_is_not(form: str, name: str, layout: str) -> None:
    text = source(form, name, layout)
    report = checked(text)
    assert report.exit_code == 0, str(report)
    changed = wrong_mutant(text, name, [*KINDS].index(name))
    assert exit_code(changed) != 0, changed


DENSE = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_out, n_in), np.zeros(n_out)

    def forward(self, x):
        self.cache = (x, {alias})
        return {y}

    def backward(self, dy{rate}):
        x, W = self.cache
        {body}
"""
RIGHT = {"alias": "self.W", "y": "x @ self.W.T + self.b", "rate": "", "body": "return dy @ W, dy.T @ x, dy.sum(0)"}
VERDICTS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "returned in order": ({}, {"y": "right", "dx": "right", "dw": "right", "db": "right"}),
    "a view in the cache": ({"alias": "self.W.reshape(self.W.shape)"}, {"y": "right", "dw": "right"}),
    "in a list": ({"body": "return dy @ W, [dy.T @ x, dy.sum(0)]"}, {"dx": "right", "dw": "right", "db": "right"}),
    "of another shape": ({"body": "return dy @ W, dy.T @ x, dy.sum(0, keepdims=True)"}, {"db": "right, but"}),
    "no dx": ({"body": "self.dW, self.db = dy.T @ x, dy.sum(0)"}, {"y": "right", "dx": "not returned", "dw": "right"}),
    "an error": ({"body": "return dy @ W.T, dy.T @ x, dy.sum(0)"}, {"y": "right", "dx": "FAILS"}),
    "a number differs": ({"body": "return dy @ W, 2 * dy.T @ x, dy.sum(0)"}, {"dw": "WRONG"}),
    "exchanged": ({"body": "return dy @ W, dy.sum(0), dy.T @ x"}, {"dw": "right", "db": "right"}),
    "return in a loop": (
        {
            "y": "self.W @ x + self.b",
            "rate": ", rate",
            "body": "for i in range(len(dy)):\n            if dy[i] == 0:\n                continue\n"
            "            self.W[i] -= rate * dy[i] * x\n            self.b[i] -= rate * dy[i]\n"
            "            return dy[i] * W[i]",
        },
        {"y": "right", "dx": "WRONG"},
    ),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_verdict_says_what_was_compared(name: str) -> None:
    changes, expected = VERDICTS[name]
    report = check_file(LocalFile(module(DENSE.format(**RIGHT | changes))), "dense", 0)
    assert report is not None
    verdicts = {row.title: row.verdict for row in report.rows}
    assert {title: verdicts.get(title) for title in expected} == expected, str(report)
    wrong = {"WRONG", "FAILS"} & {*verdicts.values()}
    assert report.exit_code == (1 if wrong else 3 * ("not checked" in verdicts.values()))
