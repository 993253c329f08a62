"""The first wrong number of a gradient and the terms of its sum, and how much a level of hints gives away."""

from pathlib import Path

import numpy as np
import pytest
from check.homework_files import file_report
from check.planted import PLANTED
from click.testing import CliRunner
from numerical import assert_close
from test_docs import anchors

import chainrule as cr
from chainrule.check import sources
from chainrule.check.diagnoses import CATALOGUES
from chainrule.check.homework import LEVELS, limit_hints
from chainrule.check.report import FirstWrong, Row
from chainrule.cli import main
from chainrule.explain.code import derivation_link
from chainrule.explain.trace import EXPLAINERS

ROOT = Path(__file__).parents[2]
FUNCTIONS = Path(__file__).parent / "courses" / "functions.py"
CARL = ROOT / "examples" / "homework" / "submissions" / "carl.py"
LAYER = "Conv2D(4, (3, 2))"
LINEAR = ("x", "w", "b")


def first_wrong(case: tuple, seed: int) -> Row | None:
    report = cr.check_gradients(case[0], against=case[1], seed=seed)
    return next((row for row in report.rows if row.first is not None), None)


@pytest.mark.parametrize("case", [case for case in PLANTED if case[2] in LINEAR][::20])
def test_the_terms_add_up_to_both_sums(case: tuple) -> None:
    row = first_wrong(case, seed=3)
    if row is None or row.first is None or not row.first.terms:
        return  # the mistake shows on another probe, or changes the shape
    terms, scale = row.first.terms, max(abs(row.first.expected), abs(row.first.actual))
    assert row.first.actual != pytest.approx(row.first.expected, rel=1e-9)
    if not row.first.left_out:
        assert_close(sum(one.value * one.expected for one in terms), row.first.expected)
    told = sum(one.value * one.actual for one in terms)
    if told == pytest.approx(row.first.actual, abs=1e-6 * scale):
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
    assert (missing.actual, kept.actual) == (0.0, pytest.approx(kept.expected, abs=1e-9))
    assert_close(first.expected - first.actual, missing.value * missing.expected)
    assert "the first wrong number is dx[0,0]: found" in str(report)


