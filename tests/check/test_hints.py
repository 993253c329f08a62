"""The first wrong number of a gradient and the terms of its sum, and how much a level of hints gives away."""

from pathlib import Path

import numpy as np
import pytest
from check import planted_convolution, planted_layers
from check.planting import PLANTED
from click.testing import CliRunner

import chainrule as cr
from chainrule.check.hints import LEVELS, limited
from chainrule.check.report import Row
from chainrule.cli import main

CARL = Path(__file__).parents[2] / "examples" / "homework" / "submissions" / "carl.py"
SOURCES = [*vars(planted_convolution).values(), *vars(planted_layers).values()]
LINEAR = ("x", "w", "b")


def first_wrong(case: tuple, seed: int) -> Row | None:
    report = cr.check_gradients(case[0], against=case[1], seed=seed)
    return next((row for row in report.rows if row.first is not None), None)


@pytest.mark.parametrize("case", [case for case in PLANTED if case[0] in SOURCES and case[2] in LINEAR][::5])
def test_the_terms_add_up_to_both_sums(case: tuple) -> None:
    row = first_wrong(case, seed=3)
    if row is None or row.first is None or not row.first.terms:
        return  # the mistake shows on another probe, or changes the shape
    terms, scale = row.first.terms, max(abs(row.first.expected), abs(row.first.found))
    assert row.first.found != pytest.approx(row.first.expected, rel=1e-9)
    if not row.first.left_out:
        assert sum(one.value * one.expected for one in terms) == pytest.approx(row.first.expected, abs=1e-6 * scale + 1e-9)
    told = sum(one.value * one.found for one in terms)
    if told == pytest.approx(row.first.found, abs=1e-6 * scale):
        assert any(one.differs for one in terms)


class Halved:
    """y = 2x, with half the gradient at the first feature: worked out by hand."""

    def __init__(self) -> None:
        self.w = np.ones((2, 2))

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.x = x
        return x @ self.w.T

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dw = dy.T @ self.x
        dx = dy @ self.w
        dx[:, 0] -= dy[:, 1] * self.w[1, 0]
        return dx


def test_a_missing_term_is_shown_by_a_factor_of_zero() -> None:
    report = cr.check_gradients(Halved, against="Dense(2, bias=False)", input_shape=(2,))
    (first,) = (row.first for row in report.rows if row.first is not None)
    assert first.index == (0, 0)
    assert [term.index for term in first.terms] == [(0, 0), (0, 1)]
    kept, missing = first.terms
    assert not kept.differs
    assert missing.differs
    assert (missing.found, kept.found) == (0.0, pytest.approx(kept.expected, abs=1e-9))
    assert first.expected - first.found == pytest.approx(missing.value * missing.expected, rel=1e-6)
    assert "the first wrong number is dx[0,0]: found" in str(report)


def test_every_level_gives_away_more() -> None:
    texts = []
    for level in range(len(LEVELS)):
        result = CliRunner().invoke(main, ["check", str(CARL), "--against", "Conv2D(4, (3, 2))", "--hints", str(level)])
        assert result.exit_code == 1
        texts.append(result.stdout)
    assert ["the first wrong number" in text for text in texts] == [False, True, True, True]
    assert ["a sum of" in text for text in texts] == [False, False, True, True]
    assert ["docs/derivations/convolution.md" in text for text in texts] == [False, False, True, True]
    assert ["rotate K by 180°" in text for text in texts] == [False, False, False, True]
    assert all("WRONG" in text for text in texts)


def test_hints_change_no_verdict() -> None:
    report = cr.check_gradients(Halved, against="Dense(2, bias=False)", input_shape=(2,))
    for level in range(len(LEVELS)):
        less = limited(report, level)
        assert [row.verdict for row in less.rows] == [row.verdict for row in report.rows]
        assert less.exit_code == report.exit_code
    assert limited(report, 3) == report
    assert limited(report, 0).to_json()["rows"][1]["first"] is None
