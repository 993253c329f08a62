"""The first wrong number of a gradient and the terms of its sum, and how much a level of hints gives away."""

from pathlib import Path

import pytest
from check.programs import CASES, Case, planted, sampled
from click.testing import CliRunner
from numerical import assert_close
from test_docs import anchors

import chainrule as cr
from chainrule.check import sources
from chainrule.check.diagnoses import edits
from chainrule.check.homework import LEVELS, limit_hints
from chainrule.check.report import Report
from chainrule.check.wrong_numbers import FirstWrong
from chainrule.cli import main
from chainrule.explain.code import derivation_link
from chainrule.explain.explainers import EXPLAINERS
from chainrule.operations import reference

ROOT = Path(__file__).parents[2]
CARL = ROOT / "examples" / "homework" / "submissions" / "carl.py"
LAYER = "Conv2D(4, (3, 2))"
LINEAR = [case for case in CASES["planted"] if case.title in ("dx", "dw", "db") and case.code == 1]


def first_of(report: Report) -> FirstWrong | None:
    return next((result.first for result in report.results if result.first is not None), None)


def first_wrong(*changes: tuple[str, str], seed: int = 0) -> FirstWrong:
    """Return the first wrong number of a dense layer of seven features and four outputs."""
    first = first_of(cr.check_gradients(planted("layers", "Dense", *changes), against="Dense(4)", seed=seed))
    assert first is not None
    return first


@pytest.mark.parametrize("case", sampled(LINEAR, 20), ids=str)
def test_the_terms_add_up_to_both_sums(case: Case) -> None:
    first = first_of(case.report(3))
    if first is None or not first.terms:
        return  # the mistake shows on another test case, or changes the shape
    terms, scale = first.terms, max(abs(first.expected), abs(first.actual))
    assert first.actual != pytest.approx(first.expected, rel=1e-9)
    if not first.left_out:
        assert_close(sum(term.value * term.expected for term in terms), first.expected)
    if sum(term.value * term.actual for term in terms) == pytest.approx(first.actual, abs=1e-6 * scale):
        assert any(term.differs for term in terms)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_terms_of_a_gradient_name_the_weights(seed: int) -> None:
    """dx[n,f] = Σ_o dy[n,o] w[o,f]; with the weights reversed, the factor found is another weight."""
    first = first_wrong(("dy @ self.W", "dy @ self.W[::-1]"), seed=seed)
    n, f = first.index
    assert [(term.tensor, term.index, term.expected_as, term.actual_as) for term in first.terms] == [
        ("dy", (n, o), f"w[{o},{f}]", f"w[{3 - o},{f}]") for o in range(4)
    ]
    assert_close(sum(term.value * term.actual for term in first.terms), first.actual, dtype=float)


def test_a_calculation_is_shown_where_there_is_no_sum() -> None:
    """The variance of a batch normalization is held constant."""
    wrong = planted("norms", "BatchNorm", ("normal * product", "0"))
    report = cr.check_gradients(wrong, against="BatchNorm2D()")
    first = first_of(report)
    assert first is not None
    assert f"{first.expected:.3g}"[:4] in first.steps[-1].replace("−", "-")
    assert "see-derivation" not in str(limit_hints(report, 2))


def test_every_level_gives_away_more_and_changes_no_verdict() -> None:
    words = ["check", str(CARL), "--against", LAYER, "--input-shape", "3,4,3", "--hints", "2"]
    result = CliRunner().invoke(main, words)
    report = cr.check_gradients(sources.load(CARL).Convolution, against=LAYER, input_shape=(3, 4, 3))
    limited = [limit_hints(report, level) for level in range(len(LEVELS))]
    texts = [*map(str, limited[:2]), result.stdout, str(limited[3])]
    assert ["the first wrong number" in text for text in texts] == [False, True, True, True]
    assert ["a sum of" in text for text in texts] == [False, False, True, True]
    assert ["docs/derivations/convolution.md" in text for text in texts] == [False, False, True, True]
    assert ["rotate K by 180°" in text for text in texts] == [False, False, False, True]
    assert all("WRONG" in text for text in texts)
    for less in limited:
        assert [result.verdict for result in less.results] == [result.verdict for result in report.results]
        assert less.exit_code == report.exit_code == result.exit_code == 1
    assert limited[3] == report
    assert {row["first"] for row in limited[0].to_json()["results"]} == {None}


def test_every_link_leads_to_a_section() -> None:
    links = {edit.diagnosis.page for operation in reference.__all__ for edit in edits.listed(operation)}
    links |= {derivation_link(name) for name in EXPLAINERS}
    assert len(links) > 20
    for link in links - {None, ""}:
        page, _, section = link.partition("#")
        assert section in anchors(page), link


def test_a_grade_gives_away_no_more_than_the_hints(tmp_path: Path) -> None:
    """Write what students read on every service, and look for what each level withholds."""
    results, table = tmp_path / "results.json", tmp_path / "grades.csv"
    command = ["grade", str(CARL), "--single", "--against", LAYER, "--input-shape", "3,4,3", "--quiet", "--trust"]
    texts = []
    for level in (0, 3):
        options = ["--hints", str(level), "--results", "gradescope", str(results), "--csv", str(table)]
        done = CliRunner().invoke(main, [*command, *options])
        assert done.exit_code == 0, done.output
        texts.append(done.stdout + results.read_text("utf-8") + table.read_text("utf-8"))
    for phrase in ("found", "a sum of", "rotate", "kernel-not-rotated"):
        assert [phrase in text for text in texts] == [False, True]
    assert "dx is wrong" in texts[0]