def test_every_level_gives_away_more() -> None:
    words = ["check", str(CARL), "--against", LAYER, "--input-shape", "3,4,3", "--hints", "2"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 1
    report = cr.check_gradients(sources.find(CARL)[0], against=LAYER, input_shape=(3, 4, 3))
    texts = [str(limit_hints(report, level)) for level in range(len(LEVELS))]
    texts[2] = result.stdout
    assert ["the first wrong number" in text for text in texts] == [False, True, True, True]
    assert ["a sum of" in text for text in texts] == [False, False, True, True]
    assert ["docs/derivations/convolution.md" in text for text in texts] == [False, False, True, True]
    assert ["rotate K by 180°" in text for text in texts] == [False, False, False, True]
    assert all("WRONG" in text for text in texts)


def test_hints_change_no_verdict() -> None:
    report = cr.check_gradients(Halved, against="Dense(2, bias=False)", input_shape=(2,))
    for level in range(len(LEVELS)):
        less = limit_hints(report, level)
        assert [row.verdict for row in less.rows] == [row.verdict for row in report.rows]
        assert less.exit_code == report.exit_code
    assert limit_hints(report, 3) == report
    assert limit_hints(report, 0).to_json()["rows"][1]["first"] is None


def wrong_dense(dx: str = "dy @ self.w", y: str = "x @ self.w.T + self.b") -> type:
    text = f"""
class Layer:
    def __init__(self):
        self.w, self.b = np.ones((4, 3)), np.zeros(4)

    def forward(self, x):
        self.x = x
        return {y}

    def backward(self, dy):
        self.dw, self.db = dy.T @ self.x, dy.sum(0)
        return {dx}
"""
    names: dict = {"np": np}
    exec(text, names)
    return names["Layer"]


def first_of(code: object, against: str, seed: int) -> FirstWrong:
    report = cr.check_gradients(code, against=against, input_shape=(3,) if "Dense" in against else None, seed=seed)
    return next(row.first for row in report.rows if row.first is not None)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_terms_of_a_gradient_name_the_weights(seed: int) -> None:
    """dx[n,f] = Σ_o dy[n,o] w[o,f]; with the weights reversed, the factor found is another weight."""
    first = first_of(wrong_dense(dx="dy @ self.w[::-1]"), "Dense(4)", seed)
    n, f = first.index
    assert [(one.tensor, one.index, one.expected_as, one.actual_as) for one in first.terms] == [
        ("dy", (n, o), f"w[{o},{f}]", f"w[{3 - o},{f}]") for o in range(4)
    ]
    assert_close(sum(one.value * one.actual for one in first.terms), first.actual, dtype=float)


def test_the_layers_own_input_is_named_in_its_gradient() -> None:
    """A learner confuses x with w, in a neuron."""

    def forward(x, w, b):
        return x @ w.T + b

    def backward(dy, x, w, b):
        return dy * x, dy.T @ x, dy.sum(axis=0)

    first = first_of((forward, backward), "Dense(1)", 0)
    n, f = first.index
    assert [(one.expected_as, one.actual_as) for one in first.terms] == [(f"w[0,{f}]", f"x[{n},{f}]")]


def test_a_gradient_that_forgets_dy_has_no_factors_of_it() -> None:
    first = first_of(wrong_dense(dx="np.ones_like(dy) @ self.w"), "Dense(4)", 0)
    assert [one.actual for one in first.terms] == [0] * 4


def test_the_terms_of_an_output_are_those_of_x() -> None:
    first = first_of(wrong_dense(y="2 * (x @ self.w.T) + self.b", dx="2 * dy @ self.w"), "Dense(4)", 1)
    n, o = first.index
    assert [(one.tensor, one.index) for one in first.terms] == [("b", (o,)), *(("x", (n, f)) for f in range(3))]
    assert [one.differs for one in first.terms] == [False, True, True, True]
    assert [one.actual_as for one in first.terms[1:]] == [f"2 w[{o},{f}]" for f in range(3)]


def test_terms_are_named_by_the_indices_of_the_learners_layout() -> None:
    """Weights of (inputs, outputs), as some courses set them."""
    text = FUNCTIONS.read_text(encoding="utf-8").replace("dx = (dout @ w.T)", "dx = (2 * dout @ w.T)")
    report = file_report(text, "affine_backward")
    (first,) = (row.first for row in report.rows if row.first is not None)
    n, *cell = first.index
    flat = int(np.ravel_multi_index(cell, (2, 3, 2)))
    assert [(one.index, one.expected_as) for one in first.terms] == [((n, o), f"w[{flat},{o}]") for o in range(4)]


class WrongNorm:
    """Batch normalization whose variance is held constant: no sum over the outputs, but a calculation."""

    def __init__(self) -> None:
        self.gamma, self.beta = np.ones(5), np.zeros(5)

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.scale = np.sqrt(x.var(0) + 1e-5)
        self.hat = (x - x.mean(0)) / self.scale
        return self.gamma * self.hat + self.beta

    def backward(self, dy: np.ndarray) -> np.ndarray:
        self.dgamma, self.dbeta = (dy * self.hat).sum(0), dy.sum(0)
        return self.gamma / self.scale * (dy - dy.mean(0))


def test_a_calculation_is_shown_where_there_is_no_sum() -> None:
    report = cr.check_gradients(WrongNorm, against="BatchNorm2D()", input_shape=(5,))
    first = next(row.first for row in report.rows if row.first is not None)
    assert first.steps
    assert f"{first.expected:.3g}"[:4] in first.steps[-1].replace("−", "-")
    assert "see-derivation" not in str(limit_hints(report, 2))


def test_every_link_leads_to_a_section() -> None:
    mistakes = [one for mistakes in CATALOGUES.values() for one in mistakes]
    links = {one.diagnosis.page for one in mistakes} | {derivation_link(name) for name in EXPLAINERS}
    assert len(links) > 20
    for link in links - {""}:
        page, _, section = link.partition("#")
        assert section in anchors(page), link


def test_a_grade_gives_away_no_more_than_the_hints(tmp_path: Path) -> None:
    """Write what students read on every service, and look for what each level withholds."""
    results = tmp_path / "results.json"
    words = ["grade", str(CARL), "--single", "--against", LAYER, "--input-shape", "3,4,3", "--quiet"]
    told = []
    for level in (0, 3):
        options = ["--hints", str(level), "--results", "gradescope", str(results), "--csv", str(tmp_path / "a.csv")]
        done = CliRunner().invoke(main, [*words, *options])
        assert done.exit_code == 0, done.output
        told.append(done.stdout + results.read_text("utf-8") + (tmp_path / "a.csv").read_text("utf-8"))
    for words in ("found", "a sum of", "rotate", "kernel-not-rotated"):
        assert [words in text for text in told] == [False, True]
    assert "dx is wrong" in told[0]
