"""Unchecked parts are never called right, in a report, by a command, or in a grade."""

import json
from pathlib import Path

import pytest
from check.programs import changed, module
from check.submissions import written
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import draws

import chainrule as cr
from chainrule.cli import main


def dense(name: str, gradient: str, dw: str = "dy.T @ self.x") -> str:
    """Return a dense layer whose weights and their gradient have these names."""
    return changed(
        "short/stored_dense",
        ("{made}", f"self.{name}, self.b = np.ones((4, 7)), np.zeros(4)"),
        ("{w}", f"self.{name}"),
        ("{b}", "self.b"),
        ("{kept}", f"self.{gradient}, self.db = {dw}, dy.sum(axis=0)"),
    )


@settings(max_examples=draws(8))
@given(
    name=st.from_regex(r"[a-z][a-z]{3,8}_[xyz]", fullmatch=True),
    seed=st.integers(0, 1000),
    factor=st.sampled_from([0.0, 2.0, -1.0]),
    known=st.booleans(),
)
def test_a_wrong_gradient_never_passes_whatever_its_name(name: str, seed: int, factor: float, known: bool) -> None:
    gradient = f"d{name}" if known else "q"
    for dw, code in ((f"{factor} * dy.T @ self.x", 1 if known else 3), ("dy.T @ self.x", 0)):
        layer = module(dense(name, gradient, dw)).Dense
        report = cr.check_gradients(layer, input_shape=(7,), seed=seed)
        assert report.exit_code == code, str(report)


def test_the_command_and_the_grade_list_unchecked_parts(tmp_path: Path) -> None:
    file = written(tmp_path, dense("theory", "foo", "0"))
    check, run = ["check", str(file), "--input-shape", "7"], CliRunner().invoke
    for options in ([], ["--json"]):
        result = run(main, [*check, *options])
        assert (result.exit_code, "not checked" in result.stdout) == (3, True)
    report = json.loads(result.stdout)
    assert (report["ok"], report["exit_code"], report["not_checked"]) == (False, 3, ["dw"])
    assert {row["verdict"] for row in report["results"]} == {"right", "not checked"}


SHAPED = """
class Shaped:
    def forward(self, x):
        {}
        return x / 2

    def backward(self, dy):
        return dy / 2
"""


@pytest.mark.parametrize("line", ["x = x.reshape(-1, 13, 13)", "assert x[:, 12].shape[1:] == (13,)"])
def test_code_for_an_unusual_shape_is_checked_with_it(line: str) -> None:
    layer = module(SHAPED.format(line)).Shaped
    assert cr.check_gradients(layer).exit_code == 3
    report = cr.check_gradients(layer, input_shape=(13, 13))
    assert {result.title for result in report.results if result.ok} >= {"dx"}, str(report)
